"""Which passwords are taken, and how they are kept."""

from __future__ import annotations

HASH_OPTIONS: dict[str, int] = {
    # argon2id, over OWASP's least (19 MiB, 2 rounds); about a tenth of a second
    "argon2__memory_cost": 65_536,  # KiB
    "argon2__rounds": 3,
    "argon2__parallelism": 1,
}
