"""Experiments: one recipe to a bundle, a bundle on other rows, recipes side by side."""
