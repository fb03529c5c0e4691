"""An explanation as data and as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evenflow.runtime.detect import Verdict

SHOWN = 5
"""Columns that the text lists."""
BARS = 12
"""Columns the chart shows."""
SLIGHT = 0.05
"""Contributions below this share of the largest one get no sentence."""
TOWARDS, AWAY = "towards attack", "towards benign"
VEGA_LITE = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """Contribution of one column to the verdict."""

    column: str
    label: str
    """The column in plain words, with its name."""
    value: float | str | None
    """Value of the record; None where it is missing."""
    normal_value: float | str | None
    """Value of the nearest benign record."""
    contribution: float
    """Its share of the difference in log odds; above 0 is towards attack."""
    alone: float
    """Change of the log odds when this column alone becomes benign; near 0 where
    other columns say the same."""
    unit: str
    description: str

    @property
    def direction(self) -> str:
        """Direction of the contribution, in words."""
        return TOWARDS if self.contribution > 0 else AWAY

    def sentence(self) -> str:
        """Return the contribution in plain words."""
        has = with_unit(self.value, self.unit)
        normal = with_unit(self.normal_value, self.unit)
        return (
            f"{self.label} is {has} where similar benign traffic has {normal}: "
            f"contributes {self.contribution:+.2f} {self.direction}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contribution as plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why one record got its verdict."""

    verdict: Verdict
    contributions: tuple[Contribution, ...]
    """Columns that differ, the largest contribution first."""
    log_odds: float
    """Of attack against benign, of the record: ``base`` plus all contributions; plus or
    minus 5 % of the difference by integrated gradients."""
    base: float
    """Log odds of the nearest benign record."""
    is_base_normal: bool
    """Whether the bundle calls that record benign; False if it calls none so."""
    counterfactual: tuple[str, ...]
    """Counterfactual columns: the fewest of the strongest that, made benign together,
    change the verdict; empty for a benign verdict, or if nothing changes it."""

    @property
    def text(self) -> str:
        """The explanation in words, one sentence a line."""
        verdict, parts = self.verdict, self.contributions
        lines = [
            f"Called {verdict.label}: probability of attack "
            f"{verdict.probability:.3g}, threshold {verdict.threshold:.3g}."
        ]
        if verdict.band is not None:
            lines.append(verdict.band.text)
        if not parts:
            lines.append("The record equals a benign record of the training rows.")
        if not self.is_base_normal:
            lines.append(
                "The model classifies none of the benign reference records as benign; "
                "the record is compared with the least suspicious one."
            )
        shown = parts[: n_mentioned([c.contribution for c in parts])]
        lines += [c.sentence() for c in shown]
        if rest := len(parts) - len(shown):
            columns = "column differs" if rest == 1 else "columns differ"
            lines.append(f"{rest} more {columns} and contribute{'s'[rest > 1 :]} less.")
        if self.counterfactual:
            names = ", ".join(self.counterfactual)
            lines.append(f"With benign values in {names} it would be called benign.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain JSON values."""
        return {
            "verdict": self.verdict.to_dict(),
            "log_odds": self.log_odds,
            "base": self.base,
            "is_base_normal": self.is_base_normal,
            "counterfactual": list(self.counterfactual),
            "contributions": [c.to_dict() for c in self.contributions],
            "text": self.text,
        }


def n_mentioned(contributions: Sequence[float]) -> int:
    """Return how many of the contributions, the largest first, are worth a sentence."""
    least = SLIGHT * max((abs(c) for c in contributions), default=0.0)
    return sum(abs(c) > least for c in contributions[:SHOWN])


def with_unit(value: float | str | None, unit: str) -> str:
    """Return a value with its unit, as a person writes it."""
    if value is None:
        return "missing"
    if isinstance(value, str):
        return value
    if value.is_integer() and abs(value) < 1e15:
        number = f"{int(value):,}"
    else:
        number = f"{value:.4g}"
    return f"{number} {unit}" if unit else number
