"""Names and passwords of a lab; none exists anywhere else."""

from __future__ import annotations

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
