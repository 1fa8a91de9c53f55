# Two commands on a machine with Python 3.11 and git: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_FLAGS ?=
# Most tests wait for real processes, clients and networks: two more at a time than there are processors.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 2) + 2)')

.PHONY: demo test lint format bench chaos fuzz clean

demo: $(VENV)/installed
	$(BIN)/peer demo

test: $(VENV)/tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_FLAGS)

lint: $(VENV)/lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/lint
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/tests
	$(BIN)/python bench/run.py

# A minute of random faults, with a new seed; `SEED=31 MINUTES=10` for another run (needs root: network namespaces).
chaos: $(VENV)/tests
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),1)

fuzz: $(VENV)/tests
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),60)

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("peer needs Python 3.11 or later; call make with PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/tests: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/lint: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[lint]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
