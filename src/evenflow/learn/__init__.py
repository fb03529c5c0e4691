"""Networks and trees, and the story of their training in order."""
