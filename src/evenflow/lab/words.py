"""Names and passwords of a lab; none exists anywhere else."""

from __future__ import annotations

import random

DOMAIN = "lab.example"
USERS = {
    "alice": "harvest7",
    "bob": "sunrise-42",
    "carol": "mango!tree",
    "dave": "dave1",
}
NAMES = tuple(
    f"{first}{second}"
    for first in ("www", "mail", "cdn", "api", "img", "static", "files", "db", "news")
    for second in ("", "1", "2", "-eu", "-us", "-test", "-old", ".shop", ".office")
)
GUESSES = tuple(
    f"{word}{end}"
    for word in ("password", "welcome", "summer", "dragon", "letmein", "monkey",
                 "admin", "qwerty", "secret", "hello")
    for end in ("", "1", "12", "123", "!", "2024", "2025", "01", "99", "x")
)  # fmt: skip
TOPICS = ("home/temp", "home/humidity", "plant/line1/speed", "plant/line2/speed",
          "car/7/position", "meter/42/power")  # fmt: skip
FOLDERS = ("", "blog", "shop", "img", "doc", "news", "wiki", "app", "old", "api")
PATHS = tuple(
    f"{folder}{'/' * bool(folder)}{stem}{end}"
    for folder in FOLDERS
    for stem in ("admin", "login", "backup", "config", "test", "index", "upload", "db",
                 "phpinfo", "wp-login", ".git/HEAD", ".env", "server-status", "shell",
                 "cgi-bin/status", "robots", "console", "manager", "private", "setup",
                 "page3", "user?id=1%27%20or%201=1", "%2e%2e/%2e%2e/etc/passwd",
                 "search?q=%3Cscript%3E", "xmlrpc", "install", "dump", "api/v1/users")
    for end in ("", ".php", ".html", ".bak", ".zip", "~")
)  # fmt: skip
"""What scanners of web servers look for."""
ODD_METHODS = ("OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "SEARCH", "DEBUG",
               "TRACK", "INDEX", "POST", "HEAD")  # fmt: skip
ODD = ("../" * 8 + "etc/passwd", "%00", "..%255c" * 6 + "winnt/system32/cmd.exe?/c+dir",
       "<script>alert(1)</script>", "?" + "a=" + "9" * 300, "%3f.jsp", ";id", "|dir",
       "?-s", ".../", "%2e%2e%2f" * 5 + "boot.ini",
       "?x=http://192.0.2.9/r.txt?")  # fmt: skip
"""What scanners add to a path to see what a server does with it."""
SERVICES = ("_ipp._tcp", "_http._tcp", "_smb._tcp", "_airplay._tcp", "_raop._tcp",
            "_googlecast._tcp", "_printer._tcp", "_companion-link._tcp", "_hap._udp",
            "_services._dns-sd._udp", "_spotify-connect._tcp",
            "_sleep-proxy._udp")  # fmt: skip
SYLLABLES = ("ba", "co", "da", "ex", "fi", "gra", "hi", "jo", "ka", "lu", "mon", "nor",
             "pa", "qui", "ro", "sta", "tri", "ul", "ver", "wi", "xa",
             "zen")  # fmt: skip
MIRROR = "0123456789ghijklmnopqrstuvwxyz"


def host_name(rng: random.Random) -> str:
    """Return the name of a host of the world: short, long, or that of a mirror."""
    word = "".join(rng.choices(SYLLABLES, k=rng.randint(1, 5)))
    found = f"{word}.{rng.choice(['example', 'test', 'co.example', 'example.test'])}"
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        label = rng.choice([
            "www", "cdn", "img", "static", "api", "m", "login", "edge", "eu-west-1",
            "".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))),
            "".join(rng.choices(MIRROR, k=rng.randint(6, 24))),
        ])  # fmt: skip
        found = f"{label}.{found}"
    return found
