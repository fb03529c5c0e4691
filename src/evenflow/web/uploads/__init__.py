"""Uploads: received, scored in the background, read and deleted."""
