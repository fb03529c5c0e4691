"""Figures of the server's work, for Prometheus: ``/metrics``.

What web processes count is shared through files (the command line names their folder
before anything counts); what the database knows, jobs, verdicts kept, log-ins that
failed, is read from it at each question, so it is right however many processes run.

The figures answer on this machine, to a request that came through no proxy, or to a
key of the scope ``metrics``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Flask, Response, current_app, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evenflow.web.accounts import bearer
from evenflow.web.frame.context import web
from evenflow.web.monitor.counters import Figures
from evenflow.web.settings import is_loopback
from evenflow.web.store.tables import Audit, Job, Tally, now

KEY = "evenflow.metrics"
SCOPE = "metrics"
PROXIES = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
"""Headers that say a request came through a proxy."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FAILED = ("login.failed", "code.failed")


def register(app: Flask) -> None:
    """Count an application's requests, and answer with the figures."""
    figures = app.extensions[KEY] = Figures()

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        began = g.get("began")
        if began is not None:
            method = request.method if request.method in METHODS else "other"
            took = time.perf_counter() - began
            # an address that is none has no endpoint: strangers make no new names
            endpoint = request.endpoint or "none"
            figures.count(endpoint, method, response.status_code, took)
        return response

    app.add_url_rule("/metrics", "metrics", show, provide_automatic_options=False)


def count_verdict(label: str, n: int = 1) -> None:
    """Count records judged."""
    if n:
        figures: Figures = current_app.extensions[KEY]
        figures.count_verdict(label, n)


def show() -> Response:
    """Answer with the figures of all processes, as Prometheus reads them."""
    if not is_local():
        bearer.caller(SCOPE)
    figures: Figures = current_app.extensions[KEY]
    counted = CollectorRegistry()
    try:
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):  # one process, in a test: it has all figures
        counted = figures.registry
    stored = CollectorRegistry()
    stored.register(Stored(web.db()))
    text = generate_latest(counted) + generate_latest(stored)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def is_local() -> bool:
    """Return whether a request came from this machine, and through no proxy."""
    host = request.host.rsplit(":", 1)[0] if request.host[-1:] != "]" else request.host
    return (
        is_loopback(request.remote_addr or "-")
        and is_loopback(host or "-")
        and not any(name in request.headers for name in PROXIES)
    )


class Stored(Collector):
    """What the database knows."""

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
            "Records judged and kept, of the last 24 whole hours and this one.",
            labels=("source", "verdict"),
        )
        recent = Tally.hour >= at - timedelta(hours=25)
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
