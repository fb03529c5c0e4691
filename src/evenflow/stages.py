"""The stages of a recipe that are settings, not plug-ins: typed and frozen."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_serializer, model_validator
from pydantic import SerializerFunctionWrapHandler as Dump

from evenflow.plugins import STRICT


class Stage(BaseModel):
    """A table of a recipe."""

    model_config = STRICT
    later: ClassVar[tuple[str, ...]] = ()
    """Keys that leave no trace at their defaults: older digests stay."""

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: Dump) -> dict[str, Any]:
        value: dict[str, Any] = dump(self)
        for key in self.later:
            if value[key] == type(self).model_fields[key].default:
                del value[key]
        return value


class Prepare(Stage):
    """How raw columns become the matrix a model reads."""

    later = ("hosts",)

    scaling: Literal["log1p_standard", "standard", "minmax", "quantile"] = (
        "log1p_standard"
    )
    min_category_rows: int = Field(5, ge=1)
    """A category value in fewer training rows shares the bucket of the unseen."""
    hosts: tuple[str, str] | None = None
    """Columns with the addresses of who began and who answered: each host is described
    by the mean of its training rows. No address is a feature."""

    @property
    def columns(self) -> dict[str, Any]:
        """How each column is prepared, whatever the hosts."""
        return {k: v for k, v in self.model_dump().items() if k != "hosts"}


class Training(Stage):
    """How a network learns; trees read ``valid_fraction`` alone."""

    later = ("input_noise", "hidden_categories")

    epochs: int = Field(10, ge=1, le=10_000)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    """Of Adam, at the start; falls to zero along a cosine."""
    weight_decay: float = Field(0.0, ge=0)
    patience: int = Field(5, ge=1)
    """Epochs without a better validation macro F1 before training stops."""
    valid_fraction: float = Field(0.1, gt=0, lt=0.5)
    """Share of the training rows that decides when to stop."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """``auto``: bfloat16 where the device multiplies it in hardware."""
    input_noise: float = Field(0.0, ge=0)
    """Standard deviation of noise on scaled numbers, new in every batch."""
    hidden_categories: float = Field(0.0, ge=0, lt=1)
    """Share of the categories in a batch that are given as unseen ones."""


class Decide(Stage):
    """How the threshold is set, on training rows that neither fitted nor stopped."""

    later = ("attack_shares", "certify", "group", "unknown_budget")

    fraction: float = Field(0.2, gt=0, lt=0.9)
    """Share of the training rows kept for calibration and threshold."""
    false_alarm_budget: float = Field(0.05, gt=0, lt=1)
    """Share of benign calibration rows that may be called attacks."""
    attack_shares: Literal["training", "equal"] = "training"
    """How frequent the classes of attack are taken to be: as in the training rows, or
    all alike, where one attack makes many more rows than another."""
    certify: float | None = Field(None, gt=0, lt=1)
    """Confidence at which the budget holds for other benign rows, drawn one by one like
    those of the calibration, so not with ``group``; about half if absent."""
    unknown_budget: float | None = Field(None, gt=0, lt=1)
    """Share of known attacks of each class that may be called unknown; absent: none."""
    group: str | None = None
    """Column whose values are groups, as runs or days: the rows that stop and those
    that calibrate are whole groups. Rows of one group are alike, and a threshold set
    on rows whose group was fitted is too low for new ones."""

    @model_validator(mode="after")
    def _certifies_rows(self) -> Self:
        if self.certify and self.group:
            raise ValueError("certify counts single rows; expected no group beside it")
        return self
