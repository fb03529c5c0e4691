"""Figures of the server's work, for Prometheus.

What web processes count is shared through files (the command line names their folder
before anything counts); what the database knows, jobs, verdicts kept, log-ins that
failed, is read from it at each question, so it is right however many processes run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import current_app
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evenflow.web.monitor.counters import Counters
from evenflow.web.store.tables import Audit, Job, Tally, now

KEY = "evenflow.metrics"
FAILED = ("login.failed", "code.failed")


def count_verdict(label: str, n: int = 1) -> None:
    """Count scored records."""
    if n:
        counters: Counters = current_app.extensions[KEY]
        counters.count_verdict(label, n)


def exposition(counters: Counters, session: Session) -> bytes:
    """Return the figures of all processes, as Prometheus reads them."""
    counted = CollectorRegistry()
    try:
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):  # one process, in a test: it has all figures
        counted = counters.registry
    stored = CollectorRegistry()
    stored.register(Stored(session))
    return generate_latest(counted) + generate_latest(stored)


class Stored(Collector):
    """The metrics from the database."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def collect(self) -> Iterator[Any]:
        """Yield the figures."""
        at = now()
        jobs = GaugeMetricFamily(
            "evenflow_jobs", "Jobs there are.", labels=("lane", "state")
        )
        found = select(Job.lane, Job.state, func.count()).group_by(Job.lane, Job.state)
        for lane, state, n in self.session.execute(found):
            jobs.add_metric((lane, state), n)
        yield jobs
        ages = GaugeMetricFamily(
            "evenflow_queue_age_seconds",
            "How long the oldest job waits.",
            labels=("lane",),
        )
        waits = select(Job.lane, func.min(Job.created_at)).where(Job.state == "queued")
        for lane, since in self.session.execute(waits.group_by(Job.lane)):
            ages.add_metric((lane,), max(0.0, (at - since).total_seconds()))
        yield ages
        kept = GaugeMetricFamily(
            "evenflow_kept_verdicts_last_day",
            "Records scored and stored, of the last 24 whole hours and this one.",
            labels=("source", "verdict"),
        )
        recent = Tally.arrived_at >= at - timedelta(hours=25)
        summed = select(Tally.source, Tally.label, func.sum(Tally.n)).where(
            Tally.facet == "all", recent
        )
        for source, label, n in self.session.execute(
            summed.group_by(Tally.source, Tally.label)
        ):
            kept.add_metric((source, label), int(n))
        yield kept
        failed = CounterMetricFamily(
            "evenflow_logins_failed", "Log-ins that were refused.", labels=("what",)
        )
        tried = select(Audit.action, func.count()).where(Audit.action.in_(FAILED))
        for action, n in self.session.execute(tried.group_by(Audit.action)):
            failed.add_metric((action.partition(".")[0],), n)
        yield failed
