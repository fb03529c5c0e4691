"""Which passwords are accepted, and how they are hashed.

Length is what counts, with no rule on kinds of characters. What is refused is a
password of which little is left without common words, runs of keys, years and the
names that stand around it: those are tried first.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from typing import Any

from flask_security import PasswordUtil

SHORTEST, LONGEST = 12, 128
MAX_EMAIL = 254
"""Maximum characters of an e-mail address (RFC 5321, erratum 1690); each word of it
that is looked for in a password costs."""
LEFT = 5
"""Characters that must be left of a password without what everybody tries."""
CONTEXT = ("evenflow", "intrusion", "detection", "network", "sensor", "firewall")
HASH_OPTIONS: dict[str, int] = {
    # argon2id, over OWASP's least (19 MiB, 2 rounds); less than a tenth of a second
    "argon2__memory_cost": 32_768,  # KiB; each log-in of the moment takes as much
    "argon2__rounds": 3,
    "argon2__parallelism": 1,
}
RUNS = (
    "0123456789", "9876543210", "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba", "qwertyuiop", "poiuytrewq", "asdfghjkl",
    "lkjhgfdsa", "zxcvbnm", "mnbvcxz", "qwertzuiop", "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik", "1q2w3e4r5t6y7u8i9o0p",
)  # fmt: skip
LOOKS_LIKE = str.maketrans("013457@$|", "oieastasi")


class Passwords(PasswordUtil):
    """Flask-Security's place for what a password must be."""

    def normalize(self, password: str) -> str:
        """Return the one form of a password that may be typed in several ways."""
        return normal(password)

    def validate(
        self, password: str, is_register: bool, **kwargs: Any
    ) -> tuple[list[str] | None, str]:
        """Return what is wrong with a new password (None for nothing), and its form."""
        del is_register
        user = kwargs.get("user")
        email = kwargs.get("email") or getattr(user, "email", "") or ""
        one = normal(password)
        wrong = fault(one, email=str(email))
        return ([wrong] if wrong else None), one


def normal(password: str) -> str:
    """Return the one form of a password that may be typed in several ways."""
    return unicodedata.normalize("NFKC", password[: 8 * LONGEST])


def fault(password: str, *, email: str = "") -> str:
    """Return what is wrong with a password in its normal form, '' for nothing.

    Examples
    --------
    >>> fault("short").partition(";")[0]
    'This has 5 characters'
    >>> fault("three grey boats at noon")
    ''
    """
    if len(password) < SHORTEST:
        return (
            f"This has {len(password)} character{'' if len(password) == 1 else 's'}; "
            f"{SHORTEST} or more are needed. Three or four unrelated words are easy to "
            "remember"
        )
    if len(password) > LONGEST:
        return f"This is longer than {LONGEST} characters; use {LONGEST} or fewer"
    if len(what_is_left(password, email=email)) < LEFT:
        return (
            "This password is too common: common words, runs of keys, years or your "
            "own address make up nearly all of it. Use three or four unrelated words"
        )
    return ""


def what_is_left(password: str, *, email: str = "") -> str:
    """Return a password without what everybody tries, each character once in a row.

    Examples
    --------
    >>> what_is_left("P@ssw0rd2024!!")
    ''
    """
    text = password.casefold()
    address = email[:MAX_EMAIL].casefold()
    own = [part for part in re.split(r"[^a-z0-9]+", address) if len(part) > 2]
    words = sorted({*own, *CONTEXT, *_common()}, key=lambda word: -len(word))
    found = re.compile("|".join(map(re.escape, words)))
    text = re.sub(r"(?:19|20)\d\d", " ", text)
    text = _runs().sub(" ", text)
    # once as typed and once with the usual signs for letters
    text = found.sub(" ", found.sub(" ", text).translate(LOOKS_LIKE))
    text = re.sub(r"[\W_]+", "", text)
    return re.sub(r"(.{1,4}?)\1+", r"\1", text)


@cache
def _common() -> frozenset[str]:
    text = (resources.files(__package__) / "common.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


@cache
def _runs() -> re.Pattern[str]:
    """Return a pattern of four or more neighbours in a run, the longest first."""
    parts = {
        run[start : start + n]
        for run in RUNS
        for n in range(4, len(run) + 1)
        for start in range(len(run) - n + 1)
    }
    longest_first = sorted(parts, key=lambda part: (-len(part), part))
    return re.compile("|".join(map(re.escape, longest_first)))
