"""Contracts: connections to the columns that models are trained on; one file each."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from evenflow.errors import DataError
from evenflow.traffic.contracts._contract import Contract as Contract
from evenflow.traffic.contracts._contract import Started as Started
from evenflow.traffic.contracts.bot_iot import BOT_IOT
from evenflow.traffic.contracts.flow import FLOW
from evenflow.traffic.contracts.netflow_v2 import NETFLOW_V2
from evenflow.traffic.contracts.nsl_kdd import NSL_KDD, NSL_KDD_LIVE

CONTRACTS = {c.name: c for c in (FLOW, NSL_KDD_LIVE, NETFLOW_V2, BOT_IOT, NSL_KDD)}


def contract(name: str) -> Contract:
    """Return the contract of that name.

    Raises
    ------
    DataError
        There is no contract of that name.
    """
    if name not in CONTRACTS:
        near = difflib.get_close_matches(name, CONTRACTS) or list(CONTRACTS)
        raise DataError(f"no contract {name!r}; expected {' or '.join(near)}")
    return CONTRACTS[name]


def for_columns(names: Sequence[str]) -> Contract:
    """Return the contract that gives a model's columns.

    Parameters
    ----------
    names : sequence of str
        The columns that the model reads, at least one.

    Raises
    ------
    DataError
        No contract gives them all; the message says which column cannot be had from
        connections, and why.
    """
    for found in CONTRACTS.values():
        if set(names) <= set(found.had):
            return found
    nearest = max(
        CONTRACTS.values(), key=lambda c: len({*c.columns, *c.absent} & set(names))
    )
    lacking = [name for name in names if name not in nearest.had]
    why = "; ".join(
        dict.fromkeys(
            f"{name}: {nearest.absent.get(name, 'no contract has it')}"
            for name in lacking[:3]
        )
    )
    more = f" and {len(lacking) - 3} others" if len(lacking) > 3 else ""
    raise DataError(
        f"the model reads columns that connections do not give: {why}{more}. Train it "
        f'on columns of the contract {nearest.name}, with [select] name = "columns"'
    )
