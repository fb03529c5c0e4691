"""Incidents: alerts that an analyst handles as one.

All times are those of packets: nothing here reads a clock, so a file, a file in pieces
and live traffic give the same incidents.
"""
