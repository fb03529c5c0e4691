# Two commands are enough: `make demo` shows what evenflow does, `make test` proves it.
# Each sets up what it needs the first time and asks nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo serve test browser database redis capture check detector bench docs clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# the first Python that runs, is 3.11 or newer and can make environments
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)

# published files beside the checkout are used where they are; nothing is downloaded
ifndef EVENFLOW_DATA
ifneq ($(wildcard ../shared/datasets),)
export EVENFLOW_DATA := $(abspath ../shared/datasets)
endif
endif

help:
	@sed -n 's/^## //p' Makefile

## make demo   train, compare, report, save, score, explain and watch, in under 10 minutes
demo: $(READY)
	$(BIN)/evenflow demo -o demo

## make serve  the web application, with the detector of make demo if there is one
serve: $(READY)
	@bundle=$$(ls -d demo/bundles/*-cnn-hybrid-*[0-9a-f] 2>/dev/null | head -1 || true); \
	exec $(BIN)/evenflow serve $${bundle:+--add-bundle "$$bundle"}

## make test   all tests: the fast tier, then the slow one
# one thread a worker: threads of two workers that wait for each other stand still
test: export OMP_NUM_THREADS := 1
# compiled once, not by each worker and each process that a test starts
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY) browser database redis capture
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow"
	$(BIN)/pytest -q -n 2 --dist loadfile -m slow

# packages and what is tested with them: root installs Debian's, others are told
define debian
{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	&& echo "Installing $(1) for the tests of $(2)" \
	&& apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	--no-install-recommends $(1) >/dev/null; } \
	|| echo "No $(1): tests of $(2) are skipped; install it to run them"
endef

browser:
	@command -v chromium >/dev/null \
	|| $(call debian,chromium fonts-dejavu-core,pages)

# the tests start and stop PostgreSQL and Redis themselves
database:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	|| $(call debian,postgresql,databases)

redis:
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null \
	|| $(call debian,redis-server,the bus)

capture:
	@{ command -v ip && command -v dbclient && command -v openssl \
	&& /sbin/ldconfig -p | grep -F libpcap.so; } >/dev/null 2>&1 \
	|| $(call debian,iproute2 libpcap0.8 dropbear-bin openssl,live capture)

## make check  style and types
check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

## make docs   write the generated reference pages again
docs: $(READY)
	$(BIN)/python docs/generate.py

## make detector  train the detector that comes with evenflow, after data or recipe changed
detector: $(READY)
	$(BIN)/evenflow train lab/lightgbm-live -o src/evenflow/bundles/lab-live \
	--deterministic --overwrite

## make bench  speed and memory, as ratios measured in one run
bench: $(READY)
	$(BIN)/python benchmarks/speed/training.py
	$(BIN)/python benchmarks/speed/scoring.py
	$(BIN)/python benchmarks/speed/balance.py
	$(BIN)/python benchmarks/speed/contracts.py
	bundle=$$(ls -d demo/bundles/*-cnn-hybrid-*[0-9a-f] 2>/dev/null | head -1 || true); \
	if [ -n "$$bundle" ]; then \
	$(BIN)/python benchmarks/speed/score_files.py "$$bundle" demo/new_records.csv; \
	else echo "benchmarks/speed/score_files.py reads what make demo makes; run that first"; fi

## make clean  remove the environment and what demo wrote
clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

LOCKS := $(wildcard requirements/*.lock)

# the versions that are locked are those that are tested; torch and tools are in no lock
$(READY): pyproject.toml $(LOCKS)
	@test -n "$(PYTHON)" || { echo "Error: no Python 3.11 or newer with venv was found; \
	install one (Debian: apt install python3 python3-venv) or say make PYTHON=..." >&2; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); about 2 GB, one to three minutes"
	$(PYTHON) -m venv $(VENV)
	sed -n 's/^\([^ #]*==[^ ]*\).*/\1/p' $(LOCKS) | sort -u > $(VENV)/locked.txt
	$(BIN)/python -m pip install --quiet -c $(VENV)/locked.txt -e '.[train,web,traffic,bus,dev]'
	touch $@
