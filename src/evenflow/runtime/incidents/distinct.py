"""A count of distinct names in bounded memory.

References
----------
.. [1] P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality
   estimation algorithm", AofA 2007.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Self

MOST_NAMES = 256
"""Names up to which the count is exact."""
N_REGISTERS = 1024
_ALPHA = 0.7213 / (1 + 1.079 / N_REGISTERS)


class Distinct:
    """The names that were added: exact up to 256, then an estimate within 3 %.

    Attributes
    ----------
    names : dict
        The first names, in their order, and how often each was added.
    """

    __slots__ = ("_estimated", "names", "registers")

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.registers: bytearray | None = None
        self._estimated: int | None = None

    def add(self, name: str, n: int = 1) -> None:
        """Count a name, which was met so many times."""
        if name in self.names or len(self.names) < MOST_NAMES:
            self.names[name] = self.names.get(name, 0) + n
            return
        if self.registers is None:
            self.registers = bytearray(N_REGISTERS)
            for known in self.names:
                _note(self.registers, known)
        if _note(self.registers, name):
            self._estimated = None

    def merge(self, other: Distinct) -> None:
        """Count the names of another one, too."""
        for name, n in other.names.items():
            self.add(name, n)
        if other.registers is not None:
            if self.registers is None:
                self.registers = bytearray(N_REGISTERS)
                for known in self.names:
                    _note(self.registers, known)
            both = zip(self.registers, other.registers, strict=True)
            self.registers = bytearray(map(max, both))
            self._estimated = None

    def most(self) -> list[str]:
        """Return the names, those that were added most often first."""
        return sorted(self.names, key=self.names.__getitem__, reverse=True)

    @property
    def is_exact(self) -> bool:
        """Whether every name is in ``names``."""
        return self.registers is None

    def __len__(self) -> int:
        if self.registers is None:
            return len(self.names)
        if self._estimated is None:
            self._estimated = max(_estimate(self.registers), len(self.names))
        return self._estimated

    def to_dict(self) -> dict[str, Any]:
        """Return the count as plain JSON values."""
        registers = None if self.registers is None else self.registers.hex()
        return {"names": self.names.copy(), "registers": registers}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the count that :meth:`to_dict` described; ``ValueError`` if none."""
        made = cls()
        made.names = {str(name): int(n) for name, n in value["names"].items()}
        if value["registers"] is not None:
            made.registers = bytearray.fromhex(value["registers"])
            if len(made.registers) != N_REGISTERS:
                raise ValueError(f"found {len(made.registers)} registers")
        if len(made.names) > MOST_NAMES:
            raise ValueError(f"found {len(made.names)} names")
        return made


def _estimate(registers: bytearray) -> int:
    """Return the number of names that filled registers."""
    estimate = _ALPHA * N_REGISTERS**2 / sum(2.0**-rank for rank in registers)
    if n_zero := registers.count(0):  # few names: linear counting
        linear = N_REGISTERS * math.log(N_REGISTERS / n_zero)
        estimate = linear if linear <= 2.5 * N_REGISTERS else estimate
    return round(estimate)


def _note(registers: bytearray, name: str) -> bool:
    """Count a name; return whether a register changed."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    register, rest = number % N_REGISTERS, number // N_REGISTERS
    rank = 55 - rest.bit_length()  # of 54 bits: leading zeros and one
    if rank <= registers[register]:
        return False
    registers[register] = rank
    return True
