"""Packets, connections and logs to the columns that models are trained on."""
