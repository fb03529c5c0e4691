"""Write a comparison down: JSON, Markdown, LaTeX, pictures and a page."""

from __future__ import annotations

from pathlib import Path

from evenflow import files
from evenflow.judge.comparison import Comparison
from evenflow.judge.grids import grids, latex, markdown


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every form of a comparison and return the paths."""
    tables = grids(comparison)
    paths = [folder / f"comparison.{kind}" for kind in ("json", "md", "tex")]
    files.write_json(paths[0], comparison.to_dict())
    text = "\n".join(markdown(grid) for grid in tables)
    files.write_text(paths[1], f"# Comparison\n\n{text}")
    files.write_text(paths[2], "\n".join(latex(grid) for grid in tables))
    return paths
