"""Signatures of protocols in lines of text, and others that begin with fixed bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from evenflow.traffic._heads import Heads, Mask
from evenflow.traffic._signatures import TCP, UDP, signature

HTTP_METHODS = (
    "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND",
    "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH",
    "SUBSCRIBE", "UNSUBSCRIBE", "NOTIFY", "PURGE", "MKCALENDAR", "ACL", "LINK",
)  # fmt: skip
HTTP_TARGETS = ("/", "* HTTP/", "http://", "https://", ".", "%", "?", "\\")
SIP_METHODS = (
    "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE",
    "NOTIFY", "PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE",
)  # fmt: skip
RTSP_METHODS = (
    "OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "RECORD",
    "GET_PARAMETER", "SET_PARAMETER", "REDIRECT",
)  # fmt: skip
SMTP_COMMANDS = ("EHLO ", "HELO ", "MAIL FROM:", "RCPT TO:")
FTP_COMMANDS = (
    "USER anonymous\r", "USER ftp\r", "AUTH TLS\r", "FEAT\r\n", "SYST\r\n",
    "PASV\r\n", "EPSV\r\n", "PORT 1", "PORT 2", "EPRT |", "TYPE A\r", "TYPE A N",
    "TYPE I\r", "CWD ", "SIZE ", "MDTM ", "STOR ", "MLSD", "PBSZ ", "PROT P", "SITE ",
)  # fmt: skip
FTP_ANSWERS = (
    "331 ", "331-", "230 ", "230-", "227 Entering", "229 Entering", "530 Login",
    "530 Not logged", "530 Please login", "530 User", "234 AUTH",
)  # fmt: skip
POP3 = ("CAPA\r\n", "APOP ", "STLS\r\n", "UIDL\r\n")
IMAP = ("* OK", "* PREAUTH ", "* BYE ", "* CAPABILITY ")
IRC = (
    "NICK ", "JOIN #", "PRIVMSG ", "CAP LS", "CAP REQ", "NOTICE AUTH", "NOTICE * :",
    "PING :", "PONG :",
)  # fmt: skip
REDIS = (
    "+PONG\r\n", "PING\r\n", "INFO\r\n", "-NOAUTH ", "-WRONGPASS ", "-MOVED ",
    "-DENIED Redis",
)  # fmt: skip
TEXT_BEHIND_SIZE = (b"HELF", b"ACKF", b"OPNF")


def _lower(words: tuple[str, ...]) -> tuple[str, ...]:
    return (*words, *(word.lower() for word in words))


def prefixes() -> Iterator[tuple[str, int, bytes]]:
    """Yield protocol, transport, and the bytes that its payloads begin with."""
    for name, transport, words in _prefixes():
        for word in words:
            yield name, transport, word if isinstance(word, bytes) else word.encode()


def _prefixes() -> Iterator[tuple[str, int, tuple[str | bytes, ...]]]:
    http = [f"{m} {target}" for m in HTTP_METHODS for target in HTTP_TARGETS]
    yield "http", TCP, (*http, "HTTP/1.", "HTTP/2", "HTTP/0", "PRI * HTTP/2.0", "ICY 2")
    ssdp = ("M-SEARCH * HTTP/", "NOTIFY * HTTP/", "HTTP/1.")
    yield "ssdp", UDP, ssdp
    targets = ("sip:", "sips:", "tel:")
    sip = [f"{m} {target}" for m in SIP_METHODS for target in targets]
    rtsp = [f"{m} rtsp" for m in RTSP_METHODS]
    for transport in (TCP, UDP):
        yield "sip", transport, (*sip, "SIP/2.0 ")
        yield "rtsp", transport, (*rtsp, "OPTIONS * RTSP/", "RTSP/1.", "RTSP/2.")
        peer = ("d1:ad2:id20:", "d1:rd2:id20:", "d2:ip6:", "d2:ip4:")
        torrent = peer if transport == UDP else ("\x13BitTorrent protocol",)
        yield "bittorrent", transport, torrent
    yield "ssh", TCP, ("SSH-1.", "SSH-2.")
    yield "ftp", TCP, (*FTP_COMMANDS, *FTP_ANSWERS)
    yield "smtp", TCP, (*_lower(SMTP_COMMANDS), "Mail From:", "MAIL From:", "354 ")
    yield "pop3", TCP, ("+OK ", *_lower(POP3))
    yield "imap", TCP, IMAP
    yield "irc", TCP, IRC
    yield "redis", TCP, (*REDIS, *(f"*{n}\r\n$" for n in range(1, 100)))
    yield "rfb", TCP, ("RFB 00",)
    yield "amqp", TCP, (b"AMQP\0", b"AMQP\1", b"AMQP\2", b"AMQP\3")
    yield "xmpp", TCP, ("<stream:stream",)
    yield "memcached", TCP, ("stats\r\n", "version\r\n", "STAT pid ", "VERSION 1.")
    yield "rsync", TCP, ("@RSYNCD:",)
    yield "zabbix", TCP, ("ZBXD\1",)
    yield "nats", TCP, ('INFO {"server_id', "CONNECT {")
    yield "stomp", TCP, ("CONNECT\n", "CONNECTED\n", "STOMP\n")
    yield "nntp", TCP, ("MODE READER\r", "CAPABILITIES\r", "NEWGROUPS ")
    yield "opcua", TCP, TEXT_BEHIND_SIZE
    yield "adb", TCP, (b"CNXN\0\0\0\1", b"CNXN\1\0\0\1")
    yield "x11", TCP, (b"l\0\x0b\0\0\0", b"B\0\0\x0b\0\0")
    yield "bitcoin", TCP, (b"\xf9\xbe\xb4\xd9",)
    yield "jdwp", TCP, ("JDWP-Handshake",)
    yield "rmi", TCP, (b"JRMI\0",)
    yield "ntp", UDP, (b"\x17\0\3\x2a", b"\xd7\0\3\x2a", b"\x97\0\3\x2a")


def _where(h: Heads, says: Callable[[bytes], bool]) -> Mask:
    """Return where the text of a payload is one, of the few that it is asked for."""
    texts = list(h.texts())
    found = {text: says(text) for text in set(texts)}  # most say the same
    return np.array([found[text] for text in texts], bool)


GREETING = re.compile(rb"220[ -]([^\r\n]*)")
FTP_WORDS = re.compile(rb"FTP|FileZilla", re.IGNORECASE)
SMTP_WORDS = re.compile(
    rb"\bE?SMTPS?\b|Postfix|Sendmail|\bExim\b|\bmail (?:server|service)", re.IGNORECASE
)
IRC_LINE = re.compile(rb":[^\s:]+ (?:NOTICE|PRIVMSG|JOIN|QUIT|MODE|PING|\d\d\d) ")
XML_STREAM = re.compile(rb"<\?xml [^>]*>\s*<stream:stream")


def _greets_as(
    text: bytes, words: re.Pattern[bytes], others: re.Pattern[bytes]
) -> bool:
    """Return whether a greeting has one kind of words, and none of the other."""
    line = GREETING.match(text)
    if not line:
        return False
    return bool(words.search(line[1])) and not others.search(line[1])


@signature("ftp", TCP, first=b"2")
def ftp_greeting(h: Heads) -> Mask:
    """Match a greeting that speaks of files; SMTP greets with the same number."""
    rows = np.flatnonzero(h.starts(b"220"))
    found = np.zeros(len(h.size), bool)
    found[rows] = _where(h.take(rows), lambda t: _greets_as(t, FTP_WORDS, SMTP_WORDS))
    return found


@signature("smtp", TCP, first=b"2")
def smtp_greeting(h: Heads) -> Mask:
    """Match a greeting that speaks of mail."""
    rows = np.flatnonzero(h.starts(b"220"))
    found = np.zeros(len(h.size), bool)
    found[rows] = _where(h.take(rows), lambda t: _greets_as(t, SMTP_WORDS, FTP_WORDS))
    return found


@signature("irc", TCP, first=b":")
def irc_server(h: Heads) -> Mask:
    """Match a line of a server: its name, then a number or a notice."""
    return _where(h, lambda text: bool(IRC_LINE.match(text)))


@signature("xmpp", TCP, first=b"<")
def xmpp(h: Heads) -> Mask:
    """Match a stream behind a declaration of XML."""
    rows = np.flatnonzero(h.starts(b"<?xml "))
    found = np.zeros(len(h.size), bool)
    found[rows] = _where(h.take(rows), lambda text: bool(XML_STREAM.match(text)))
    return found


@signature("stratum", TCP, first=b"{")
def stratum(h: Heads) -> Mask:
    """Match a request of a cryptocurrency miner."""
    rows = np.flatnonzero(
        h.starts(b'{"id"') | h.starts(b'{"meth') | h.starts(b'{"json')
    )
    found = np.zeros(len(h.size), bool)
    found[rows] = _where(
        h.take(rows), lambda t: b'"mining.' in t or b'"method":"login"' in t
    )
    return found


@signature("http", TCP, first=b"C")
def http_connect(h: Heads) -> Mask:
    """Match a request for a tunnel through a proxy."""
    rows = np.flatnonzero(h.starts(b"CONNECT "))
    found = np.zeros(len(h.size), bool)
    target = re.compile(rb"CONNECT [\w.:\[\]-]+ HTTP/1")
    found[rows] = _where(h.take(rows), lambda text: bool(target.match(text)))
    return found


LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
IMAP_WORDS = tuple(
    word
    for text in (b"CAPABILITY", b"LOGIN ", b"AUTHENTICATE ", b"STARTTLS")
    for word in (text, text.lower())
)


@signature("imap", TCP, first=b"0123456789" + LETTERS + LETTERS.lower())
def imap_client(h: Heads) -> Mask:
    """Match a command behind a tag of up to eight characters that ends in a digit."""
    found = np.zeros(len(h.size), bool)
    for k in range(1, 9):
        rows = np.flatnonzero(h.head[:, k] == 32)
        rows = rows[h.head[rows, k - 1] - np.uint8(48) < 10]
        text = h.head[rows, k + 1 : k + 14]
        for word in IMAP_WORDS:
            rest = np.flatnonzero(text[:, 0] == word[0])
            part = text[rest, : len(word)] == np.frombuffer(word, np.uint8)
            found[rows[rest[part.all(axis=1)]]] = True
    return found
