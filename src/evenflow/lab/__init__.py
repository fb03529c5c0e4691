"""Labelled traffic of our own: hosts on one machine, their captures, and rows of them.

``record`` starts ``inside`` in namespaces of its own, from which nothing can leave and
in which nothing outlives it. There, ``network`` makes machines of several network
namespaces each: one for the servers, one for every client that acts at the time. All of
a machine have its one address of IPv4 and of IPv6, and ``wire``, the cable and switch
between them, notes whose each connection is, also where a client comes from another
address. So a label is certain, and no address or port tells it.
``servers``, ``benign`` and ``attacks`` are what runs; ``build`` makes the rows,
``labels`` says what they are.
"""
