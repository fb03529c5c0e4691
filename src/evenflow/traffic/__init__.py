"""From packets to connections to columns: the room for live traffic."""
