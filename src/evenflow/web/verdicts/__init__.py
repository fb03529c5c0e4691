"""Verdicts, from the detector's answer to the words that a person reads."""
