"""A table: its columns and cells, as Markdown and as LaTeX."""

from __future__ import annotations

from dataclasses import dataclass

DASH = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    is_text: bool = False
    """Words, flush left; figures are flush right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """One table: cells are text, ready to be set; the first names its row."""

    title: str
    note: str = ""
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)


def text(*names: str) -> tuple[Column, ...]:
    """Return columns of words."""
    return tuple(Column(name, is_text=True) for name in names)


def numbers(*names: str) -> tuple[Column, ...]:
    """Return columns of figures."""
    return tuple(Column(name) for name in names)


def markdown(grid: Grid) -> str:
    """Return the table as Markdown, with its title and note."""
    lines = [f"## {grid.title}", "", grid.note, ""]
    lines.append("| " + " | ".join(map(_md, grid.head)) + " |")
    lines.append("| " + " | ".join("---" for _ in grid.head) + " |")
    lines += ["| " + " | ".join(map(_md, row)) + " |" for row in grid.rows]
    return "\n".join(lines) + "\n"


def latex(grid: Grid) -> str:
    """Return the table as LaTeX for the booktabs package, caption and note included."""
    body = [" & ".join(map(_tex, row)) + r" \\" for row in grid.rows]
    return "\n".join(
        [
            r"\begin{table}",
            rf"  \caption{{{_tex(grid.title)}. {_tex(grid.note)}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(grid.columns) - 1)}}}",
            r"    \toprule",
            "    " + " & ".join(map(_tex, grid.head)) + r" \\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _md(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") or " "


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text).replace("+/-", r"$\pm$")
