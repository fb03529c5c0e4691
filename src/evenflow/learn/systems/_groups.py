"""Groups of rows by their categories, in a ladder for those with few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError, RecipeError
from evenflow.learn.fitting import Rows
from evenflow.learn.trees import Branch
from evenflow.prepare.layout import Layout
from evenflow.registry import nearest

Leaf = Branch | NDArray[np.float64]
Path = tuple[int, ...]
"""One-hot features that are 1 in the rows of a group, first column first."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of prepared rows; a row belongs to the finest one that holds it."""

    paths: tuple[Path, ...] = ((),)
    """Of each group. The first holds all rows; one stands after that it is within."""
    note: str = ""
    """A fact about them that the user should read."""

    @classmethod
    def of(cls, columns: Sequence[str], min_rows: int, rows: Rows) -> Groups:
        """Return the groups by columns that hold so many of the rows or more.

        There is one for each value of the first column, one for each value of the first
        two, and so on. The bucket of unseen values does not form a group: its rows, and
        those of a group with fewer rows, belong to the group by one column less.

        Parameters
        ----------
        columns : sequence of str
            Columns of categories.
        min_rows : int
        rows : Rows
            Benign rows to count.

        Raises
        ------
        DataError
            The rows have no layout.
        RecipeError
            A column is unknown, or holds numbers.
        """
        if not columns:
            return cls()
        if rows.layout is None:
            raise DataError(
                "groups need rows with named columns, and these are an array without a "
                "layout. Give a layout, or leave out groups"
            )
        found: list[Path] = [()]
        n_rows: dict[Path, int] = {(): len(rows)}
        level: list[Path] = [()]
        for values in [_values(name, rows.layout) for name in columns]:
            paths = [(*path, value) for path in level for value in values]
            n_rows |= {path: int(_holds(path, rows.X).sum()) for path in paths}
            level = [path for path in paths if n_rows[path] >= min_rows]
            level.sort(key=lambda path: -n_rows[path])  # the most frequent first
            found += level
        names, by = rows.layout.names, f"groups by {', '.join(columns)}"
        if len(found) == 1:
            note = f"no {by} hold {min_rows:,} benign validation rows or more"
        else:
            least = min(found[1:], key=lambda path: n_rows[path])
            note = (
                f"{len(found) - 1} {by} hold {min_rows:,} benign validation rows or "
                f"more, the fewest {' and '.join(names[j] for j in least)} with "
                f"{n_rows[least]:,}; their rows are compared with these alone"
            )
        return cls(paths=tuple(found), note=note)

    def members(self, X: NDArray[np.float32]) -> Iterator[NDArray[np.bool_]]:
        """Yield which prepared rows each group holds, those of finer ones among them.

        Yields
        ------
        ndarray of shape (n_samples,), bool
        """
        return (_holds(path, X) for path in self.paths)

    def codes(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the number of the finest group of each row, ``(n_samples,)``."""
        found = np.zeros(len(X), dtype=np.int64)
        number_of = {path: number for number, path in enumerate(self.paths)}
        for number, path in enumerate(self.paths[1:], start=1):
            is_within = found == number_of[path[:-1]]
            found[is_within & (X[:, path[-1]] > 0.5)] = number
        return found

    def tree(self, leaf: Callable[[int], Leaf], *, first: int) -> Leaf:
        """Return a tree that leads each row to what its group has.

        Parameters
        ----------
        leaf : callable
            ``leaf(number)`` is what stands below for the rows of a group.
        first : int
            Feature of the tree that is the first of the prepared rows.
        """

        def below(path: Path) -> Leaf:
            found = leaf(self.paths.index(path))
            for inner in reversed(self.paths):
                if len(inner) == len(path) + 1 and inner[:-1] == path:
                    found = Branch(first + inner[-1], 0.5, found, below(inner))
            return found

        return below(())


def _holds(path: Path, X: NDArray[np.float32]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.all(X[:, list(path)] > 0.5, axis=1)
    return found


def _values(name: str, layout: Layout) -> range:
    """Return the one-hot features of the values of a column that are known."""
    stops = dict(layout.blocks)
    known = [name for name, where in layout.groups.items() if int(where[0]) in stops]
    if name not in layout.groups:
        raise RecipeError(
            f"groups names {name!r}; {nearest(name, known)} Expected columns of "
            "categories"
        )
    if name not in known:
        raise RecipeError(
            f"groups names {name!r}, a column of numbers; expected columns of "
            f"categories: {', '.join(known)}. Name these, or leave it out"
        )
    start = int(layout.groups[name][0])
    return range(start, stops[start] - 1)  # the last is the bucket of unseen values
