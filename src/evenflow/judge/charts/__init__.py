"""Charts, as Vega-Lite: one specification for picture, page and web."""
