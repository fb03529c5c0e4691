"""Alerts: their state, the analyst's feedback, rows to train on."""
