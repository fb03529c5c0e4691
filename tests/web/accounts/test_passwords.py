"""Promises about which passwords are taken."""

import pytest

from evenflow.web.accounts.passwords import Passwords, fault

GUESSABLE = [
    "password1234", "Password123!", "P@ssw0rd2024!!", "123456789012", "qwertyuiop12",
    "aaaaaaaaaaaa", "abcabcabcabcabc", "iloveyou12345", "Summer2024!!", "evenflow2026",
    "Evenflow-Admin-1", "letmeinletmein", "welcome-2-evenflow", "1q2w3e4r5t6y",
    "abcdefghijkl", "changemechangeme", "jane.doe.2024!", "adminadminadmin",
]  # fmt: skip
GOOD = [
    "correct horse battery staple", "three grey boats at noon", "kX9#vT2!mQ7z",
    "zwölf Boxkämpfer jagen", "пять лиловых слонов", "🙂🙃 lampshade gravel",
    "plinth.gravel.oboe", "m4rble-quiet-fjord",
]  # fmt: skip


@pytest.mark.parametrize("password", GUESSABLE)
def test_what_everybody_tries_first_is_refused(password):
    assert "too common" in fault(password, email="jane.doe@example.org")


@pytest.mark.parametrize("password", GOOD)
def test_a_long_password_is_taken_whatever_its_characters(password):
    assert fault(password, email="jane.doe@example.org") == ""


@pytest.mark.parametrize(
    ("length", "is_taken"), [(11, False), (12, True), (128, True), (129, False)]
)
def test_twelve_to_128_characters_are_taken(length, is_taken):
    text = "gravel lamp shade oboe fjord " * 5
    assert (fault(text[:length]) == "") is is_taken


def test_a_password_that_can_be_typed_in_two_ways_is_one_password():
    passwords = Passwords(None)
    assert passwords.normalize("zwölf boxer") == passwords.normalize(
        "zwo\u0308lf boxer"
    )
    assert passwords.normalize("ﬁne lamp") == "fine lamp"
