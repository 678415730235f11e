# Every target makes .venv when it is missing. PYTHON names the interpreter to make it with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint bench clean

# The main job on data that comes with a package: no download, about a minute on two cores.
demo: $(INSTALLED)
	$(BIN)/bnn-orchestrate sweep digits-orders

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Ratios against a usual training loop; takes some ten minutes, and wants an idle machine.
bench: $(INSTALLED)
	$(BIN)/python tests/benchmarks/bench.py

clean:
	rm -rf $(VENV) build dist

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
