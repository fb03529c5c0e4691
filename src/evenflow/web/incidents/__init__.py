"""Incidents: what watches report, and what analysts make of it."""
