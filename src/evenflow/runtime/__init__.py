"""What a sensor needs: load a bundle, score rows, explain a verdict."""
