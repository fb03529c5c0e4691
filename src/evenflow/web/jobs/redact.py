"""Redaction of the server's folders from messages."""

from __future__ import annotations

from evenflow.web.settings import Settings


def hidden(text: str, settings: Settings) -> str:
    """Return a message with the server's folders named in words."""
    named = [(folder, "the data folder") for folder in settings.data_folders]
    named.append((settings.home / "bundles", "the models"))
    named.append((settings.home, "the server's folder"))
    # the longest first: one folder may lie in another
    for folder, words in sorted(named, key=lambda pair: -len(str(pair[0]))):
        text = text.replace(str(folder), words)
    return text
