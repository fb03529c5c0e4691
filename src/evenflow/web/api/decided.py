"""The decision on a record, and what it rests on, as answers of the API have them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Share = Annotated[float, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
"""A probability of an answer: described, and sent as it was computed."""
INT64 = 2**63 - 1
Id = Annotated[int, Field(ge=1, le=INT64)]


class Decided(BaseModel):
    """The decision of a model on a record."""

    verdict: str = Field(
        description="Class decided: `benign`, an attack class, or "
        "`unknown_attack`, where the model is too unsure of the class."
    )
    is_attack: bool
    attack_probability: Share = Field(description="Calibrated.")
    threshold: Share = Field(
        description="Probability above which a record is called an attack."
    )
    classes: dict[str, Share] = Field(
        description="Calibrated probability of each class; they sum to 1."
    )
    record_id: Id | None = Field(None, description="With `keep`.")
    alert_id: Id | None = Field(None, description="With `keep`, of an attack.")
    event_at: datetime | None = Field(None, description="With `keep`: event time.")


class BatchVerdict(Decided):
    """The verdict on one of many records."""

    line: int = Field(ge=1)
    columns: dict[str, Any] | None = Field(
        None, description="With `columns`: those that the model does not read."
    )
    test_attack_share: Share | None = Field(
        description="Share of attacks among the test rows of the model that were "
        "scored like this; null where it came without them. GET /bundles/active has "
        "their number."
    )
    unusual: str | None = Field(
        description="Columns with a value that the training rows of the model did not "
        "hold, or that cannot go with another; null where there are none."
    )


class TestRows(BaseModel):
    """The test rows of a model whose scores are like that of a record."""

    model_config = ConfigDict(
        validate_by_name=True, json_schema_serialization_defaults_required=True
    )

    start: float | None = Field(
        serialization_alias="from",
        validation_alias="from",
        description="Log odds of an attack less the threshold's, from here.",
    )
    to: float | None = Field(description="To here, included.")
    rows: int
    attacks: int
    share: Share | None = Field(description="Share of attacks among the rows.")
    low: Share | None = Field(description="Lower bound of its 95 % Wilson interval.")
    high: Share | None = Field(description="Upper bound of it.")
