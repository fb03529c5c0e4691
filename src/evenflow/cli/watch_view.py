"""The view of ``evenflow watch``: live on a terminal, else lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from evenflow.cli.drawing import note_line
from evenflow.cli.text import plain
from evenflow.progress import Event, Note
from evenflow.runtime.events import counted, summary, timestamp

if TYPE_CHECKING:
    from evenflow.runtime.feeds import Feed
    from evenflow.runtime.incidents.incident import Report
    from evenflow.runtime.watch import Watch

LINE_S = 5.0
"""Seconds between two lines of status."""
MOST_REPORTS = 8
STYLES = {1: "bold red", 2: "red", 3: "yellow"}


def facts(found: Watch, feed: Feed) -> dict[str, Any]:
    """Return the figures of a run, as they are now."""
    totals, incidents = found.totals, found.incidents
    return {
        "connections": totals.connections,
        "verdicts": totals.verdicts,
        "rejected": totals.rejected,
        "attacks": totals.attacks,
        "alerts": incidents.counts["alerts"],
        "incidents": incidents.counts["opened"],
        "open_incidents": incidents.n_open,
        "suppressed": sum(incidents.suppressed.values()),
        "packets_dropped": feed.dropped(),
        "events_dropped": found.n_dropped,
        "events_waiting": sum(s.counts.waiting for s in found.sinks),
        "age_p99_s": round(totals.ages.quantile(0.99), 4),
        "age_max_s": round(totals.ages.max_s, 4),
        "drift": found.drift.text if found.drift else "",
        **feed.figures(),
    }


def report_line(report: Report) -> str:
    """Return what is reported of an incident on one line."""
    incident = report.incident
    direction = f", {report.direction}" if report.direction else ""
    reason = f" ({report.reason})" if report.reason else ""
    return plain(
        f"{timestamp(report.at_ns)[:19]} incident {incident.id} {report.what}{reason}: "
        f"{summary(incident)}{direction}"
    )


def last_lines(found: Watch, feed: Feed) -> list[str]:
    """Return what a run came to."""
    now = facts(found, feed)
    attacks = counted(now["attacks"], "attack")
    scored = f"{attacks}, and grouped " if feed.share is not None else ""
    lines = [
        f"{counted(now['verdicts'], 'verdict')} on "
        f"{counted(now['connections'], 'connection')} of {feed.name}: {scored}"
        f"{counted(now['alerts'], 'alert')}, {counted(now['incidents'], 'incident')}",
        f"age of a verdict: half {found.totals.ages.quantile(0.5):.3g} s, 99 % "
        f"{now['age_p99_s']:.3g} s, oldest {now['age_max_s']:.3g} s",
    ]
    if now["drift"]:
        lines.append(now["drift"])
    if single := found.incidents.counts["single"]:
        low = f"one or two, with scores below {found.incidents.sure:g}"
        lines.append(f"alerts that opened no incident ({low}): {single:,}")
    for reason, n in found.incidents.suppressed.items():
        lines.append(f"alerts suppressed, {reason}: {n:,}")
    for name, text in (
        ("rejected", "rows without a verdict"),
        ("packets_dropped", "packets dropped by the kernel"),
        ("events_dropped", "events dropped by their sinks"),
        ("sensors_dropped", "rows dropped by their sensors"),
        ("bus_taken_over", "entries taken over from other scorers"),
        ("bus_rejected", "entries rejected"),
        ("bus_removed", "entries removed before they were scored"),
        ("bus_pending", "entries that scorers have not finished"),
        ("bus_ungrouped", "entries that were scored and not grouped"),
        ("bus_lag", "entries that nobody has read"),
    ):
        if now.get(name):
            lines.append(f"{text}: {now[name]:,}")
    return lines


def _backlog(now: dict[str, Any]) -> str:
    """Return how far scorers of a bus are behind; nothing for another source."""
    if "bus_pending" not in now:
        return ""
    lag = now.get("bus_lag", "unknown")
    return (
        f", bus: {lag} unread, {now['bus_pending']} pending, "
        f"{now['bus_ungrouped']} not grouped, {now['bus_delay_s']:.1f} s behind"
        f"{', groups for all scorers' if now['bus_leads'] else ''}"
    )


class Lines:
    """Plain lines: incidents as they are reported, and figures every few seconds."""

    def __init__(self, say: Callable[..., None]) -> None:
        self.say = say
        self.last, self.n_before = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: each line was written."""

    def begin(self, found: Watch, feed: Feed) -> None:
        """Name the source and the model."""
        self.last = time.monotonic()
        self.say(f"watching {feed.name} with {found.model.name}")

    def note(self, event: Event) -> None:
        """Write a note."""
        if isinstance(event, Note):
            self.say(note_line(event), is_warning=event.is_warning)

    def report(self, report: Report) -> None:
        """Write what is reported of an incident."""
        self.say(report_line(report), incident=report.incident.id, status=report.what)

    def status(self, found: Watch, feed: Feed) -> None:
        """Write the figures, if the last ones are some seconds old."""
        seconds = time.monotonic() - self.last
        if seconds < LINE_S:
            return
        now = facts(found, feed)
        rate = (now["verdicts"] - self.n_before) / seconds
        self.last, self.n_before = time.monotonic(), now["verdicts"]
        self.say(
            f"{counted(now['verdicts'], 'verdict')} ({rate:,.0f}/s), "
            f"{counted(now['alerts'], 'alert')}, "
            f"{counted(now['open_incidents'], 'incident')} open, "
            f"{counted(now['packets_dropped'], 'packet')} dropped{_backlog(now)}",
            **now,
        )

    def end(self, found: Watch, feed: Feed) -> None:
        """Write what the run came to."""
        first, *rest = last_lines(found, feed)
        self.say(first, **facts(found, feed))
        for line in rest:
            self.say(line)


class Screen:
    """A view that is drawn again and again below what was written."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.what: tuple[Watch, Feed] | None = None
        self.reports: deque[Report] = deque(maxlen=MOST_REPORTS)
        self.rates: deque[tuple[float, int]] = deque(maxlen=5)
        self.console = Console(stderr=True)
        self.live = Live(
            get_renderable=self._draw, console=self.console, refresh_per_second=2,
            transient=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def begin(self, found: Watch, feed: Feed) -> None:
        """Begin to draw."""
        self.what = found, feed

    def note(self, event: Event) -> None:
        """Write a note above the view."""
        if isinstance(event, Note):
            style = "yellow" if event.is_warning else None
            self.console.print(
                note_line(event), style=style, markup=False, highlight=False,
                soft_wrap=True,
            )  # fmt: skip

    def report(self, report: Report) -> None:
        """Show what is reported of an incident."""
        self.reports.append(report)

    def status(self, found: Watch, feed: Feed) -> None:
        """Take note of the rate."""
        del feed
        self.rates.append((time.monotonic(), found.totals.verdicts))

    def end(self, found: Watch, feed: Feed) -> None:
        """Write what the run came to, and its last incidents."""
        self.what = None
        self.live.stop()
        for line in [*map(report_line, self.reports), *last_lines(found, feed)]:
            self.console.print(
                plain(line), markup=False, highlight=False, soft_wrap=True
            )

    def _rate(self) -> float:
        if len(self.rates) < 2:
            return 0.0
        (first, n), (last, m) = self.rates[0], self.rates[-1]
        return (m - n) / max(last - first, 1e-9)

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from evenflow.runtime.incidents.incident import severity

        if self.what is None:  # before it begins, and after its end
            return Text("")
        found, feed = self.what
        now = facts(found, feed)
        figures = Table.grid(padding=(0, 3))
        figures.add_row(
            f"{feed.name}", f"{self._rate():,.0f} verdicts/s",
            counted(now["connections"], "connection"), counted(now["alerts"], "alert"),
            f"{counted(now['open_incidents'], 'incident')} open",
        )  # fmt: skip
        figures.add_row(
            found.model.name, f"age {now['age_p99_s']:.2g} s (99 %)",
            f"{now['suppressed']:,} suppressed",
            f"{now['packets_dropped']:,} packets dropped",
            f"{now['events_waiting']:,} events wait{_backlog(now)}",
        )  # fmt: skip
        lines = [
            Text(report_line(one), style=STYLES[severity(one.incident.label)])
            for one in self.reports
        ]
        if now["drift"]:
            lines.append(Text(now["drift"], style="yellow"))
        return Group(*lines, figures)
