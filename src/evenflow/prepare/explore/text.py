"""An exploration as text for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import Any

BAR = 24


def to_text(found: dict[str, Any], *, width: int) -> str:
    """Return the report, lines no longer than ``width`` wherever names allow."""
    parts = (_head, _classes, _attacks, _columns, _rows, _splits, _pairs, _warnings)
    blocks = ["\n".join(part(found, width)) for part in parts]
    return "\n\n".join(block for block in blocks if block) + "\n"


def number(value: float | None) -> str:
    """Return a number short enough for a table."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.3g}"


def _head(found: dict[str, Any], width: int) -> Iterator[str]:
    o = found["overview"]
    made = "  [SYNTHETIC]" if o["is_synthetic"] else ""
    yield f"{o['name']}, {o['split']}{made}"
    yield (
        f"{o['n_rows']:,} rows, {o['n_columns']} columns "
        f"({o['n_numeric']} numeric, {o['n_category']} category)"
    )
    if o["taxonomy"]:
        yield from textwrap.wrap(f"taxonomy: {o['taxonomy']}", width)


def _bars(entries: list[dict[str, Any]], name_width: int) -> Iterator[str]:
    """Draw row counts on a log scale, so that the rare ones are visible."""
    most = max(entry["n"] for entry in entries)
    for entry in entries:
        n = entry["n"]
        length = round(BAR * math.log1p(n) / math.log1p(most)) if most else 0
        bar = "█" * max(length, 1 if n else 0)
        yield (
            f"  {entry['name']:<{name_width}} {n:>10,} {entry['share']:>8.3%}  {bar}"
        )


def _classes(found: dict[str, Any], width: int) -> Iterator[str]:
    classes = found["classes"]
    if not classes:
        return
    ratio = found["overview"]["imbalance_ratio"]
    yield f"Classes (bars on a log scale; largest : smallest = {ratio:,.0f} : 1)"
    yield from _bars(classes, max(len(c["name"]) for c in classes))


def _attacks(found: dict[str, Any], width: int) -> Iterator[str]:
    attacks = found["attacks"]
    if not attacks:
        return
    yield f"Attack types ({len(attacks)})"
    named = [a | {"name": f"{a['family']}: {a['name']}"} for a in attacks]
    yield from _bars(named, max(len(a["name"]) for a in named))


def _columns(found: dict[str, Any], width: int) -> Iterator[str]:
    columns = sorted(
        found["columns"], key=lambda c: -(c["mutual_information_bits"] or 0)
    )
    entropy = found["overview"]["label_entropy_bits"]
    more = f" (the label has {entropy:.2f} bits)" if entropy is not None else ""
    yield f"Columns, most informative about the label first{more}"
    size = max(len(c["name"]) for c in columns)
    yield (
        f"  {'column':<{size}} {'bits':>5} {'miss':>6} {'inf':>5} {'distinct':>8} "
        f"{'median':>9} {'max':>9}  most common"
    )
    for c in columns:
        bits = c["mutual_information_bits"]
        numeric = c["numeric"] or {}
        middle = number(numeric.get("quantiles", {}).get("0.5"))
        common = c["most_common"]
        shown = common if isinstance(common, str) else number(common)
        yield (
            f"  {c['name']:<{size}} {'-' if bits is None else f'{bits:.2f}':>5} "
            f"{c['missing']:>6,} {c['infinite']:>5,} {c['distinct']:>8,} "
            f"{middle:>9} {number(numeric.get('max')):>9}  "
            f"{shown} ({c['most_common_share']:.0%})"
        )


def _rows(found: dict[str, Any], width: int) -> Iterator[str]:
    d, c = found["duplicates"], found["conflicts"]
    yield "Rows"
    yield (
        f"  {d['distinct_rows']:,} distinct, {d['duplicate_rows']:,} repeat an earlier "
        f"one ({d['duplicate_share']:.2%}), largest group {d['largest_group']:,}"
    )
    if found["classes"]:
        yield (
            f"  {c['vectors']:,} feature vectors with more than one class "
            f"({c['rows']:,} rows), {c['attack_vectors']:,} with more than one attack "
            "type"
        )


def _splits(found: dict[str, Any], width: int) -> Iterator[str]:
    for other in found["splits"]:
        yield f"Beside {other['name']} ({other['n_rows']:,} rows)"
        same = other["shared_same_class"]
        more = "" if same is None else f", {same:,} of them with the same class"
        yield (
            f"  {other['shared_rows']:,} of its rows occur here too "
            f"({other['shared_share']:.2%}){more}"
        )
        if unseen := other["unseen_attacks"]:
            n = sum(a["n"] for a in unseen)
            names = ", ".join(f"{a['name']} {a['n']:,}" for a in unseen)
            yield from textwrap.wrap(
                f"attack types found there only ({n:,} rows): {names}",
                width,
                initial_indent="  ",
                subsequent_indent="    ",
            )


def _pairs(found: dict[str, Any], width: int) -> Iterator[str]:
    names, r = found["correlation"]["columns"], found["correlation"]["spearman"]
    pairs = [
        (abs(r[i][j]), r[i][j], names[j], names[i])
        for i in range(len(names))
        for j in range(i)
        if r[i][j] is not None
    ]
    if not pairs:
        return
    yield "Strongest rank correlations (Spearman)"
    for _, value, one, two in sorted(pairs, key=lambda p: (-p[0], p[2], p[3]))[:8]:
        yield f"  {value:+.3f}  {one}, {two}"


def _warnings(found: dict[str, Any], width: int) -> Iterator[str]:
    if found["warnings"]:
        yield "Warnings"
    for w in found["warnings"]:
        yield from textwrap.wrap(
            w["text"], width, initial_indent="  ! ", subsequent_indent="    "
        )
