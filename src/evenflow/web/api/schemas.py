"""The requests and answers of the API as models, which validate and document them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    GetPydanticSchema,
)
from pydantic_core import core_schema

from evenflow.web.api.bodies import Body
from evenflow.web.api.decided import (
    INT64,
    BatchVerdict,
    Decided,
    Id,
    Share,
    TestRows,
)
from evenflow.web.api.examples import ALERT, RECORD, VERDICT
from evenflow.web.frame.notes import MAX_NOTE

MAX_COLUMNS, MAX_NAME, MAX_TEXT = 500, 200, 500
"""Columns of a record, and characters of a column's name and of a value."""
MAX_RECORDS = 10_000
"""Records of one request; a file takes millions."""


def _plain(kind: Any, handler: Any) -> core_schema.CoreSchema:
    """Return the schema of a value whose fault is told in one sentence."""
    return core_schema.custom_error_schema(
        handler(kind),
        custom_error_type="plain_value",
        custom_error_message=(
            "Input should be a number, a text of at most "
            f"{MAX_TEXT} characters, true, false or null"
        ),
    )


Value = Annotated[
    bool
    | Annotated[int, Field(ge=-INT64 - 1, le=INT64)]
    | FiniteFloat
    | Annotated[str, Field(max_length=MAX_TEXT)]
    | None,
    GetPydanticSchema(_plain),
]
"""A value of one column of a record."""
RecordIn = Annotated[
    dict[Annotated[str, Field(max_length=MAX_NAME)], Value],
    Field(
        min_length=1,
        max_length=MAX_COLUMNS,
        description="Raw values by column name: numbers in the column's unit, words "
        "for categories, null for missing values. Columns that the model does not use "
        "are ignored. GET /bundles/active lists the columns.",
    ),
]


def example(value: Any) -> ConfigDict:
    """Return the configuration of a model with an example in the document."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class ScoreIn(Body):
    """One record to be scored."""

    model_config = example({"record": RECORD})

    record: RecordIn


class BatchIn(Body):
    """Records to be scored together; each is scored, or rejected, by itself."""

    model_config = example({"records": [RECORD, RECORD]})

    records: list[Any] = Field(
        min_length=1,
        max_length=MAX_RECORDS,
        description="Records, each as in POST /score. An invalid one is rejected "
        "alone.",
    )


class AlertChange(Body):
    """Changes of an alert; absent fields stay as they are."""

    model_config = example({"judgement": "wrong", "true_label": "benign", "version": 1})

    state: Literal["new", "open", "closed"] | None = Field(
        None, description="Null: no change."
    )
    judgement: Literal["right", "wrong"] | None = Field(
        None,
        description="Whether the model's verdict is right; null removes the feedback.",
    )
    true_label: str | None = Field(
        None,
        max_length=80,
        description="With `wrong`: the true class, which is not the model's; null if "
        "unknown.",
    )
    version: int | None = Field(
        None,
        ge=0,
        le=2**31 - 1,
        description="Version of the alert that you read, as in the header If-Match.",
    )


class NoteIn(Body):
    """A note beside an alert."""

    model_config = example({"text": "A scan of our own, announced."})

    text: str = Field(min_length=1, max_length=MAX_NOTE)


class Answer(BaseModel):
    """Parent of what is made from an object of the server, by its attributes."""

    model_config = ConfigDict(
        from_attributes=True,
        validate_by_name=True,
        validate_by_alias=True,
        json_schema_serialization_defaults_required=True,
    )


class Verdict(Decided):
    """The verdict of a model."""

    model_config = example(VERDICT)

    bundle: str = Field(description="The model that decided.")
    test_rows: TestRows | None = Field(
        description="How often test rows scored like this were attacks: rows that "
        "neither fitted nor calibrated the model. Null where it came without them."
    )
    unusual: list[str] = Field(
        description="Values that the training rows did not hold, such as a word the "
        "model treats as unknown, or that cannot go together; in sentences."
    )
    explanation: dict[str, Any] | None = Field(
        None,
        description="With `explain`: the verdict in words, and the contribution of "
        "each column compared with similar benign traffic.",
    )


class Rejected(BaseModel):
    """An invalid record, and the first reason why."""

    line: int = Field(ge=1, description="Number of the line or record, from 1.")
    column: str = Field(description="Empty where the record as a whole is wrong.")
    found: str
    expected: str


class RejectedRow(Rejected):
    """A rejected row of a file."""

    text: str = Field(description="The row as it stands in the file, cut if long.")


class Read(BaseModel):
    """How many records were read: those scored and those rejected."""

    read: int
    scored: int
    rejected: int
    attacks: int


class Counts(Read):
    """How many of what; `read` is `scored` and `rejected` together."""

    classes: dict[str, int]


class BatchOut(BaseModel):
    """The verdicts on many records."""

    bundle: str
    counts: Counts
    verdicts: list[BatchVerdict]
    rejected: list[Rejected]


class Upload(Answer):
    """An uploaded file, and its progress."""

    id: str = Field(pattern="^[0-9a-f]{24}$")
    name: str = Field(validation_alias="title", description="Name given by its sender.")
    state: Literal["queued", "running", "done", "failed", "stopped"]
    is_mine: bool
    stop_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: dict[str, Any] = Field(
        description="While it runs: `step`, and `done` of `total` records."
    )
    error: str | None = Field(description="Why it failed.")
    result: UploadResult | None = Field(description="Once it is done.")


class UploadResult(Read, Answer):
    """The results of a file."""

    bundle: str
    counts: dict[str, int] = Field(description="Records decided for each class.")
    times: dict[str, Any] = Field({}, description="Event times: column, counts, ends.")
    alerts_opened: int = Field(validation_alias=AliasPath("alerts", "opened"))
    n_unusual: int = Field(
        0,
        description="Records with a value that the training rows did not hold, or that "
        "cannot go with another.",
    )
    unusual: list[str] = Field([], description="How many records of what.")
    unit: Literal["line", "row", "connection"] = Field(
        description="What `line` counts in results."
    )
    seconds: float


class ResultRow(BatchVerdict):
    """The verdict on one record of a file."""

    event_at: datetime | None = Field(None, description="Event time, if valid.")
    values: dict[str, Any] | None = Field(
        None, description="With `values`: the record as it stood in the file."
    )


class Column(Answer):
    """One column that a model expects."""

    name: str
    kind: Literal["numeric", "category", "address"]
    unit: str
    low: float | None = Field(description="Least possible value.")
    high: float | None = Field(description="Greatest possible value.")
    step: float | None
    choices: list[str] = Field(description="Documented words; others are accepted too.")
    aliases: list[str] = Field(description="Other accepted names of the column.")
    description: str


class BundleShort(Answer):
    """A model by name."""

    name: str
    is_active: bool
    data_set: str
    classes: list[str]
    is_synthetic: bool = Field(description="Trained on synthetic rows.")


class Bundle(BundleShort):
    """A model: what it expects, what it decides, and how well, by which protocol."""

    columns: list[Column]
    taxonomy: str
    threshold: Share
    figures: dict[str, Any] = Field(
        description="Figures on test rows, with the protocol that chose them. If "
        "`is_optimistic`, expect worse figures on real traffic."
    )
    recipe: dict[str, Any]
    card: str = Field(description="The model card, Markdown.")
    evenflow: str = Field(description="Version that made it.")


class Note(Answer):
    """A note on an alert."""

    id: Id
    at: datetime
    by: str | None = Field(
        None,
        validation_alias=AliasPath("user", "email"),
        description="E-mail address; null if the account was deleted.",
    )
    text: str


class Kept(Answer):
    """A record that was kept, or an alert."""

    id: Id
    at: datetime = Field(description="When it arrived.")
    event_at: datetime = Field(description="Event time; `at` if there is none.")
    bundle: str
    verdict: str = Field(validation_alias="label")
    attack_probability: Share = Field(validation_alias="probability")
    threshold: Share
    service: str


class AlertShort(Kept):
    """A record scored as an attack."""

    model_config = example(ALERT)

    version: int = Field(description="Counted up by every change.")
    state: Literal["new", "open", "closed"]
    source: Literal["form", "api", "upload"]
    src: str = Field(description="Address it came from, where records carry one.")
    dst: str = Field(description="Address it went to, where records carry one.")
    group_id: Id = Field(description="Alerts of a kind share a group.")
    n: int = Field(description="Equal records that it stands for.")
    severity: int = Field(ge=1, le=3, description="1 is the highest.")
    close_reason: str = Field(description="Why it was closed without feedback.")
    record_id: Id | None
    upload_id: str | None = Field(validation_alias="job_id")
    line: int | None = Field(description="Where it stood in the upload.")
    judgement: Literal["right", "wrong"] | None
    true_label: str | None
    judged_at: datetime | None


class Alert(AlertShort):
    """An alert with the record and what was written beside it."""

    values: dict[str, Any]
    notes: list[Note]


class RecordShort(Kept):
    """A record that was kept."""

    source: Literal["form", "api"]
    is_attack: bool


class Record(RecordShort):
    """A kept record with its values."""

    values: dict[str, Any]
    explanation: Annotated[
        dict[str, Any] | None, BeforeValidator(lambda view: view or None)
    ] = Field(validation_alias="view")
    alert_id: Id | None = Field(None, validation_alias=AliasPath("alert", "id"))


class Token(Answer):
    """A key, without what makes it one."""

    name: str = Field(validation_alias="token_name")
    prefix: str
    scopes: list[str]
    expires_at: datetime


class Me(Answer):
    """Who asks, and by which key."""

    id: Id
    email: str
    role: Literal["viewer", "analyst", "admin"]
    token: Token


class Error(BaseModel):
    """An error."""

    type: str = Field(description="A word for programs, such as `ValidationError`.")
    message: str = Field(description="A sentence for people.")
    fields: dict[str, str] | None = Field(
        None, description="What is wrong with each field."
    )


class ErrorAnswer(BaseModel):
    """The one shape of everything that goes wrong."""

    model_config = example({"error": {"type": "NotFound", "message": "Not found"}})

    error: Error


Upload.model_rebuild()
