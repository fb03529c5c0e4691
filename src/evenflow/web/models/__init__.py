"""Models: the bundles of the data folder, described, imported and compared."""
