"""Log-ins in clear text are counted as the protocols say, or are unknown."""

import io
import struct

import polars as pl
import pytest

from evenflow.traffic.contracts import CONTRACTS
from evenflow.traffic.flows import read_connections

FTP = (21, [b"220 ftp ready\r\n"])
POP3 = (110, [b"+OK POP3 ready\r\n"])
TELNET = (23, [b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27", b"login: "])
NAMES = ("logged_in", "failed_logins", "is_guest")


def session(port, lines, snap=None):
    """Return the capture of a connection: each line is the client's or the server's."""
    packets = [(0, 2, b""), (1, 18, b""), (0, 16, b"")]
    packets += [(0 if who == "C" else 1, 24, text) for who, text in lines]
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    sent = [1000, 5000]
    for i, (side, flags, text) in enumerate(packets):
        hosts = [b"\x0a\0\0\1", b"\x0a\0\0\2"]
        ports = [40_000, port]
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 40 + len(text), 0, 0, 64, 6, 0, hosts[side],
            hosts[1 - side],
        )  # fmt: skip
        tcp = struct.pack(
            ">HHIIBBHHH", ports[side], ports[1 - side], sent[side], sent[1 - side],
            80, flags, 8192, 0, 0,
        )  # fmt: skip
        data = (ip + tcp + text)[:snap]
        out.append(struct.pack("<IIII", i, 0, len(data), 40 + len(text)) + data)
        sent[side] += len(text) + (flags & 2 > 0)
    return b"".join(out)


def connection(*given, **how):
    """Return the connection of a session."""
    stream = io.BytesIO(session(*given, **how))
    frames = read_connections(stream, source="made", checksums=False)
    (row,) = pl.concat(frames).iter_rows(named=True)
    return row


def told(service, *lines, **how):
    port, first = service
    row = connection(port, [*(("S", text) for text in first), *lines], **how)
    return tuple(row[name] for name in NAMES)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("C", b"USER ann\r\n"), ("S", b"331 password\r\n"), ("C", b"PASS x\r\n"),
          ("S", b"230 welcome\r\n")], (1, 0, 0)),
        ([("C", b"user ftp\r\n"), ("S", b"331 e-mail\r\n"), ("C", b"PASS a@b\r\n"),
          ("S", b"230-welcome\r\n230 in\r\n")], (1, 0, 1)),
        ([("C", b"USER ftpadmin\r\n"), ("S", b"331 password\r\n"),
          ("C", b"PASS 1\r\n"), ("S", b"530 Login incorrect.\r\n"),
          ("C", b"PASS 2\r\n"), ("S", b"530 Login incorrect.\r\n")], (0, 2, 0)),
        # a refusal of something else is no failed log-in
        ([("C", b"SYST\r\n"), ("S", b"530 Please login with USER and PASS.\r\n")],
         (0, 0, 0)),
        # who has logged in as a guest may come back as another
        ([("C", b"USER guest\r\n"), ("S", b"530 no guests\r\n"), ("C", b"USER ann\r\n"),
          ("S", b"331 password\r\n"), ("C", b"PASS x\r\n"), ("S", b"230 in\r\n")],
         (1, 1, 0)),
        ([("C", b"AUTH TLS\r\n"), ("S", b"234 go\r\n"), ("C", b"\x16\x03\x01\0\x05")],
         (None, None, None)),
    ],
)  # fmt: skip
def test_ftp_s_answers_to_user_and_pass_are_counted(lines, expected):
    assert told(FTP, *lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # the answer to USER is no log-in yet
        ([("C", b"USER ann\r\n"), ("S", b"+OK\r\n")], (0, 0, 0)),
        ([("C", b"USER ann\r\n"), ("S", b"+OK\r\n"), ("C", b"PASS x\r\n"),
          ("S", b"-ERR [AUTH]\r\n"), ("C", b"USER ann\r\n"), ("S", b"+OK\r\n"),
          ("C", b"PASS y\r\n"), ("S", b"+OK maildrop locked\r\n")], (1, 1, 0)),
        ([("C", b"AUTH\r\n"), ("S", b"-ERR what\r\n"), ("C", b"AUTH PLAIN\r\n"),
          ("S", b"+ \r\n"), ("C", b"AGFubgB4\r\n"), ("S", b"+OK\r\n")], (1, 0, 0)),
    ],
)  # fmt: skip
def test_pop3_s_answers_to_a_secret_are_counted(lines, expected):
    assert told(POP3, *lines) == expected


def test_telnet_s_phrases_are_counted():
    typed = [("C", b"ann\r\n"), ("S", b"Password: "), ("C", b"x\r\n")]
    wrong = [("S", b"\r\nLogin incorrect\r\nlogin: ")]
    right = [("S", b"\r\nLast login: Mon Nov 30 on pts/0\r\n$ ")]
    assert told(TELNET, *typed, *wrong, *typed, *wrong, *typed, *right) == (1, 2, 0)


def test_what_a_resent_packet_says_is_counted_once():
    lines = [("S", FTP[1][0]), ("C", b"USER ann\r\n"), ("C", b"PASS x\r\n")]
    packed = session(21, [*lines, ("S", b"530 no\r\n")])
    last = packed[-(16 + 48) :]  # record, headers and text of the refusal
    stream = io.BytesIO(packed + last)
    frames = pl.concat(read_connections(stream, source="made", checksums=False))
    assert frames["failed_logins"].to_list() == [1]
    assert frames["resp_resent_pkts"].to_list() == [1]


def test_what_was_not_captured_or_is_another_service_is_unknown():
    lines = [("C", b"USER ann\r\n"), ("C", b"PASS x\r\n"), ("S", b"230 in\r\n")]
    assert told(FTP, *lines, snap=40) == (None, None, None)
    web = connection(80, [("C", b"GET / HTTP/1.1\r\n\r\n"), ("S", b"HTTP/1.1 200 OK")])
    assert web["logged_in"] is None


def test_nsl_kdd_has_the_columns_of_log_ins():
    lines = [("S", FTP[1][0]), ("C", b"USER ftp\r\n"), ("S", b"331 e-mail\r\n")]
    lines += [("C", b"PASS a@b\r\n"), ("S", b"230 in\r\n")]
    frames = read_connections(
        io.BytesIO(session(21, lines)), source="made", checksums=False
    )
    row = CONTRACTS["nsl_kdd"].start().add(pl.concat(frames)).row(0, named=True)
    assert (row["logged_in"], row["num_failed_logins"], row["is_guest_login"]) == (
        1, 0, 1,
    )  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # by tshark's dissection of the same files
        ("normal-ftp.pcap", [(1, 0, 1)]),
        ("normal-mail-pop3.pcap", [(0, 0, 0)] * 2 + [(0, 1, 0)] + [(1, 0, 0)] * 2),
    ],
)
def test_real_log_ins_are_told_as_tshark_does(name, expected, data_folders):
    path = data_folders[0] / "pcaps" / name
    with path.open("rb") as stream:
        found = pl.concat(read_connections(stream, source=name, checksums=False))
    known = found.filter(pl.col("logged_in").is_not_null()).select(NAMES)
    assert sorted(known.rows()) == expected
