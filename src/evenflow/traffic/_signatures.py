"""Signatures of application protocols: what the bytes of a payload must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from evenflow.traffic._heads import Heads, Mask

TCP, UDP = 6, 17
Check = Callable[[Heads], Mask]
ANY = range(256)


@dataclass(frozen=True)
class Signature:
    """A test for one protocol over one transport.

    Attributes
    ----------
    name : str
    transport : int
    first : tuple of int
        Values of the first byte.
    zero : tuple of int
        Places of bytes that are zero; one at least where any first byte will do.
    check : callable
        Says of payloads for which these hold whether they are of the protocol.
    """

    name: str
    transport: int
    first: tuple[int, ...]
    zero: tuple[int, ...]
    check: Check


SIGNATURES: list[Signature] = []


def signature(
    name: str,
    *transports: int,
    first: Iterable[int] = ANY,
    zero: tuple[int, ...] = (),
) -> Callable[[Check], Check]:
    """Return a decorator that adds a check to the signatures."""

    def add(check: Check) -> Check:
        SIGNATURES.extend(
            Signature(name, transport, tuple(first), zero, check)
            for transport in transports
        )
        return check

    return add


def is_one_of(values: np.ndarray, wanted: Iterable[int]) -> Mask:
    """Return where small numbers are among the wanted ones."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    return table[values]
