# Everything sets itself up: a virtual environment in .venv, and what the tests need from
# Debian and npm (as root, or say what is missing).

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test coverage bench chaos soak fuzz image lint clean

help:  ## This list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/installed  ## Walk one visitor over two demo sites; on a terminal, then try it in a browser
	$(BIN)/kmproxy demo --check
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/kmproxy demo; fi

test: .venv/developed  ## All tests, in parallel
	tests/tools/install
	$(BIN)/python -m pytest -n 2 --dist worksteal

coverage: .venv/developed  ## The same with branch coverage, which takes half as long again
	tests/tools/install
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term

bench: .venv/developed  ## kmproxy beside its peers: CPU per request, latency, streaming (25 minutes)
	$(BIN)/python -m tests.bench $(BENCH)

chaos: .venv/developed  ## Proxies, senders and Redis killed during 10,000 arrivals, for both stores (5 minutes)
	tests/tools/install
	CHAOS_VISITS=250 $(BIN)/python -m pytest -q -s -n 0 tests/outbox/test_outbox_chaos.py

soak: .venv/developed  ## 2,000 visitors while everything fails in turn; idle connections; latency (15 minutes)
	tests/tools/install
	$(BIN)/python -m tests.soak $(SOAK)

fuzz: .venv/developed  ## A coverage-guided fuzzer on the scanner and the codings (a minute each)
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet atheris
	$(BIN)/python tests/fuzz/run.py $(FUZZ)

image:  ## The Dockerfile, replayed in a fresh Debian without an engine (as root; two minutes)
	tests/tools/install-debian debootstrap
	$(PYTHON) tests/deploy/dockerfile.py

lint: .venv/developed  ## ruff, mypy --strict, the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## Remove what the targets above made
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache tests/browser/node_modules tests/bench/.peers tests/bench/results tests/soak/results

# A Debian python3 may lack venv: then it is installed, or named.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kmproxy needs Python 3.11 or newer; say which with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || tests/tools/install-debian python3-venv
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	@echo "installing kmproxy and what it runs on into .venv"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/developed: .venv/bin/python pyproject.toml
	@echo "installing kmproxy and the tools of its tests into .venv"
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/installed
