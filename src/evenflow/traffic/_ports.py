"""Services registered at a server's port."""

from __future__ import annotations

TCP, UDP = 6, 17

BOTH = {
    7: "echo", 9: "discard", 13: "daytime", 17: "qotd", 19: "chargen", 37: "time",
    49: "tacacs", 53: "dns", 88: "krb", 111: "portmapper", 135: "dce_rpc",
    389: "ldap", 443: "ssl", 464: "krb", 500: "ike", 514: "syslog", 853: "ssl",
    1194: "openvpn", 1812: "radius", 1813: "radius", 2049: "nfs", 3389: "rdp",
    3478: "stun", 4500: "ike", 5060: "sip", 5061: "sip", 5349: "stun",
    11211: "memcached", 20000: "dnp3", 44818: "enip",
}  # fmt: skip
"""The same name over TCP and UDP, but for what :data:`BY_TRANSPORT` says."""
BY_TRANSPORT = {
    TCP: {
        20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 43: "whois",
        70: "gopher", 79: "finger", 80: "http", 81: "http", 88: "krb_tcp",
        102: "s7comm",
        109: "pop2", 110: "pop3", 113: "ident", 119: "nntp", 139: "smb", 143: "imap",
        179: "bgp", 389: "ldap_tcp", 445: "smb", 465: "ssl", 502: "modbus",
        512: "exec", 513: "login", 514: "shell", 515: "printer", 540: "uucp",
        543: "klogin", 544: "kshell", 548: "afp", 554: "rtsp", 563: "ssl", 585: "ssl",
        587: "smtp", 593: "dce_rpc", 631: "http", 636: "ssl", 873: "rsync", 989: "ssl",
        990: "ssl", 992: "ssl", 993: "ssl", 995: "ssl", 1080: "socks", 1433: "mssql",
        1521: "tns", 1723: "pptp", 1883: "mqtt", 1935: "rtmp", 2375: "http",
        2404: "iec104", 2809: "corba", 3128: "http", 3268: "ldap_tcp", 3269: "ssl",
        3306: "mysql", 3333: "stratum", 3868: "diameter", 4222: "nats", 4840: "opcua",
        5222: "xmpp", 5223: "ssl", 5269: "xmpp", 5432: "postgresql", 5555: "adb",
        5671: "ssl", 5672: "amqp", 5900: "rfb", 5901: "rfb", 5985: "http",
        5986: "ssl", 6000: "x11", 6379: "redis", 6666: "irc", 6667: "irc",
        6668: "irc", 6669: "irc", 6697: "ssl", 6881: "bittorrent", 8000: "http",
        8008: "http", 8080: "http", 8081: "http", 8088: "http", 8333: "bitcoin",
        8443: "ssl", 8883: "ssl", 8888: "http", 9200: "http", 9418: "git",
        10051: "zabbix", 20000: "dnp3_tcp", 27017: "mongodb", 61613: "stomp",
    },
    UDP: {
        67: "dhcp", 68: "dhcp", 69: "tftp", 80: "quic", 123: "ntp", 137: "dns",
        138: "netbios-dgm", 161: "snmp", 162: "snmp", 389: "ldap_udp", 443: "quic",
        520: "rip", 546: "dhcpv6", 547: "dhcpv6", 623: "ipmi", 853: "quic",
        1434: "mssql", 1645: "radius", 1646: "radius", 1701: "l2tp", 1900: "ssdp",
        2123: "gtpv1", 2152: "gtpv1", 3389: "rdpeudp", 3544: "teredo", 3702: "wsd",
        4433: "quic", 4789: "vxlan", 5004: "rtp", 5353: "dns", 5355: "dns",
        5683: "coap", 5684: "dtls", 6081: "geneve", 6881: "bittorrent",
        20000: "dnp3_udp", 47808: "bacnet", 51820: "wireguard",
    },
}  # fmt: skip


def port_service(protocol: int, port: int) -> str | None:
    """Return the service registered at a server's port.

    Parameters
    ----------
    protocol : int
        The IP protocol number: 6 or 17, others have no services.
    port : int
        The responder's.
    """
    own = BY_TRANSPORT.get(protocol)
    return None if own is None else own.get(port, BOTH.get(port))
