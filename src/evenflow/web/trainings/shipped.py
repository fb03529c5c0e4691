"""The recipes that come with evenflow, by data set and by model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from evenflow import recipe as recipes
from evenflow.web.datasets.explorations import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One recipe."""

    name: str
    label: str
    """The name within its data set and model, such as ``smote``."""
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The recipes of one data set."""

    dataset: str
    title: str
    is_here: bool
    """Whether its files are on this server."""
    headlines: tuple[Choice, ...]
    """Those that the suite of the data set runs with the most seeds."""
    models: tuple[tuple[str, tuple[Choice, ...]], ...]
    """Model -> its recipes, sorted."""

    @property
    def n(self) -> int:
        """Number of recipes."""
        return sum(len(choices) for _, choices in self.models)


def groups(known: Sequence[Source]) -> list[Group]:
    """Return the groups, those of data sets that can be read first."""
    found = []
    for source in known:
        if source.dataset.reads_own_file or source.name not in _by_dataset():
            continue
        models: dict[str, list[Choice]] = {}
        for name in _by_dataset()[source.name]:
            model, _, rest = name.partition("/")[2].partition("-")
            choice = Choice(name=name, label=rest, title=_title(name))
            models.setdefault(model, []).append(choice)
        found.append(
            Group(
                dataset=source.name,
                title=source.dataset.title,
                is_here=source.can_be_read,
                headlines=tuple(
                    Choice(name=n, label=n.partition("/")[2], title=_title(n))
                    for n in _headlines(source.name)
                ),
                models=tuple((model, tuple(one)) for model, one in models.items()),
            )
        )
    return sorted(found, key=lambda group: (not group.is_here, -group.n))


@cache
def _by_dataset() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in recipes.shipped():
        found.setdefault(name.partition("/")[0], []).append(name)
    return found


@cache
def _title(name: str) -> str:
    return str(recipes.tables(name).get("title", ""))


@cache
def _headlines(dataset: str) -> tuple[str, ...]:
    from evenflow.experiment import suite  # reads charts and tables

    if dataset not in suite.shipped():
        return ()
    parts = suite.read(dataset).groups
    most = max(part.seeds for part in parts)
    return tuple(n for part in parts if part.seeds == most > 1 for n in part.recipes)
