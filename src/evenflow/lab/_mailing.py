"""Mail: sent, fetched, waited for."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
from contextlib import suppress

from evenflow.lab._steps import in_url
from evenflow.lab.doing import Doing
from evenflow.lab.words import DOMAIN, USERS

WRONG = (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto,
         smtplib.SMTPException)  # fmt: skip


def _message(d: Doing) -> str:
    """Return a message: mostly short, at times with something attached."""
    size = d.between(200, 8e3) if d.rng.random() < 0.7 else d.between(2e4, 2e6)
    line = d.rng.randbytes(36).hex()
    d.note(size=int(size))
    return f"From: a@{DOMAIN}\r\nSubject: a note\r\n\r\n" + f"{line}\r\n" * (
        int(size) // 74 + 1
    )


def send(d: Doing) -> bool:
    """Send a message or several, mostly after a log-in."""
    ip, port = d.service("mail")
    user, password = d.rng.choice(list(USERS.items()))
    found = 0
    for _ in range(d.rng.choice([1, 1, 2, 4])):
        with suppress(*WRONG), smtplib.SMTP(ip, port, timeout=20) as server:
            if d.rng.random() < 0.6:
                server.login(user, password)
            for _ in range(d.rng.choice([1, 1, 1, 3])):
                server.sendmail(f"a@{DOMAIN}", f"{user}@{DOMAIN}", _message(d))
                found += 1
        d.think(4)
        if d.is_over():
            break
    return found > 0


def send_by_curl(d: Doing) -> bool:
    """Send a message as scripts do."""
    ip, port = d.service("mail")
    path = d.folder / "message"
    path.write_text(_message(d))
    return d.run(
        "curl", "-s", f"smtp://{in_url(ip)}:{port}", "--mail-from", f"cron@{DOMAIN}",
        "--mail-rcpt", f"admin@{DOMAIN}", "-T", path,
    ) == 0  # fmt: skip


def fetch_pop3(d: Doing) -> bool:
    """Look for mail by POP3 again and again, and read what is new."""
    ip, port = d.service("pop3")
    user, password = d.rng.choice(list(USERS.items()))
    wait = d.between(1, 20)
    found = 0
    for _ in range(d.rng.randint(1, 10)):
        with suppress(*WRONG):
            box = poplib.POP3(ip, port, timeout=min(15, d.left()))
            box.user(user)
            box.pass_(password)
            n, _ = box.stat()
            if d.rng.random() < 0.5:
                box.list()
                for i in range(1, n + 1):
                    box.retr(i)
            box.quit()
            found += 1
        d.think(wait)
        if d.is_over():
            break
    return found > 0


def fetch_imap(d: Doing) -> bool:
    """Look for mail by IMAP, and read some of it."""
    ip, port = d.service("imap")
    user, password = d.rng.choice(list(USERS.items()))
    found = 0
    for _ in range(d.rng.choice([1, 1, 3])):
        with suppress(*WRONG):
            box = imaplib.IMAP4(ip, port, timeout=min(15, d.left()))
            box.login(user, password)
            box.select(readonly=True)
            _, [numbers] = box.search(None, "ALL")
            part = d.rng.choice(["(FLAGS)", "(RFC822.HEADER)", "(RFC822)"])
            for number in numbers.split()[: d.rng.randint(0, 12)]:
                box.fetch(number.decode(), part)
            d.think(d.between(0.1, 10))
            box.logout()
            found += 1
        d.think(5)
        if d.is_over():
            break
    return found > 0


def by_curl(d: Doing) -> bool:
    """Fetch mail as scripts do."""
    kind = d.rng.choice(["pop3", "imap"])
    ip, port = d.service(kind)
    user, password = d.rng.choice(list(USERS.items()))
    place = "/INBOX;UID=1" if kind == "imap" else d.rng.choice(["/", "/1", "/2"])
    return d.run(
        "curl", "-s", "-u", f"{user}:{password}", f"{kind}://{in_url(ip)}:{port}{place}"
    ) == 0  # fmt: skip


def wait_for_mail(d: Doing) -> bool:
    """Keep a session open by IMAP, and look from time to time."""
    ip, port = d.service("imap")
    user, password = d.rng.choice(list(USERS.items()))
    wait = d.between(3, 60)
    with suppress(*WRONG):
        box = imaplib.IMAP4(ip, port, timeout=30)
        box.login(user, password)
        box.select(readonly=True)
        while not d.is_over():
            box.noop()
            if d.rng.random() < 0.2:
                box.fetch("1", "(RFC822)")
            d.think(wait)
        box.logout()
    return True
