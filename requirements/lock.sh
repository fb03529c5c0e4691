#!/usr/bin/env bash
# Write a lock for each part: what is installed in .venv, with hashes.
# Needs uv. Run it after the packages of .venv were changed and the tests pass.
set -euo pipefail
cd "$(dirname "$0")/.."
installed=$(mktemp)
trap 'rm -f "$installed"' EXIT
.venv/bin/python - > "$installed" <<'PYTHON'
from importlib.metadata import distributions

for found in distributions():
    name = found.metadata["Name"]
    if name.lower() not in ("evenflow", "pip", "setuptools"):
        print(f"{name}=={found.version}")
PYTHON
for part in base web traffic bus train; do
    lock="requirements/$part.lock"
    extra=$([ "$part" = base ] || echo "--extra=$part")
    {
        echo "# Every package of: pip install evenflow${extra:+[$part]}, with hashes."
        echo "# For Linux and Python 3.11. Written by requirements/lock.sh."
        if [ "$part" = train ]; then
            echo "# Without torch, which has builds for each processor and GPU:"
            echo "# install torch==2.13.0 first, from where you trust it."
        fi
        # shellcheck disable=SC2086
        uv pip compile -q pyproject.toml $extra --python-version 3.11 \
            --constraint "$installed" --generate-hashes --no-emit-index-url \
            --no-emit-find-links --no-header --no-annotate \
            --no-emit-package torch --no-emit-package setuptools
    } > "$lock.part"
    mv "$lock.part" "$lock"
done
