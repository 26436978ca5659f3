# `make help` lists the commands.
PYTHON ?= python3
SYSTEM_PATH := $(PATH)
# Without the compiled files each process would compile all that it imports: two seconds where PyTorch is.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SYSTEM_PYTHON = PATH="$(SYSTEM_PATH)" $(PYTHON)
# Python compiles what it imports; compiling all that is installed takes longer.
PIP = .venv/bin/python -m pip install --no-user --quiet --disable-pip-version-check --no-compile

.PHONY: help repro test test-fast lint format notebook check-project

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

repro: .venv/installed  ## Rebuild all results, from nothing or from where a run was interrupted
	@emnist repair
	dvc repro
	@emnist summary

test: lint  ## Run lint and all tests
	OMP_NUM_THREADS=1 python -m pytest

test-fast: .venv/installed  ## Run the tests that need no run of the pipeline
	OMP_NUM_THREADS=1 python -m pytest tests/unit -m "not slow" --numprocesses logical --maxprocesses 8

lint: .venv/installed  ## Check the code's style
	ruff check .
	ruff format --check .

format: .venv/installed  ## Put the code into that style
	ruff check --fix .
	ruff format .

notebook: .venv/installed  ## Run notebooks/showcase.ipynb and store its outputs
	python -m tools.notebook

# Before anything else, so that what is missing is said in one sentence.
check-project:
	@PATH="$(SYSTEM_PATH)"; command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) should be a Python from 3.11 to 3.13, but is not found:" \
	"install one, name it with \`export PYTHON=python3.12\`, then run \`make $(MAKECMDGOALS)\` again" >&2; exit 1; }
	@$(SYSTEM_PYTHON) tools/check_setup.py project $(MAKECMDGOALS)

# .venv/installing marks an installation that was interrupted: it starts afresh. Your own .venv is never removed.
.venv/installed: requirements.lock pyproject.toml | check-project
	@if [ -e .venv/installing ]; then echo "The last installation was interrupted: this one starts afresh."; rm -r .venv; fi
	@$(SYSTEM_PYTHON) tools/check_setup.py installation $(MAKECMDGOALS)
	@if [ -e $@ ] || [ ! -e .venv ]; then mkdir -p .venv; touch .venv/installing; fi
	@$(SYSTEM_PYTHON) -m venv .venv
	@echo "Installing what requirements.lock pins: up to 7 GB and some minutes ..."
	$(PIP) --require-hashes --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	.venv/bin/python -c 'import vl_convert; print(vl_convert.javascript_bundle())' > .venv/vega.js
	@rm -f .venv/installing
	@touch $@
