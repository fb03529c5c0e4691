"""The state of the server, for those who watch it: health and metrics."""
