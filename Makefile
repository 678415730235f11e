# Every target makes .venv when it is missing. PYTHON names the interpreter to make it with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint docs bench gpu faults cluster-test audit clean

# The main job on data that comes with a package: no download, about a minute on two cores.
demo: $(INSTALLED)
	$(BIN)/bnn-orchestrate sweep digits-orders

# Three files of tests at a time: most of them wait for processes to start.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docker/manifests.py

# A site of the pages, without a warning; begin reading at build/docs/docs/index.html.
docs: $(INSTALLED)
	$(BIN)/python -m sphinx -W --keep-going -n -q -c docs . build/docs

# Ratios against a usual training loop; takes some half an hour, and wants an idle machine.
bench: $(INSTALLED)
	$(BIN)/python tests/benchmarks/bench.py

# Whether training is right on the GPU here, and how fast: eight minutes. Figures go to
# docs/results/gpu.md. Torch and torchvision alone suffice for the command itself.
gpu: $(INSTALLED)
	$(BIN)/python tests/gpu/check.py

# Kills, outages, malformed input, 2,000 cells; about an hour on two idle cores. BNN_FAULTS_SEED
# repeats the random moments of an earlier run. Figures go to docs/reliability.md.
faults: $(INSTALLED)
	BNN_FAULTS=full $(BIN)/python -m pytest --timeout 7200 tests/faults \
		tests/trainers/export/test_every_form.py tests/orchestrator/execution/test_crowded.py
	$(BIN)/python tests/faults/report.py

# Images, a stack of containers and a Slurm job, with kills and outages; a quarter of an hour on two
# cores, and as much again for a first image. Needs root, and podman with podman-compose, or docker;
# says what it skips. BNN_SLURM=yes submits to the Slurm that answers here.
cluster-test: $(INSTALLED)
	BNN_CLUSTER=yes $(BIN)/python -m pytest --timeout 3600 tests/cluster

# Known vulnerabilities of the pinned dependencies. Needs the network, and says so without it.
audit:
	test -x $(AUDIT)/bin/pip-audit || $(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet 'pip-audit>=2.9'
	$(AUDIT)/bin/python tests/faults/audit.py

clean:
	rm -rf $(VENV) $(AUDIT) build dist

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
