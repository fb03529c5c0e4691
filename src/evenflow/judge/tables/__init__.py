"""Tables of reports, comparisons and explorations; cells are text."""
