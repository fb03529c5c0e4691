"""Services by payload: each protocol by its own bytes, and nothing in random ones."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.traffic._cursor import Cursor
from evenflow.traffic._heads import WIDTH
from evenflow.traffic._signatures import SIGNATURES
from evenflow.traffic._signatures_text import prefixes
from evenflow.traffic.captures import Frames
from evenflow.traffic.packets import Packets
from evenflow.traffic.services import NAMES, payload_service, port_service, service

TCP, UDP = 6, 17


def packets(payloads, protocol, ports=(50000, 50001), lengths=None):
    """Return packets that carry these payloads."""
    size = np.array([len(p) for p in payloads], np.int64)
    frames = Frames(
        data=np.frombuffer(b"".join(payloads), np.uint8),
        start=np.cumsum(size) - size,
        length=size,
        wire=size,
        time_ns=np.zeros(len(size), np.int64),
        link=np.full(len(size), 101),
    )
    columns = Cursor(frames).columns
    columns["end"][:] = 0
    columns["protocol"][:] = protocol
    columns["source_port"][:], columns["destination_port"][:] = ports
    columns["payload_start"], columns["payload_captured"] = frames.start, size
    columns["payload_bytes"] = size if lengths is None else np.array(lengths)
    columns["is_whole"][:] = True
    return Packets(frames=frames, **columns)


def names(payloads, protocol, **how):
    return [NAMES[k] for k in payload_service(packets(payloads, protocol, **how))]


def sized(text, after=0, form=">H"):
    """Return a text behind its own length, counted with ``after``."""
    return struct.pack(form, len(text) + after) + text


def dns(flags, *, counts=(1, 0, 0, 0), name=b"\3www\7example\3com\0", rest=b"\0\1\0\1"):
    return struct.pack(">HHHHHH", 0x1234, flags, *counts) + name + rest


def hello(kind, version=b"\3\3"):
    body = bytes([kind]) + sized(version + b"r" * 32, form=">I")[1:]
    return b"\x16\3\1" + sized(body)


def iso(rest):
    return b"\3\0" + sized(rest, 4)


def fill(text, n):
    return text + b"\x55" * (n - len(text))


def rpc(program):
    return struct.pack(">IIIIII", 7, 0, 2, program, 3, 1)


IKE = b"cookie12" + bytes(8) + b"\x21\x20\x22\x08\0\0\0\0\0\0\0\x40" + bytes(36)
DHCP = b"\1\1\6\0" + b"x" * 232 + b"\x63\x82\x53\x63\x35\1\1\xff"
NTP = b"\x23" + bytes(39) + b"12345678"
SNMP = bytes.fromhex(
    "02010104067075626c6963a019020101020100020100300e300c06082b060102010101"
)
LDAP = bytes.fromhex("300c020101600702010304008000")
KERBEROS = bytes.fromhex("6a0e300ca103020105a20302010aa400")
EXAMPLES = [
    ("ssl", TCP, hello(1)), ("ssl", TCP, hello(2)), ("ssl", TCP, hello(1, b"\3\0")),
    ("ssl", TCP, b"\x17\3\3\0\x40" + b"\x91" * 64), ("ssl", TCP, b"\x15\3\1\0\2\2\x28"),
    ("ssl", TCP, b"\x80\x1c\1\3\1\0\3\0\0\0\x10\0\0\5" + b"c" * 16),
    ("http", TCP, b"GET / HTTP/1.1\r\n"), ("http", TCP, b"HTTP/1.0 200 OK\r\n"),
    ("http", TCP, b"POST http://a/ HTTP/1.1\r\n"), ("http", TCP, b"PUT /../x\r\n"),
    ("http", TCP, b"CONNECT a.example:443 HTTP/1.1\r\n"),
    ("http", TCP, b"OPTIONS * HTTP/1.1\r\n"), ("http", TCP, b"PROPFIND /d HTTP/1.1"),
    ("http", TCP, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("ssh", TCP, b"SSH-2.0-OpenSSH_9.6\r\n"), ("ssh", TCP, b"SSH-1.99-x\r\n"),
    ("dns", UDP, dns(0x0100)), ("dns", TCP, sized(dns(0x0100))),
    ("dns", UDP, dns(0x8180, counts=(1, 2, 0, 0))), ("dns", UDP, dns(0x8403)),
    ("dns", UDP, dns(0x8400, counts=(0, 3, 0, 1))),
    ("dns", UDP, dns(0x0110, name=b"\x20" + b"CA" * 16 + b"\0", rest=b"\0\x20\0\1")),
    ("ftp", TCP, b"220 (vsFTPd 3.0.3)\r\n"), ("ftp", TCP, b"220-FileZilla Server\r\n"),
    ("ftp", TCP, b"331 Please specify the password.\r\n"),
    ("ftp", TCP, b"530 Login incorrect.\r\n"),
    ("smtp", TCP, b"220 mx.example ESMTP Postfix\r\n"), ("smtp", TCP, b"EHLO a\r\n"),
    ("smtp", TCP, b"mail from:<a@b>\r\n"), ("pop3", TCP, b"+OK POP3 ready\r\n"),
    ("pop3", TCP, b"CAPA\r\n"), ("imap", TCP, b"* OK IMAP4rev1\r\n"),
    ("imap", TCP, b"a001 LOGIN u p\r\n"), ("imap", TCP, b"1 CAPABILITY\r\n"),
    ("quic", UDP, fill(b"\xc3\0\0\0\1\x08abcdefgh\0", 1200)),
    ("quic", UDP, fill(b"\xd0\x6b\x33\x43\xcf\0\2xy", 1200)),
    ("quic", UDP, fill(b"\xc0Q050\x50", 900)),
    ("quic", UDP, fill(b"\x0d12345678Q043", 900)),
    ("mqtt", TCP, b"\x10\x0e\0\4MQTT\4\2\0\x3c\0\2ab"), ("mqtt", TCP, b"\x20\2\0\0"),
    ("mqtt", TCP, b"\x10\x90\1\0\6MQIsdp\3" + b"a" * 130),
    ("ntp", UDP, NTP), ("ntp", UDP, b"\x17\0\3\x2a" + bytes(4)),
    ("snmp", UDP, b"\x30" + sized(SNMP, form=">B")),
    ("dhcp", UDP, DHCP), ("sip", UDP, b"INVITE sip:a@b SIP/2.0\r\n"),
    ("sip", TCP, b"SIP/2.0 200 OK\r\n"), ("sip", UDP, b"OPTIONS sip:x SIP/2.0\r\n"),
    ("rtsp", TCP, b"OPTIONS rtsp://a/b RTSP/1.0\r\n"),
    ("rtsp", TCP, b"RTSP/1.0 200 OK"),
    ("telnet", TCP, b"\xff\xfd\x18\xff\xfd\x20"), ("telnet", TCP, b"\xff\xfb\1"),
    ("smb", TCP, b"\0\0\0\x40\xfeSMB" + bytes(60)),
    ("smb", TCP, b"\0\0\0\x40\xffSMB" + bytes(60)),
    ("rdp", TCP, iso(b"\x0e\xe0\0\0\0\0\0\1\0\x08\0\3\0\0\0")),
    ("rdp", TCP, iso(b"\x1a\xe0\0\0\0\0\0Cookie: mstshash=a\r\n"[:27])),
    ("rdp", TCP, iso(b"\x0e\xd0\0\0\x12\x34\0\2\0\x08\0\1\0\0\0")),
    ("s7comm", TCP, iso(b"\2\xf0\x80\x32\1\0\0\0\0\0\x08\0\0\xf0\0\0\1\0\1\1\xe0")),
    ("mysql", TCP, b"\x4a\0\0\0\x0a" + fill(b"8.0.36\0", 73)),
    ("mysql", TCP, b"\x0a\0\0\0\xff\x69\4#HY000x"),
    ("postgresql", TCP, b"\0\0\0\x08\4\xd2\x16\x2f"),
    ("postgresql", TCP, sized(b"\0\3\0\0user\0a\0\0", 4, ">I")),
    ("redis", TCP, b"*1\r\n$4\r\nPING\r\n"), ("redis", TCP, b"-NOAUTH Authentication"),
    ("modbus", TCP, b"\0\1\0\0\0\6\1\3\0\0\0\x0a"),
    ("modbus", TCP, b"\0\1\0\0\0\3\1\x83\2"),
    ("coap", UDP, b"\x40\1\x12\x34\xb5sensor"[:10]),
    ("bittorrent", TCP, b"\x13BitTorrent protocol" + bytes(8)),
    ("bittorrent", UDP, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
    ("tftp", UDP, b"\0\1boot.cfg\0octet\0"),
    ("tftp", UDP, b"\0\2a\0NETASCII\0blksize\x001024\0"),
    ("ldap_tcp", TCP, LDAP), ("ldap_udp", UDP, LDAP), ("krb", UDP, KERBEROS),
    ("krb_tcp", TCP, sized(KERBEROS, form=">I")),
    ("syslog", UDP, b"<34>Oct 11 22:14:15 su: x"),
    ("syslog", TCP, b"<165>1 2003-10-11T22:14:15.003Z a"),
    ("stun", UDP, b"\0\1\0\0\x21\x12\xa4\x42abcdefghijkl"),
    ("wireguard", UDP, fill(b"\1\0\0\0", 148)),
    ("wireguard", UDP, fill(b"\4\0\0\0abcd\7\0\0\0\0\0\0\0", 96)),
    ("openvpn", UDP, b"\x38abcdefgh\0\0\0\0\0"),
    ("openvpn", TCP, b"\0\x0e\x38abcdefgh\0\0\0\0\0"),
    ("openvpn", UDP, b"\x38" + b"s" * 28 + b"\0\0\0\1" + b"t" * 9),
    ("amqp", TCP, b"AMQP\0\0\x09\1"), ("irc", TCP, b"NICK a\r\nUSER a 0 * :a\r\n"),
    ("irc", TCP, b":irc.example 001 a :Welcome\r\n"), ("rfb", TCP, b"RFB 003.008\n"),
    ("radius", UDP, b"\1\7" + sized(b"a" * 16 + b"\1\6user", 4)),
    ("ike", UDP, IKE), ("ike", UDP, bytes(4) + IKE),
    ("ssdp", UDP, b"M-SEARCH * HTTP/1.1\r\n"), ("ssdp", UDP, b"HTTP/1.1 200 OK\r\n"),
    ("dtls", UDP, b"\x16\xfe\xff" + bytes(8) + sized(b"\1" + bytes(40))),
    ("xmpp", TCP, b"<?xml version='1.0'?><stream:stream to='a'>"),
    ("xmpp", TCP, b"<stream:stream>"),
    ("socks", TCP, b"\5\1\0"), ("socks", TCP, b"\4\1\0\x50\xc0\0\2\1user\0"),
    ("dce_rpc", TCP, b"\5\0\x0b\3\x10\0\0\0\x48\0\0\0" + bytes(60)),
    ("mongodb", TCP, struct.pack("<iiii", 36, 1, 0, 2013) + bytes(20)),
    ("memcached", UDP, b"\0\1\0\0\0\1\0\0stats\r\n"), ("memcached", TCP, b"stats\r\n"),
    ("mssql", TCP, b"\x12\1\0\x2f\0\0\1\0" + b"p" * 39),
    ("tns", TCP, sized(b"\0\0\1\0\0\0\1\x3a" + b"x" * 40, 2)),
    ("rdpeudp", UDP, fill(b"\xff\xff\xff\xff\0\x40\0\1", 1232)),
    ("gtpv1", UDP, b"\x32\1\0\4\0\0\0\0\0\0\0\0"),
    ("teredo", UDP, b"\x60\0\0\0\0\0\x3b\xff\xfe\x80" + bytes(30)),
    ("l2tp", UDP, b"\xc8\2\0\x0c" + bytes(8)),
    ("rip", UDP, b"\2\2\0\0\0\2" + bytes(17) + b"\1"),
    ("bacnet", UDP, b"\x81\x0b\0\x08\1\x20\xff\xff"),
    ("netbios-dgm", UDP, b"\x11\x02ab\xc0\0\2\1\0\x8a" + bytes(90)),
    ("ipmi", UDP, b"\6\0\xff\6\0\0\x11\xbe\x80\0\0\0"),
    ("portmapper", UDP, rpc(100000) + bytes(16)),
    ("nfs", TCP, b"\x80" + sized(rpc(100003), form=">I")[1:]),
    ("mount", UDP, rpc(100005)),
    ("rpc", UDP, rpc(100021)),
    ("dnp3_tcp", TCP, b"\5\x64\5\xc0\1\0\0\4\xe9\x21"),
    ("dnp3_udp", UDP, b"\5\x64\5\xc0\1\0\0\4\xe9\x21"),
    ("enip", TCP, b"\x65\0\4\0" + bytes(20) + b"\1\0\0\0"),
    ("iec104", TCP, b"\x68\4\7\0\0\0"),
    ("tacacs", TCP, b"\xc0\1\1\0abcd\0\0\0\5hello"),
    ("diameter", TCP, b"\1\0\0\x20\x80\0\1\1" + bytes(24)),
    ("pptp", TCP, b"\0\x9c\0\1\x1a\x2b\x3c\x4d" + bytes(148)),
    ("git", TCP, b"0032git-upload-pack /a\0host=b\0"),
    ("rsync", TCP, b"@RSYNCD: 31.0\n"), ("zabbix", TCP, b"ZBXD\1" + bytes(8)),
    ("nats", TCP, b'INFO {"server_id":"a"}\r\n'),
    ("stomp", TCP, b"CONNECT\nhost:a\n\n\0"),
    ("nntp", TCP, b"MODE READER\r\n"), ("opcua", TCP, b"HELF\x20\0\0\0"),
    ("adb", TCP, b"CNXN\0\0\0\1\0\0\4\0"), ("x11", TCP, b"l\0\x0b\0\0\0\0\0\0\0\0\0"),
    ("bgp", TCP, b"\xff" * 16 + b"\0\x1d\1\4"),
    ("bitcoin", TCP, b"\xf9\xbe\xb4\xd9version\0"),
    ("jdwp", TCP, b"JDWP-Handshake"), ("rmi", TCP, b"JRMI\0\2K"),
    ("stratum", TCP, b'{"id":1,"method":"mining.subscribe","params":[]}\n'),
    ("dhcpv6", UDP, b"\1abc\0\1\0\x0a" + b"d" * 10),
]  # fmt: skip
PORTS = {"coap": (50000, 5683), "dhcpv6": (546, 547)}


@pytest.mark.parametrize(
    ("name", "protocol", "payload"),
    EXAMPLES,
    ids=[f"{name}-{k}" for k, (name, *_) in enumerate(EXAMPLES)],
)
def test_a_payload_shows_its_service_at_any_port_and_its_start_no_other(
    name, protocol, payload
):
    ports = PORTS.get(name, (50000, 5300))
    assert names([payload], protocol, ports=ports) == [name]
    starts = [payload[:n] for n in range(1, min(len(payload), 24))]
    # as if no more had been sent, and as if no more had been captured
    for lengths in (None, [len(payload)] * len(starts)):
        found = names(starts, protocol, ports=ports, lengths=lengths)
        assert set(found) <= {name, ""}


def test_each_service_has_an_example_and_each_signature_a_name():
    signed = {(s.name, s.transport) for s in SIGNATURES}
    signed |= {(name, transport) for name, transport, _ in prefixes()}
    shown = {name for name, _, _ in EXAMPLES}
    assert {name for name, _ in signed} == shown == set(NAMES) - {""}
    assert len(NAMES) == len(set(NAMES)) < 255


def test_no_fixed_beginning_goes_on_as_that_of_another_service():
    for name, transport, text in prefixes():
        assert 4 <= len(text) <= WIDTH
        for other, kind, longer in prefixes():
            is_same = name == other or transport != kind
            assert is_same or not longer.startswith(text), (name, other, longer)


def test_ids_are_kept():
    assert [NAMES.index(name) for name in ("ssl", "http", "dns", "ftp")] == [1, 2, 3, 5]
    assert NAMES[42] == "socks"
    assert NAMES[82] == "stratum"


def test_a_signature_counts_on_its_own_transport_only():
    signed = {(s.name, s.transport) for s in SIGNATURES}
    signed |= {(name, transport) for name, transport, _ in prefixes()}
    for name, protocol, payload in EXAMPLES:
        other = TCP + UDP - protocol
        [found] = names([payload], other, ports=PORTS.get(name, (50000, 50001)))
        assert found == "" or (found, other) in signed


@pytest.mark.parametrize(
    "payload",
    [
        b"220 ready\r\n", b"220 FTP and SMTP gateway\r\n", b"USER bob\r\n",
        b"+OK\r\n", b"-ERR unknown\r\n", b"PASS x\r\n", b"QUIT\r\n", b"GET key\r\n",
        b"250 OK\r\n", b"\0" * 64, b"a" * 300, b"\xff" * 8, b"hello, world\n",
    ],
)  # fmt: skip
def test_what_fits_two_services_or_none_shows_nothing(payload):
    for protocol in (TCP, UDP):
        assert names([payload], protocol) == [""]


def test_a_later_packet_tells_what_the_greeting_did_not():
    talk = [b"220 ready\r\n", b"USER bob\r\n", b"331 Password required\r\n"]
    assert names(talk, TCP) == ["", "", "ftp"]
    talk = [b"220 ready\r\n", b"EHLO me\r\n"]
    assert names(talk, TCP) == ["", "smtp"]


def test_only_the_packets_asked_for_are_looked_at():
    some = packets([b"SSH-2.0-x\r\n", b"GET / HTTP/1.1\r\n", b""], TCP)
    assert payload_service(some).tolist() == [4, 2, 0]
    where = np.array([False, True, True])
    assert payload_service(some, where).tolist() == [0, 2, 0]
    some.is_bad[1] = True
    assert payload_service(some, where).tolist() == [0, 0, 0]
    assert payload_service(packets([], TCP)).tolist() == []


def test_the_payload_counts_before_the_port():
    assert service(NAMES.index("http"), TCP, 8081) == "http"
    assert service(NAMES.index("ssh"), TCP, 443) == "ssh"
    assert service(NAMES.index("ssl"), TCP, 22) == "ssl"
    assert service(NAMES.index("dns"), UDP, 5300) == "dns"
    assert service(0, TCP, 22) == "ssh"
    assert service(0, TCP, 50000) is None
    assert (port_service(TCP, 389), port_service(UDP, 389)) == ("ldap_tcp", "ldap_udp")
    assert port_service(1, 53) is None


USUAL = {TCP: (22, 25, 80, 443, 502, 3389), UDP: (53, 123, 161, 443, 547, 5683)}
SIZES = (3, 4, 6, 8, 12, 14, 20, 26, 42, 48, 64, 92, 148, 300)


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_random_bytes_show_a_service_less_than_once_in_10_000_payloads(protocol):
    rng = np.random.default_rng(3)
    counts = np.zeros(len(NAMES), int)
    for port in USUAL[protocol]:
        size = rng.choice(SIZES, 30_000)
        data = rng.bytes(int(size.sum()))
        ends = np.cumsum(size)
        payloads = [data[e - n : e] for e, n in zip(ends, size, strict=True)]
        some = packets(payloads, protocol, ports=(50000, port))
        counts += np.bincount(payload_service(some), minlength=len(NAMES))
    n = counts.sum()
    assert n == 180_000
    assert {NAMES[k]: int(c) for k, c in enumerate(counts) if c / n >= 1e-4} == {
        "": int(counts[0])
    }
    assert counts[1:].sum() / n < 1e-4


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    payloads=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.tuples(st.sampled_from(EXAMPLES), st.binary(max_size=8)).map(
                lambda pair: pair[0][2][:6] + pair[1]
            ),
        ),
        max_size=12,
    ),
    protocol=st.sampled_from([TCP, UDP]),
)
def test_no_payload_crashes_and_a_batch_says_what_its_packets_say(payloads, protocol):
    together = names(payloads, protocol)
    assert together == [names([payload], protocol)[0] for payload in payloads]
