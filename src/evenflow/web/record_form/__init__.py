"""One record entered by hand: a bundle's contract as a form, and back.

Values are raw, as a person knows them; labels, groups and examples are in plain
words. What is typed is read by the rules of :mod:`evenflow.conform`, so that a record
entered here gets the verdict that its row in a file gets.
"""

from __future__ import annotations

from evenflow.web.record_form.examples import Example, examples
from evenflow.web.record_form.fields import Choice, Field, FieldGroup, Value
from evenflow.web.record_form.form import Parsed, RecordForm
from evenflow.web.record_form.plausible import Remark

__all__ = [
    "Choice",
    "Example",
    "Field",
    "FieldGroup",
    "Parsed",
    "RecordForm",
    "Remark",
    "Value",
    "examples",
]
