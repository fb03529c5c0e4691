"""The server's processes: the web server and the parent that keeps its children."""
