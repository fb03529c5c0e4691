"""``python -m evenflow``: the command line."""

from __future__ import annotations

from evenflow.cli import main

if __name__ == "__main__":
    main(prog_name="evenflow")
