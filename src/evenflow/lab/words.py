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
