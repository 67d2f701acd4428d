# Every target sets up what it needs in .venv; a machine with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-all check bench clean

run: $(VENV)/netc.done
	$(BIN)/netc train specs/digits.net -o build/digits --force

test: $(VENV)/test.done
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not exhaustive"

test-all: $(VENV)/peers.done
	NETC_EXHAUSTIVE=1 $(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(VENV)/peers.done
	$(BIN)/python benchmarks/bench.py

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netc needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/netc.done: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/test.done: $(VENV)/netc.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/peers.done: $(VENV)/test.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,peers]'
	touch $@

$(VENV)/dev.done: $(VENV)/test.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	touch $@
