# make repro: the whole pipeline, from nothing.  make test: the whole test suite.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test
repro: .venv/installed
	@python -m emnist.cli.mend
	dvc repro
	@python -m emnist.cli.summary

test: .venv/installed
	python -m pytest

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("error: Python 3.11 to 3.13 is needed, \
	but $(PYTHON) is " + sys.version.split()[0] + ": name another, as in make $(or $(MAKECMDGOALS),repro) PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@echo "Installing what requirements.lock pins: up to 6 GB and some minutes ..."
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	.venv/bin/python -c 'import vl_convert; print(vl_convert.javascript_bundle())' > .venv/vega.js
	@touch $@
