# Holdfast on a Debian 12 with python3, python3-venv and make. The first target makes .venv from the locked packages.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest

FOR ?=
TESTS ?= tests
QUICK ?=
ONLY ?=
CHAOS_S ?= 600
STORM_S ?= 300
N ?= 2000

.DEFAULT_GOAL := help
.PHONY: help demo test check bench chaos field crashpoints otp setup packages lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: setup ## run a whole gateway with simulated devices and a broker, until Ctrl-C or for FOR=20s; needs no root
	$(BIN)/holdfast demo $(if $(FOR),--for $(FOR))

test: setup packages ## run the tests; TESTS="tests/house tests/docs" runs a part
	$(PYTEST) -m "not slow" $(TESTS)

check: setup ## formatting, lint, types and the floors of the house
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup packages ## measure, into bench.json; QUICK=1 for a short run, ONLY=NAME for one measurement
	$(BIN)/python -m tests.bench --json bench.json $(if $(filter-out 0,$(QUICK)),--quick) $(if $(ONLY),--only $(ONLY))

chaos: setup packages ## kill, stop and starve a running gateway for CHAOS_S=600 seconds; nothing may be lost
	HOLDFAST_CHAOS_S=$(CHAOS_S) HOLDFAST_STORM_S=$(STORM_S) $(PYTEST) -m "slow or not slow" tests/chaos
	HOLDFAST_DAMAGE_FULL=1 $(PYTEST) tests/transports/spool/test_spool_wreck.py
	$(BIN)/python -m tests.crashpoints 20000

field: setup packages ## one gateway with all drivers, each far end killed and revived in turn, for FOR=10m
	$(BIN)/python -m tests.field $(if $(FOR),$(FOR),10m)

crashpoints: setup ## the spool on N=2000 states of a disk that a crash may leave
	$(BIN)/python -m tests.crashpoints $(N)

otp: setup packages ## hold the supervisors' plan against Erlang/OTP: N=2000 generated scenarios besides the written ones
	$(BIN)/python -m tests.otp $(N)

setup: $(READY) ## make .venv, if it is not up to date

# --only-binary: a source package would fetch its build tools without hashes, and need a compiler.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Holdfast needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) \
	    || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "installing the locked packages into $(VENV); this takes a minute or two"
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

packages: ## install the Debian packages of the tests (a broker, socat), if any is missing
	@deploy/debian-packages.sh

# uv is asked for the lock only: nothing else here needs it, so it is not installed beside the rest.
lock: ## write requirements.lock anew from pyproject.toml; UPGRADE=1 for the newest versions
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT \
	    && $(PYTHON) -m venv "$$tools" && "$$tools/bin/python" -m pip --disable-pip-version-check install --quiet uv \
	    && "$$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
	        --generate-hashes --no-header --no-emit-index-url --no-annotate $(if $(UPGRADE),--upgrade) \
	        -o requirements.lock pyproject.toml
