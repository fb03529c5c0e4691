"""Data sets: whether they are here, and explored in the background."""
