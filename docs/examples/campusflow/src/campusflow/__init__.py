"""Plug-ins for evenflow, one of each kind."""
