"""What a detector is worth: reports, comparisons, charts."""
