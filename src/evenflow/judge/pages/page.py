"""A page in one file: opens from disk, offline, on a phone, in print, in the dark.

Templates escape every value, so a class or file name that holds markup is shown, not
run; and the page's Content-Security-Policy names the page's own scripts by their
hashes, so nothing else could run or be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from evenflow import __version__
from evenflow.errors import of_extra
from evenflow.judge.charts import theme
from evenflow.judge.charts.base import Picture, apart, vega_lite_version


def render(template: str, **values: Any) -> str:
    """Return the whole page.

    Parameters
    ----------
    template : str
        File in ``templates`` that extends ``page.html``.
    **values
        ``title``; ``marks``, which no reader may miss (an optimistic protocol,
        synthetic rows): they stay at the top of the screen and stand in the title of
        the window, the words before a colon set bold; and what the template asks for.
    """
    text: str = _environment().get_template(template).render(values)
    return text


def figures(pictures: Iterable[Picture]) -> dict[str, dict[str, Any]]:
    """Return charts as a template places them: name -> title, words, specification.

    A chart is as wide as its place and its title is text above it.
    """
    found = {}
    for name, chart, alt in pictures:
        title, subtitle, spec = apart(chart)
        spec |= {
            "width": "container",
            "autosize": {"type": "fit-x", "contains": "padding"},
            "description": alt,
        }
        found[name] = {"title": title, "subtitle": subtitle, "spec": spec, "alt": alt}
    return found


@cache
def program() -> tuple[str, str]:
    """Return the drawing library and the page's own script."""
    import vl_convert

    library = vl_convert.javascript_bundle(  # type: ignore[call-arg]
        vl_version=vega_lite_version()
    )
    return library.replace("</script", "<\\/script"), _asset("page.js")


@cache
def _environment() -> Any:
    with of_extra("pages need jinja2"):
        import jinja2
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("evenflow.judge.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.policies["json.dumps_kwargs"] = {
        "ensure_ascii": False,
        "separators": (",", ":"),
    }
    made.filters |= {"anchor": _anchor, "headings": _headings, "hashed": _hashed}
    made.globals |= {
        "program": program,
        "style": _asset("page.css"),
        "themes": {"light": theme.config(), "dark": theme.config(dark=True)},
        "version": __version__,
    }
    return made


def _anchor(title: str) -> str:
    """Return the name by which a link finds a section."""
    return "".join(c if c.isalnum() else "-" for c in title.lower()).strip("-")


def _headings(body: str) -> list[tuple[str, str]]:
    """Return anchor and title of each section, in order; both are markup already."""
    return re.findall(r'<h2 id="(.*?)">(.*?)</h2>', body)


def _hashed(script: str) -> str:
    """Return the hash by which the Content-Security-Policy allows a script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _asset(name: str) -> str:
    folder = resources.files("evenflow.judge.pages") / "assets"
    return (folder / name).read_text("utf-8")
