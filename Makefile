# Two commands do all the set-up: 'make demo' and 'make test'. Each makes its own venv from the lock files.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: help venv dev demo lint test test-heavy bench lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

venv: $(VENV)/base.stamp  ## what 'leadhand' needs to run, from requirements/base.lock
dev: $(VENV)/dev.stamp    ## and what its tests need, from requirements/dev.lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Leadhand needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.stamp: $(VENV)/bin/python requirements/base.lock pyproject.toml
	$(PIP) install --quiet --require-hashes -r requirements/base.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp requirements/dev.lock
	$(PIP) install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

demo: venv  ## a factory live in your browser: everything embedded, Ctrl-C stops it all
	$(BIN)/leadhand demo

lint: dev  ## ruff, mypy, the contracts between the packages, unused and missing dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

test: dev  ## all tests but the long ones
	@tests/install-system-packages.sh
	@tests/run.sh $(BIN)/python -m "not heavy" tests

test-heavy: dev  ## faults, floods and long runs
	@tests/install-system-packages.sh
	@tests/run.sh $(BIN)/python -m heavy --timeout=1500 tests

bench: dev  ## print each figure that Leadhand promises, one after the other
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

LOCK := $(BIN)/uv pip compile --quiet --no-header --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --python-platform linux
lock: dev  ## make the lock files anew from pyproject.toml; what stands in them stays where it fits
	$(PIP) install --quiet uv==0.13.9
	$(LOCK) -o requirements/base.lock pyproject.toml requirements/build.in
	$(LOCK) --extra dev -c requirements/base.lock -o requirements/dev.lock pyproject.toml requirements/build.in
	$(LOCK) --extra train -c requirements/base.lock --override requirements/train-own.txt -o requirements/train.lock pyproject.toml requirements/build.in

clean:  ## take away the venv and what tests left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/node/node_modules
