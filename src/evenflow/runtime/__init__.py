"""The runtime of a sensor: load a bundle, score rows, explain a verdict."""
