"""Charts of the pages, and the library that draws them."""
