"""A bundle's contract as a form, and what somebody filled in as a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from evenflow.conform import SPACE
from evenflow.errors import DataError
from evenflow.knowledge.columns import family, titles, value
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.unusual import Remark, Usual
from evenflow.schema import Column, Schema
from evenflow.web.record_form import groups as form_groups
from evenflow.web.record_form.fields import (
    Choice,
    Field,
    FieldGroup,
    Value,
    is_yes_no,
    read,
    typed,
)
from evenflow.web.record_form.pasted import pasted

YES_NO = (
    Choice(value="0", label="no"),
    Choice(value="1", label="yes"),
    Choice(value="", label="not known"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """The result of a form: a record, or the errors of its fields."""

    values: Mapping[str, str]
    """Every field as it was typed, to be shown again."""
    record: Mapping[str, Value] | None
    """Raw values by column, missing ones None; None if anything is wrong."""
    errors: Mapping[str, str]
    """Column -> what was found and expected; the key is empty for the whole form."""
    warnings: tuple[Remark, ...] = ()
    """Warnings about values that are scored anyway."""
    missing: tuple[str, ...] = ()
    """Columns left empty; the model uses typical values of the training rows."""
    label: str = ""
    """Label of a pasted line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordForm:
    """The fields in which one record of a bundle is entered."""

    schema: Schema
    groups: tuple[FieldGroup, ...]
    usual: Usual

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Return the form of a bundle's contract."""
        schema = bundle.schema
        key, named = family(schema.names), titles(schema.columns)
        groups = []
        for (title, text), columns in form_groups.grouped(schema.columns):
            fields = tuple(_field(bundle, c, named[c.name], key) for c in columns)
            groups.append(FieldGroup(title=title, text=text, fields=fields))
        return cls(schema=schema, groups=tuple(groups), usual=bundle.usual)

    @property
    def fields(self) -> Iterator[Field]:
        """The fields of all groups, in the order of the form."""
        return (field for group in self.groups for field in group.fields)

    def field(self, name: str) -> Field:
        """Return the field of a column."""
        return next(field for field in self.fields if field.name == name)

    def label(self, name: str) -> str:
        """Return a column in plain words, with its name."""
        return self.field(name).label

    def values(self, record: Mapping[str, object]) -> dict[str, str]:
        """Return a record as it would be typed, to fill the form."""
        return {name: typed(record.get(name)) for name in self.schema.names}

    def defaults(self) -> dict[str, str]:
        """Return typical values of benign traffic, to fill the form."""
        return {field.name: field.default for field in self.fields}

    def parse(self, values: Mapping[str, str]) -> Parsed:
        """Return the record that was filled in, or all that is wrong with it.

        ``values`` are what was typed by column; other names are ignored. A field left
        empty is missing.
        """
        kept = {name: values.get(name, "") for name in self.schema.names}
        if not any(text.strip(SPACE) for text in kept.values()):
            text = "Found an empty form, expected a record. Fill it in, choose an "
            errors = {"": f"{text}example, or paste a line of the data set."}
            return Parsed(values=kept, record=None, errors=errors)
        return self._checked(kept, kept)

    def from_line(self, text: str) -> Parsed:
        """Return the record in a pasted line of the data set.

        A line of the published file with or without its label columns, a header and
        a line (comma, semicolon or tab), values in the order of the schema, or one
        JSON object.

        Raises
        ------
        DataError
            The text is not a record: empty, several lines, too few fields, a column
            missing. A wrong value is an error at its field in what is returned.
        """
        found = pasted(text, self.schema)
        kept = {name: typed(found.values[name]) for name in self.schema.names}
        return self._checked(found.values, kept, found.places, found.label)

    def _checked(
        self,
        values: Mapping[str, object],
        kept: Mapping[str, str],
        places: Mapping[str, str] | None = None,
        label: str = "",
    ) -> Parsed:
        record: dict[str, Value] = {}
        errors = {}
        for column in self.schema.columns:
            try:
                record[column.name] = read(column, values[column.name])
            except DataError as error:
                where = "" if places is None else f"{places[column.name]}: "
                errors[column.name] = f"{where}{error}"
        return Parsed(
            values=kept,
            record=None if errors else record,
            errors=errors,
            warnings=self.usual.remarks(record),
            missing=tuple(name for name, value in record.items() if value is None),
            label=label,
        )


def _field(bundle: Bundle, column: Column, label: str, key: str | None) -> Field:
    prepare, rows = bundle.preprocessor, bundle.reference.frame[column.name]
    if column.kind == "category":
        seen = prepare.categories[column.name][:-1]  # the last is the unseen
        words = column.choices or seen
        words = (*words, *(w for w in seen if w not in words))
        common = rows.drop_nulls().mode().sort()
        means = {w: value(key, column.name, w) for w in words}
        return Field(
            column=column,
            label=label,
            kind="choice",
            default=typed(common[0]) if len(common) else "",
            choices=tuple(Choice(value=w, label=means[w] or w) for w in words),
        )
    if column.kind == "address":
        return Field(column=column, label=label, kind="address")
    x = rows.to_numpy()
    x = x[np.isfinite(x)]
    # a value that occurs, not a mean of two: half a connection is no default
    usual = float(np.quantile(x, 0.5, method="lower")) if len(x) else None
    return Field(
        column=column,
        label=label,
        kind="yes_no" if is_yes_no(column) else "number",
        choices=YES_NO if is_yes_no(column) else (),
        default=typed(usual),
        is_used=column.name in {*prepare.numeric, *prepare.indicator},
    )
