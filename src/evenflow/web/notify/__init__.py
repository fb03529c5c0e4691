"""Notifications of new alerts: to a web hook and by mail, never more than so often."""
