"""Connections over a bus: sensors publish them to a Redis stream, scorers share it.

The sensor runs the contract: windows need every connection of a network, in order, and
a stream that scorers share has no order for one of them. A batch therefore holds the
connections and their rows for the model, so that verdicts are those of one machine,
however many scorers there are and whichever of them ends. So are incidents: one scorer
groups the attacks of all, in the order of the stream.
"""
