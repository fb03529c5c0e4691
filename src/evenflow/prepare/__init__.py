"""From raw rows to a balanced matrix: explore, split, prepare, balance."""
