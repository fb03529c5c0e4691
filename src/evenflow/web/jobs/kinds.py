"""Kinds of job: which worker runs one, and with what code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class JobKind:
    """One kind of job."""

    name: str
    """As the row of a job names it."""
    lane: Literal["score", "train"]
    """The worker process that runs it: a long training keeps no upload waiting."""
    module: str
    """Holds ``run(task) -> Outcome``; imported when it is needed."""
    page: str
    """Endpoint of the page that shows one job of the kind."""
    page_of: str = ""
    """Key of the payload with the page's ``name``; without, its ``job_id`` is asked."""
    role: str = "viewer"
    """Least role that may open the page."""
    is_upload: bool = False
    """Whether the job scores a file that was sent, shown and deleted as an upload."""


SCORE = JobKind(
    name="score",
    lane="score",
    module="evenflow.web.uploads.job",
    page="uploads.show",
    is_upload=True,
)
TRAIN = JobKind(
    name="train",
    lane="train",
    module="evenflow.web.trainings.job",
    page="experiments.show",
    role="analyst",
)
EXPLORE = JobKind(
    name="explore",
    # reading millions of rows takes memory that a scoring worker may not have
    lane="train",
    module="evenflow.web.datasets.job",
    page="explore.show",
    page_of="dataset",
)
RETRAIN = JobKind(
    name="retrain",
    lane="train",
    module="evenflow.web.models.retraining",
    page="retrainings.show",
    role="analyst",
)

KINDS = {kind.name: kind for kind in (SCORE, TRAIN, EXPLORE, RETRAIN)}
LANES = tuple(dict.fromkeys(kind.lane for kind in KINDS.values()))
"""Lanes of these kinds; each has a worker process of its own."""
UPLOADS = tuple(kind.name for kind in KINDS.values() if kind.is_upload)
"""Names of the kinds that are uploads."""
