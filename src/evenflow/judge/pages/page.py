"""A page in one file: opens from disk, offline, on a phone, in print, in the dark.

Every string is escaped unless it is :class:`Html`, so a class or file name that holds
markup is shown, not run; and the page's Content-Security-Policy names the page's own
scripts by their hashes, so nothing else could run or be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from evenflow import __version__
from evenflow.judge.charts import theme
from evenflow.judge.charts.base import Chart, apart, vega_lite_version
from evenflow.judge.tables.grid import Grid


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Return any value as markup that shows it; :class:`Html` stays as it is."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(str(value), quote=True))


def join(parts: Iterable[object], between: str = "\n") -> Html:
    """Return the parts one after another, each escaped."""
    return Html(between.join(escape(part) for part in parts))


def element(tag: str, *parts: object, **attributes: str) -> Html:
    """Return an element; ``class_`` stands for ``class``, ``_`` for ``-``."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{tag}{named}>{join(parts, '')}</{tag}>")


def paragraph(*parts: object, quiet: bool = False) -> Html:
    """Return a paragraph."""
    return element("p", *parts, class_="quiet") if quiet else element("p", *parts)


def notice(text: object, kind: str = "note") -> Html:
    """Return a box; ``kind`` is ``note``, ``warn`` or ``pass`` and is also said."""
    words = {"warn": "Warning", "note": "Note", "pass": "Fine"}
    return element(
        "div", element("b", words[kind]), ": ", text, class_=f"notice {kind}"
    )


def tiles(figures: Iterable[tuple[str, str, str]]) -> Html:
    """Return headline figures: name, value, and a line below the value."""
    found = [
        element(
            "div",
            element("dt", name),
            element("dd", value, class_="value"),
            element("dd", low, class_="low") if low else Html(),
            class_="tile",
        )
        for name, value, low in figures
    ]
    return element("dl", *found, class_="tiles")


def table(grid: Grid) -> Html:
    """Return a table that scrolls sideways where the screen is narrow."""
    side = ["" if column.is_text else "n" for column in grid.columns]

    def cell(tag: str, k: int, value: str, **more: str) -> Html:
        return element(tag, value, **more, **({"class_": side[k]} if side[k] else {}))

    head = element(
        "tr", *(cell("th", k, h, scope="col") for k, h in enumerate(grid.head))
    )
    body = [
        element(
            "tr",
            cell("th", 0, row[0], scope="row"),
            *(cell("td", k, v) for k, v in enumerate(row) if k),
        )
        for row in grid.rows
    ]
    below = element("span", grid.note, class_="quiet") if grid.note else Html()
    inner = element(
        "table",
        element("caption", element("div", grid.title, below)),
        element("thead", head),
        element("tbody", join(body)),
    )
    return element(
        "div",
        inner,
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=grid.title,
    )


def figure(chart: Chart, alt: str) -> Html:
    """Return a chart as wide as its place, its title as text above it.

    Parameters
    ----------
    chart : altair chart
        One view or layers; drawn from the page's own scripts.
    alt : str
        What a reader who cannot see the chart should know.
    """
    title, subtitle, spec = apart(chart)
    spec |= {
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": alt,
    }
    caption = element("figcaption", element("h3", title), element("p", subtitle))
    data = element("script", _json(spec), type="application/json", class_="spec")
    place = element("div", class_="chart", role="group", aria_label=alt)
    return element("figure", caption, place, data)


def grid(*parts: object, small: bool = False) -> Html:
    """Return the parts side by side where there is room."""
    return element("div", *parts, class_="grid small" if small else "grid")


def details(summary: str, *parts: object) -> Html:
    """Return parts that are folded away until asked for."""
    return element("details", element("summary", summary), *parts)


def section(title: str, *parts: object) -> Html:
    """Return a part of the page under a heading that the contents list names."""
    name = "".join(c if c.isalnum() else "-" for c in title.lower()).strip("-")
    return element("section", element("h2", title, id=name), join(parts))


def document(
    title: str, *parts: object, subtitle: object = "", marks: Sequence[str] = ()
) -> str:
    """Return the whole page.

    Parameters
    ----------
    title : str
    parts : str or Html
        Sections and what stands between them.
    subtitle : str or Html
        What stands under the title.
    marks : sequence of str
        What no reader may miss (an optimistic protocol, synthetic rows); stays at the
        top of the screen and stands in the title of the window. The words before a
        colon are set bold.
    """
    body = join(parts)
    scripts = []
    if 'class="spec"' in body:
        themes = _json({"light": theme.config(), "dark": theme.config(dark=True)})
        scripts = [
            element("script", themes, type="application/json", id="themes"),
            *(element("script", Html(text)) for text in program()),
        ]
    allowed = " ".join(f"'{_hash(text)}'" for text in program()) if scripts else ""
    policy = (
        f"default-src 'none'; script-src {allowed or chr(39) + 'none' + chr(39)}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )
    short = [mark.partition(":")[0].upper() for mark in marks]
    head = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", " · ".join([*short, title])),
        element("style", Html(_asset("page.css"))),
    ]
    no_script = "The charts need JavaScript; the tables hold the same figures."
    shown = [
        element("a", "Skip to the figures", href="#main", class_="skip"),
        _marks(marks),
        element("header", element("h1", title), escape(subtitle), _contents(body)),
        element("main", body, id="main"),
        element("footer", paragraph(f"Written by evenflow {__version__}.")),
        element("noscript", notice(no_script)) if scripts else Html(),
        *scripts,
    ]
    return (
        "<!doctype html>\n"
        + element(
            "html", element("head", join(head)), element("body", join(shown)), lang="en"
        )
        + "\n"
    )


def _marks(marks: Sequence[str]) -> Html:
    if not marks:
        return Html()
    lines = []
    for mark in marks:
        first, colon, rest = mark.partition(":")
        lines.append(paragraph(element("strong", first), colon, rest))
    return element("div", *lines, class_="banner", role="note")


def _contents(body: str) -> Html:
    """Return links to the sections, in order."""
    links = []
    for part in body.split('<h2 id="')[1:]:
        name, _, rest = part.partition('">')
        words = Html(rest.partition("</h2>")[0])
        links.append(element("li", element("a", words, href=f"#{html.unescape(name)}")))
    if len(links) < 3:
        return Html()
    return element("nav", element("ul", *links), aria_label="Contents")


def _json(value: Mapping[str, Any]) -> Html:
    """Return JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Html(text)


@cache
def program() -> tuple[str, str]:
    """Return the drawing library and the page's own script."""
    import vl_convert

    library = vl_convert.javascript_bundle(  # type: ignore[call-arg]
        vl_version=vega_lite_version()
    )
    return library.replace("</script", "<\\/script"), _asset("page.js")


def _asset(name: str) -> str:
    return (resources.files("evenflow.judge.pages") / "assets" / name).read_text(
        "utf-8"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
