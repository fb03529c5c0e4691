"""Parts of data sets, loaded with the notes that they give."""

from evenflow import datasets
from evenflow.progress import Note


def load(name, split="train", **params):
    """Return a part of a data set, and the texts of its notes."""
    events = []
    table = datasets.load(name, split, on_event=events.append, **params)
    return table, [event.text for event in events if isinstance(event, Note)]


def load_file(path, split="train", **params):
    """Return the rows of a user's file, and its notes in one text."""
    table, notes = load("table_file", split, path=str(path), **params)
    return table, "\n".join(notes)
