"""The Markdown that model cards are written in, as HTML in which nothing runs.

Headings, paragraphs, lists, quotes, tables, ``**strong**`` and code between backticks;
everything else is text and shown as it stands, markup included. No links and no
pictures: a card comes with a bundle, and a bundle may come from anybody.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from markupsafe import Markup, escape

TOP = 2
"""Level of the page's heading that a card's first level becomes."""
INLINE = re.compile(r"\*\*(?P<strong>[^*]+)\*\*|`(?P<code>[^`]+)`")
CELL = re.compile(r"(?<!\\)\|")
RULE = frozenset("|:- \t")
"""Characters of the line between a table's head and its rows; one is a dash."""
MOST_CHARACTERS = 100_000
MOST_BARS = 10_000
"""Most characters, and most bars between cells, of a card that are shown."""
MOST_NAME = 100
CUT = Markup(
    "<p><strong>The card goes on.</strong> It is too long to be shown here: download "
    "it to read the rest.</p>"
)


def to_html(text: str) -> Markup:
    """Return the text as markup, everything in it escaped, cut where it is too long.

    The time it takes grows with the text and no faster.
    """
    shown = text[:MOST_CHARACTERS]
    shown = "|".join(shown.split("|", MOST_BARS)[:MOST_BARS])
    lines = shown.splitlines()
    blocks: list[Markup] = []
    at, title, n_tables = 0, "", 0
    while at < len(lines):
        end = at + 1
        kind = _kind(lines[at])
        while end < len(lines) and _goes_on(kind, lines[end]):
            end += 1
        if kind == "heading":
            title = lines[at].lstrip("# ")[:MOST_NAME]
        if kind == "table":  # each is a region, and needs a name of its own
            n_tables += 1
            blocks.append(_table(lines[at:end], f"{title}, table {n_tables}"))
        else:
            blocks.append(_block(kind, lines[at:end]))
        at = end
    if len(shown) < len(text):
        blocks.append(CUT)
    return Markup("\n").join(block for block in blocks if block)


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if re.match(r"#{1,6} ", line):
        return "heading"
    if line.startswith("> "):
        return "quote"
    if line.startswith("- "):
        return "list"
    return "table" if line.startswith("|") else "paragraph"


def _goes_on(kind: str, line: str) -> bool:
    if kind == "heading":
        return False
    if kind == "list":  # an indented line belongs to the point above it
        return line.startswith(("- ", "  ")) and bool(line.strip())
    return _kind(line) == kind


def _block(kind: str, lines: list[str]) -> Markup:
    if kind == "blank":
        return Markup("")
    if kind == "heading":
        marks, _, words = lines[0].partition(" ")
        level = min(6, len(marks) + TOP - 1)
        return Markup("<h{0}>{1}</h{0}>").format(level, inline(words))
    if kind == "quote":
        words = " ".join(line.removeprefix("> ") for line in lines)
        return Markup("<blockquote><p>{}</p></blockquote>").format(inline(words))
    if kind == "list":
        points = "\n".join(lines).removeprefix("- ").split("\n- ")
        items = (Markup("<li>{}</li>").format(inline(p)) for p in points)
        return Markup("<ul>{}</ul>").format(Markup("").join(items))
    return Markup("<p>{}</p>").format(inline(" ".join(map(str.strip, lines))))


def _table(lines: list[str], name: str) -> Markup:
    rows = [list(_cells(line)) for line in lines]
    has_head = len(lines) > 1 and "-" in lines[1] and set(lines[1]) <= RULE
    head, body = (rows[0], rows[2:]) if has_head else ([], rows)
    top = Markup("").join(Markup('<th scope="col">{}</th>').format(c) for c in head)
    shown = [
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], Markup("").join(Markup("<td>{}</td>").format(c) for c in row[1:])
        )
        for row in body
        if row
    ]
    return Markup(
        '<div class="table" role="region" tabindex="0" aria-label="{}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(name, top, Markup("").join(shown))


def _cells(line: str) -> Iterator[Markup]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    for cell in CELL.split(inner):
        yield inline(cell.strip().replace("\\|", "|").replace("\\\\", "\\"))


def inline(text: str) -> Markup:
    """Return words with ``**strong**`` and code set, everything escaped."""
    plain = html.unescape(text)  # a card writes ``<`` as an entity already
    parts, at = [], 0
    for found in INLINE.finditer(plain):
        parts.append(escape(plain[at : found.start()]))
        strong, code = found["strong"], found["code"]
        tag = Markup("<strong>{}</strong>") if strong else Markup("<code>{}</code>")
        parts.append(tag.format(strong or code))
        at = found.end()
    return Markup("").join([*parts, escape(plain[at:])])
