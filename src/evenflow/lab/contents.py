"""Pages, files, accounts and a certificate: all that the servers of a lab serve."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from evenflow.lab.words import DOMAIN, USERS


def make(folder: Path, rng: random.Random) -> list[str]:
    """Make the pages and files that are served; return their names."""
    pages: list[str] = []
    site = folder / "site"
    (site / "private").mkdir(parents=True)
    sizes = [int(10 ** rng.uniform(2, 5)) for _ in range(80)]
    sizes += [int(10 ** rng.uniform(5, 6.3)) for _ in range(12)]
    sizes += [int(10 ** rng.uniform(6.3, 6.8)) for _ in range(2)]
    for i, size in enumerate(sizes):
        name = f"{'page' if i < 40 else 'file'}{i}.{'html' if i < 40 else 'bin'}"
        (site / name).write_bytes(rng.randbytes(size))
        pages.append(name)
    links = "".join(f'<img src="{p}"><a href="{p}">{p}</a>' for p in pages[30:60])
    (site / "index.html").write_text(f"<html><body>{links}</body></html>")
    (site / "private" / "index.html").write_text("yours\n" * 20)
    (site / ".users").write_text(
        "".join(f"{u}:{{PLAIN}}{p}\n" for u, p in USERS.items())
    )
    (folder / "users").write_text("".join(f"{u}:{p}\n" for u, p in USERS.items()))
    (folder / "backup").mkdir()
    return pages


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return the key of all servers that speak TLS, and its certificate."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    if not cert.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
             key, "-out", cert, "-days", "30", "-subj", f"/CN=www.{DOMAIN}"],
            check=True, capture_output=True,
        )  # fmt: skip
    return key, cert
