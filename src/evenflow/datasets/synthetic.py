"""Made-up traffic in NSL-KDD's columns: for a first try and for tests, offline.

A program made every row. What a model learns here says nothing about real traffic,
and every output that shows these rows says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.datasets import Dataset, _kdd, _tables
from evenflow.datasets._profiles import PROFILES, TEST, TRAIN, Profile, Spread
from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Schema, Table

SEED = 20_240_607
LEAST_ROWS, MOST_ROWS = 500, 10_000_000
MIXED = {"train": TRAIN, "test": TEST}
SCHEMA = Schema(
    name="synthetic",
    columns=_kdd.COLUMNS,
    classes=_kdd.CLASSES,
    families=_kdd.FAMILIES,
    taxonomy="KDD Cup 99 families (httptunnel is u2r), made-up rows",
    layout=(*(c.name for c in _kdd.COLUMNS), "label"),
    is_synthetic=True,
)

Floats = NDArray[np.float64]


def load(
    split: str,
    *,
    folders: Sequence[Path] = (),
    n_rows: int = 20_000,
    on_event: OnEvent = ignore,
) -> Table:
    """Make the rows of a split; the same ones each time, in every process.

    Classes are as unequal as NSL-KDD's; rare attacks look much like the sessions
    they hide in; the test split holds attack types that training never shows.

    Parameters
    ----------
    split : {'train', 'test'}
    n_rows : int
        Rows of the training split, 500 to 10,000,000; the test split has a quarter.

    Raises
    ------
    DataError
        ``n_rows`` is out of range.
    """
    del folders, on_event
    if not LEAST_ROWS <= n_rows <= MOST_ROWS:
        raise DataError(
            f"synthetic: n_rows is {n_rows}; expected {LEAST_ROWS} (so that each class "
            f"has rows) to {MOST_ROWS:,}. Change it under [dataset]"
        )
    rng = np.random.default_rng([SEED, list(MIXED).index(split), n_rows])
    wanted = n_rows if split == "train" else n_rows // 4
    counts = row_counts(MIXED[split], wanted)
    parts, attack = [], []
    for kind, n in counts.items():
        for profile, rows in _dealt(PROFILES[kind], n):
            parts.append(_connections(profile, rows, rng))
            attack += [kind] * rows
    order = rng.permutation(len(attack))
    frame = pl.DataFrame(
        {
            name: np.concatenate([part[name] for part in parts])[order]
            for name in parts[0]
        }
    )
    return _tables.labelled(
        SCHEMA,
        frame,
        pl.Series(np.array(attack)[order]),
        where=Path("synthetic"),
    )


def row_counts(mixture: Mapping[str, int], n_rows: int) -> dict[str, int]:
    """Return rows of each kind, ``n_rows`` in all, at least two of each."""
    total = sum(mixture.values())
    counts = {kind: max(2, round(w / total * n_rows)) for kind, w in mixture.items()}
    counts["benign"] += n_rows - sum(counts.values())
    return counts


def _dealt(profiles: Sequence[Profile], n: int) -> list[tuple[Profile, int]]:
    """Deal ``n`` rows to the profiles of a kind, by weight."""
    weights = np.array([p.weight for p in profiles])
    ends = np.round(np.cumsum(weights) / weights.sum() * n).astype(int)
    sizes = np.diff(ends, prepend=0)
    return [(p, int(k)) for p, k in zip(profiles, sizes, strict=True) if k]


def _connections(p: Profile, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return ``n`` connections of a profile, column by column."""
    count = np.clip(_spread(p.count, n, rng), 1, 511)
    srv_count = np.clip(np.round(count * _rate(p.same_service, n, rng)), 1, 511)
    same = np.round(srv_count / count, 2)
    host = np.clip(_spread(p.host_count, n, rng), 1, 255)
    host_srv = np.clip(np.round(host * _rate(p.host_same_service, n, rng)), 1, 255)
    host_same = np.round(host_srv / host, 2)
    flag = _choice(p.flags, n, rng)
    # a row's own outcome shows in the rates of its window
    failed = np.where(np.isin(flag, ["S0", "SH", "S3"]), 0.15, 0.0)
    refused = np.where(np.isin(flag, ["REJ", "RSTR", "RSTO"]), 0.15, 0.0)
    logged_in = _yes(p.logged_in, n, rng)
    inside = np.maximum(logged_in, p.logged_in == 0)  # what needs a session to happen
    return {
        "duration": _spread(p.duration, n, rng),
        "protocol_type": np.full(n, p.protocol),
        "service": _choice(p.services, n, rng),
        "flag": flag,
        "src_bytes": _spread(p.src, n, rng),
        "dst_bytes": _spread(p.dst, n, rng),
        "land": _yes(0.0, n, rng),
        "wrong_fragment": np.full(n, float(p.wrong_fragment)),
        "urgent": _yes(0.0, n, rng),
        "hot": rng.poisson(p.hot, n) * inside,
        "num_failed_logins": np.minimum(rng.poisson(p.failed_logins, n), 5.0),
        "logged_in": logged_in,
        "num_compromised": rng.poisson(p.compromised, n) * inside,
        "root_shell": _yes(p.root_shell, n, rng) * inside,
        "su_attempted": _yes(p.root / 50, n, rng) * inside,
        "num_root": rng.poisson(p.root, n) * inside,
        "num_file_creations": rng.poisson(p.files, n) * inside,
        "num_shells": rng.poisson(p.shells, n) * inside,
        "num_access_files": rng.poisson(p.access, n) * inside,
        "num_outbound_cmds": np.zeros(n),
        "is_host_login": np.zeros(n),
        "is_guest_login": _yes(p.guest, n, rng) * inside,
        "count": count,
        "srv_count": srv_count,
        "serror_rate": _rate(p.serror, n, rng, failed),
        "srv_serror_rate": _rate(p.serror, n, rng, failed),
        "rerror_rate": _rate(p.rerror, n, rng, refused),
        "srv_rerror_rate": _rate(p.rerror, n, rng, refused),
        "same_srv_rate": np.minimum(same, 1.0),
        "diff_srv_rate": np.round((1 - np.minimum(same, 1.0)) * rng.random(n) * 0.3, 2),
        "srv_diff_host_rate": _rate(p.host_other_hosts * 2, n, rng),
        "dst_host_count": host,
        "dst_host_srv_count": host_srv,
        "dst_host_same_srv_rate": np.minimum(host_same, 1.0),
        "dst_host_diff_srv_rate": np.round(
            (1 - np.minimum(host_same, 1.0)) * rng.random(n) * 0.3, 2
        ),
        "dst_host_same_src_port_rate": _rate(p.host_same_port, n, rng),
        "dst_host_srv_diff_host_rate": _rate(p.host_other_hosts, n, rng),
        "dst_host_serror_rate": _rate(p.serror, n, rng, failed),
        "dst_host_srv_serror_rate": _rate(p.serror, n, rng, failed),
        "dst_host_rerror_rate": _rate(p.rerror, n, rng, refused),
        "dst_host_srv_rerror_rate": _rate(p.rerror, n, rng, refused),
    }


def _spread(s: Spread, n: int, rng: np.random.Generator) -> Floats:
    """Return whole log-normal numbers, some of them zero."""
    values = np.round(s.median * np.exp(s.sigma * rng.standard_normal(n)))
    return values * (rng.random(n) >= s.zero)


def _rate(
    mean: float, n: int, rng: np.random.Generator, shift: Floats | float = 0.0
) -> Floats:
    """Return shares in whole hundredths around a mean; now and then far from it."""
    usual = mean + shift + 0.06 * rng.standard_normal(n)
    if mean == 0:
        usual *= rng.random(n) < 0.3  # mostly nothing at all
    odd = rng.random(n) < 0.04
    share = np.round(np.clip(np.where(odd, rng.random(n), usual), 0, 1), 2)
    return share + 0.0  # no -0.0


def _yes(p: float, n: int, rng: np.random.Generator) -> Floats:
    return (rng.random(n) < p).astype(np.float64)


def _choice(
    weights: Mapping[str, float], n: int, rng: np.random.Generator
) -> NDArray[Any]:
    p = np.array(list(weights.values()))
    return rng.choice(np.array(list(weights)), size=n, p=p / p.sum())


DATASET = Dataset(
    name="synthetic",
    title="Synthetic traffic in NSL-KDD's columns (made by a program)",
    load=load,
    splits=("train", "test"),
    reads_own_file=False,
    schema=SCHEMA,
    has_official_test=True,
    terms="Made by evenflow; Apache-2.0 like evenflow itself.",
    citation="none: a program generates the rows, and no publication describes them",
    caveats=(
        "SYNTHETIC: every row was generated by a program. No figure on it applies to "
        "real traffic.",
        "10 attack types occur only in the test split, as in NSL-KDD.",
    ),
)
