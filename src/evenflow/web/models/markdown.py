"""Model cards as HTML in which nothing runs.

markdown-it-py reads them. Headings, lists, quotes, tables, emphasis and code are set;
everything else is text and shown as it stands, markup included. Links and pictures are
off: a card comes with a bundle, and a bundle may come from anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

TOP = 2
"""Level of the page's heading that a card's first level becomes."""
RULES = (
    "backticks", "blockquote", "emphasis", "entity", "escape", "heading", "list",
    "table",
)  # fmt: skip
MAX_CHARACTERS = 50_000
MAX_BARS = 10_000
"""Maximum characters, and bars between cells, of a card that is shown: half a second
of work for the worst card."""
MAX_NAME = 100
CUT = Markup(
    "<p><strong>The card goes on.</strong> It is too long to be shown here: download "
    "it to read the rest.</p>"
)
_PARSER = MarkdownIt("zero", {"html": False, "maxNesting": 20}).enable(list(RULES))


def to_html(text: str) -> Markup:
    """Return the text as markup, everything in it escaped, cut where it is too long."""
    shown = "|".join(text[:MAX_CHARACTERS].split("|", MAX_BARS)[:MAX_BARS])
    tokens = _PARSER.parse(shown)
    body = _PARSER.renderer.render([*_accessible(tokens)], _PARSER.options, {})
    # the renderer escaped all text; its own tags are what _accessible let through
    return Markup(body) + (CUT if len(shown) < len(text) else "")  # noqa: S704


def _accessible(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens with lower headings, and each table as a region with a name."""
    title, n_tables, in_body, is_first = "", 0, False, False
    for at, token in enumerate(tokens):
        kind = token.type
        if kind in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + TOP - 1)}"
            if kind == "heading_open":
                title = tokens[at + 1].content[:MAX_NAME]
        elif kind == "table_open":
            n_tables += 1
            name = escape(f"{title}, table {n_tables}")
            yield _html(
                f'<div class="table" role="region" tabindex="0" aria-label="{name}">'
            )
        elif kind in ("thead_open", "tbody_open"):
            in_body = kind == "tbody_open"
        elif kind == "th_open":
            token.attrs["scope"] = "col"
        elif kind == "tr_open":
            is_first = in_body
        elif kind == "td_open" and is_first:
            token.tag, token.attrs["scope"] = "th", "row"
        elif kind == "td_close" and is_first:
            token.tag, is_first = "th", False
        yield token
        if kind == "table_close":
            yield _html("</div>\n")


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)
