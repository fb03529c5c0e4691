"""Numbers of the protocols over IP, by the names that logs have for them."""

from __future__ import annotations

NUMBERS = {
    "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "ipip": 4, "ipv4": 4, "st": 5,
    "tcp": 6, "cbt": 7, "egp": 8, "igp": 9, "igrp": 9, "nvp": 11, "pup": 12,
    "chaos": 16, "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29,
    "dccp": 33, "xtp": 36, "ddp": 37, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44,
    "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "swipe": 53, "mobile": 55,
    "skip": 57, "ipv6-icmp": 58, "icmp6": 58, "icmpv6": 58, "ipv6-nonxt": 59,
    "ipv6-no": 59, "ipv6-opts": 60, "vmtp": 81, "eigrp": 88, "ospf": 89, "ospfigp": 89,
    "ax.25": 93, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112,
    "pgm": 113, "l2tp": 115, "isis": 124, "fc": 133, "sctp": 132, "udplite": 136,
    "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142,
    "rtp": 17, "rtcp": 17, "udt": 17,
}  # fmt: skip
"""The last three are what Argus calls UDP with RTP, RTCP or UDT in it."""
