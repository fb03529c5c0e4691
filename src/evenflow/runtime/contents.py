"""The JSON files of a bundle, typed: what each holds, in which bounds.

Sums show that a file is the one that was written. Whether what was written means
anything is checked here: numbers are finite, names are distinct and printable, and
nothing is longer than it could be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from evenflow.conform import shown
from evenflow.errors import BundleError, DataError, RecipeError
from evenflow.prepare.features import (
    LONGEST_WORD,
    MAX_NUMBERS,
    N_QUANTILES,
    UNSEEN,
    Scaling,
)
from evenflow.runtime.folder import AGAIN, check_plain
from evenflow.schema import BENIGN, Table

MAX_COLUMNS = 10_000
MAX_CLASSES = 300
"""Maximum number of classes: a report, and its page, hold each pair of them."""
MAX_TYPES = 2_000
"""Maximum number of attack types of the training or the test rows."""
MAX_BANDS = 100
"""Maximum number of bands of scores of a report."""
MAX_ROWS = 10_000
"""Maximum number of golden rows, and of reference rows."""


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:  # no other control character passes as JSON
        raise ValueError("expected one line")
    return text


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("expected each name once")
    return names


Word = Annotated[str, StringConstraints(max_length=500), AfterValidator(_one_line)]
Name = Annotated[Word, StringConstraints(min_length=1)]
ColumnNames = Annotated[
    list[Word], Field(max_length=MAX_COLUMNS), AfterValidator(_distinct)
]
Text = Annotated[str, StringConstraints(max_length=LONGEST_WORD)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Float32 = Annotated[Finite, Field(ge=-3e38, le=3e38)]
Numbers = Annotated[list[Finite], Field(max_length=MAX_COLUMNS)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Sum = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Contents(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ColumnContents(_Contents):
    """A column of ``manifest.json``."""

    name: Word
    kind: Literal["numeric", "category", "address"]
    unit: Word = ""
    low: Finite | None = None
    high: Finite | None = None
    step: Annotated[Finite, Field(gt=0)] | None = None
    choices: Annotated[list[Text], Field(max_length=100_000)] = []
    aliases: ColumnNames = []
    description: Text = ""
    decimal: Literal["", ",", "."] = ""
    thousands: Literal["", ",", ".", " ", "'"] = ""


class SchemaContents(_Contents):
    """The columns and classes of ``manifest.json``."""

    name: Name
    columns: Annotated[list[ColumnContents], Field(max_length=MAX_COLUMNS)]
    classes: Annotated[
        list[Name],
        Field(min_length=2, max_length=MAX_CLASSES),
        AfterValidator(_distinct),
    ]
    families: Annotated[dict[Word, Word], Field(max_length=100_000)]
    taxonomy: Text
    layout: Annotated[list[Word], Field(max_length=MAX_COLUMNS)]
    is_synthetic: bool
    label: Word
    benign: Annotated[list[Word], Field(max_length=MAX_CLASSES)]

    @model_validator(mode="after")
    def _one_is_benign(self) -> Self:
        is_benign = [c.strip().casefold() == BENIGN for c in self.classes]
        if self.classes[0] != BENIGN or sum(is_benign) != 1:
            raise ValueError(f"expected {BENIGN!r} as the first class and no other")
        _distinct([column.name for column in self.columns])
        return self


class ManifestContents(_Contents):
    """``manifest.json``."""

    format: int
    evenflow: Name
    table: SchemaContents = Field(alias="schema")
    n_features: Count
    n_classes: Count
    n_golden: Annotated[int, Field(ge=1, le=MAX_ROWS)]
    n_reference: Annotated[int, Field(ge=0, le=MAX_ROWS)]
    n_fingerprint: Count
    recipe_sha256: Sum
    model_sha256: Sum
    model_bytes: Count


class ScalerContents(_Contents):
    """The scaling of ``preprocessor.json``."""

    kind: Scaling
    center: Numbers
    scale: Annotated[
        list[Annotated[Finite, Field(gt=0)]], Field(max_length=MAX_COLUMNS)
    ]
    quantiles: Annotated[list[Numbers], Field(max_length=MAX_COLUMNS)]


class HostsContents(_Contents):
    """The hosts of ``preprocessor.json``."""

    columns: Annotated[ColumnNames, Field(min_length=1)]
    addresses: Annotated[
        list[Annotated[Text, StringConstraints(min_length=1)]],
        Field(max_length=MAX_NUMBERS),
        AfterValidator(_distinct),
    ]
    mean: Annotated[
        list[Annotated[list[Float32], Field(max_length=MAX_COLUMNS)]],
        Field(max_length=MAX_NUMBERS),
    ]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.addresses) != len(self.mean):
            raise ValueError("expected the means of each address")
        return self


class PreprocessorContents(_Contents):
    """``preprocessor.json``."""

    table: Name = Field(alias="schema")
    numeric: ColumnNames
    step: Numbers
    fill: Numbers
    indicator: ColumnNames
    low: Numbers
    high: Numbers
    scaler: ScalerContents
    categories: Annotated[
        dict[Word, Annotated[list[Text], Field(min_length=1, max_length=1_000_000)]],
        Field(max_length=MAX_COLUMNS),
    ]
    dropped: ColumnNames
    hosts: HostsContents | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        scaler, k = self.scaler, len(self.numeric)
        lists = (
            *(self.step, self.fill, self.low, self.high),
            *(scaler.center, scaler.scale, scaler.quantiles),
        )
        if {len(values) for values in lists} != {k}:
            raise ValueError("expected as many numbers as numeric columns")
        width = N_QUANTILES if scaler.kind == "quantile" else 0
        for quantiles in scaler.quantiles:
            if len(quantiles) != width or sorted(quantiles) != quantiles:
                raise ValueError(f"expected {width} quantiles in order")
        if min(self.step, default=0) < 0:
            raise ValueError("expected no negative step")
        if any(a > b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("expected low at or under high")
        for name, values in self.categories.items():
            if values[-1] != UNSEEN or len(set(values)) < len(values):
                raise ValueError(f"expected distinct values of {name!r}, {UNSEEN} last")
        return self


class DecisionContents(_Contents):
    """``decision.json``; training finds a temperature of 0.05 to 20, biases to 10."""

    temperature: Annotated[Finite, Field(ge=1e-3, le=1e3)]
    bias: Annotated[
        list[Annotated[Finite, Field(ge=-1e3, le=1e3)]], Field(max_length=MAX_CLASSES)
    ]
    threshold: Annotated[Finite, Field(ge=-1e6, le=1e6)]
    threshold_probability: Annotated[Finite, Field(ge=0, le=1)]
    false_alarm_budget: Annotated[Finite, Field(ge=0, le=1)]
    unknown_budget: Annotated[Finite, Field(ge=0, le=1)] | None = None
    unknown_below: (
        Annotated[
            list[Annotated[Finite, Field(ge=-1e6, le=1e6)]],
            Field(max_length=MAX_CLASSES),
        ]
        | None
    ) = None


Edge = Annotated[Finite, Field(ge=-700, le=700)]
"""Log odds whose odds are a float."""


class BandContents(_Contents):
    """A band of scores in ``report.json``."""

    start: Edge | None = Field(alias="from")
    to: Edge | None
    rows: Count
    attacks: Count
    share: Finite | None
    low: Finite | None
    high: Finite | None


class ReportContents(BaseModel):
    """The part of ``report.json`` that verdicts rest on."""

    model_config = ConfigDict(strict=True, extra="ignore")

    dataset: Word = ""
    protocol: Word = ""
    is_optimistic: bool = False
    bands: Annotated[list[BandContents], Field(max_length=MAX_BANDS)] | None = None


class Choice(BaseModel):
    """A plug-in that a recipe names, with its parameters."""

    model_config = ConfigDict(strict=True, extra="allow")

    name: Name


Settings = dict[Name, Word | Finite | bool | ColumnNames]
"""A table of a recipe; a recipe's own type checks it when it is used."""


class RecipeContents(_Contents):
    """``recipe.json``."""

    title: Text = ""
    reference: Text = ""
    dataset: Choice
    target: Literal["family", "attack", "binary"] = "family"
    split: Choice | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    prepare: Settings = {}
    select: Choice | None = None
    balance: Choice | None = None
    loss: Choice | None = None
    model: Choice
    training: Settings = {}
    decide: Settings = {}


def check(kind: type[BaseModel], value: Mapping[str, Any], *, source: str) -> None:
    """Check the contents of a file against their type.

    Raises
    ------
    BundleError
        A key is missing or unknown, or a value is of another type or out of bounds;
        the message names the first.
    """
    if found := _first_error(kind, value):
        raise BundleError(f"{source}: {found}. {AGAIN}")


def check_recipe(value: Mapping[str, Any]) -> None:
    """Refuse a recipe that no bundle can hold, before a training.

    Raises
    ------
    RecipeError
        A text holds a control character, or there are too many values.
    """
    try:
        check_plain(value)
    except ValueError as error:
        raise RecipeError(
            f"the recipe: found {error}, expected plain text. Correct that key"
        ) from None


def check_table(table: Table, target: str) -> None:
    """Refuse rows whose columns and classes no bundle can hold, before a training.

    Parameters
    ----------
    table : Table
    target : {'family', 'attack', 'binary'}
        Target of the classification.

    Raises
    ------
    DataError
        A name is too long or holds a control character, or there are too many.
    """
    _check_numbers(table, target)
    value = table.schema.to_dict()
    value["classes"] = value["classes"][:MAX_CLASSES]  # those of a binary target
    names = [] if table.extra is None else table.extra.columns
    try:
        check_plain([value, names])
        found = _first_error(SchemaContents, value)
    except ValueError as error:
        found = f"found {error}"
    if found:
        raise DataError(
            f"{table.schema.name}: {found}. A bundle holds names of columns and labels "
            "of one line, of at most 500 characters and without control characters. "
            "Rename the column, drop it, or correct the label"
        )


def _check_numbers(table: Table, target: str) -> None:
    n_classes = len(table.schema.classes)
    n_types = n_classes if table.attack is None else table.attack.n_unique()
    told_apart = {"family": n_classes, "attack": n_types, "binary": 2}[target]
    for n, most, what, do in (
        (n_types, MAX_TYPES, "attack types", "Give several types one label"),
        (told_apart, MAX_CLASSES, "classes", 'Set target = "binary" in the recipe'),
    ):
        if n > most:
            raise DataError(
                f"{table.schema.name}: found {n:,} {what}, expected at most {most:,}. "
                f"{do}, or check whether the label column is the right one"
            )


def _first_error(kind: type[BaseModel], value: Mapping[str, Any]) -> str:
    """Return the first way in which a value is not of its type, empty if it is."""
    try:
        kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        found = "" if first["type"] == "missing" else f"found {shown(first['input'])}: "
        message = first["msg"].removeprefix("Value error, ")
        return f"{shown(where) if where else 'as a whole'}: {found}{message}"
    return ""
