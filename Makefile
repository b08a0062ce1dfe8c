# Outworks: everything a contributor runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
POLICY ?= examples/quickstart/outworks.toml
WORKERS ?= 2
KERNELS := $(wildcard outworks/kernels/*.[ch])

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types layers docs sanitize reference table lab bench clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Outworks needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runs: $(VENV)/python pyproject.toml constraints.txt $(KERNELS)
	$(PIP) -e '.[local,console]'
	@touch $@

$(VENV)/develops: $(VENV)/python pyproject.toml constraints.txt $(KERNELS)
	$(PIP) -e '.[local,console,classifier,hunt,trials,lab,parquet,otel,dev]'
	@touch $@ $(VENV)/runs

run: $(VENV)/runs  ## install, fetch the embedded model, serve the quickstart on 127.0.0.1:8600
	$(BIN)/outworks serve $(POLICY)

test: $(VENV)/develops  ## the whole test suite, in WORKERS processes (2)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: format lint types layers docs test sanitize  ## format, lint, types, layers, docs, tests, and the compiled parts under sanitizers

format: $(VENV)/develops
	$(BIN)/ruff format --check .

lint: $(VENV)/develops
	$(BIN)/ruff check .

types: $(VENV)/develops
	$(BIN)/mypy

layers: $(VENV)/develops
	$(BIN)/lint-imports

sanitize: $(VENV)/develops  ## the tests of what is compiled, under the address and undefined-behaviour sanitizers
	$(BIN)/python tools/sanitize.py

docs: $(VENV)/develops
	$(BIN)/python tools/reference.py --check

reference: $(VENV)/develops  ## write docs/reference anew from the code
	$(BIN)/python tools/reference.py

$(VENV)/tries: $(VENV)/python pyproject.toml constraints.txt $(KERNELS)
	$(PIP) -e '.[local,trials]'
	@touch $@

table: $(VENV)/tries  ## the README's table: what each line of defense is worth, on the embedded model
	$(BIN)/outworks trial run --config examples/trials/table.toml --out trials/table
	$(BIN)/outworks trial report trials/table --html trials/table.html

$(VENV)/labs: $(VENV)/python pyproject.toml constraints.txt $(KERNELS)
	$(PIP) -e '.[local,lab]'
	@touch $@

lab: $(VENV)/labs  ## align the embedded model, break it, harden it: about 17 minutes on two quiet cores, and one page
	$(BIN)/outworks lab story --out lab --html lab/report.html

bench: $(VENV)/develops  ## what everything costs, beside LiteLLM, Portkey and the bare upstream
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf build outworks/kernels/*.egg-info outworks/kernels/*.so $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
