"""Pages in one file, and the model card."""
