# The two commands of the README are `make run` and `make test`; the others are for working on Tiphys.

SHELL := bash
.SHELLFLAGS := -o pipefail -c

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
KILLS  ?= 2000
SEED   ?= 1

.PHONY: run test lint format bench soak clean
.DEFAULT_GOAL := run

run: $(VENV)/.installed
	@exec $(BIN)/tiphys demo $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.installed-dev
	$(BIN)/python -m tests.soak kill --kills $(KILLS) --seed $(SEED)

clean:
	rm -rf $(VENV) .tiphys .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "tiphys needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@command -v git >/dev/null 2>&1 || { echo "tiphys needs git; install it with your package manager" >&2; exit 1; }
	@echo "Creating the environment in $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV) || { echo "python's venv module does not work; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: constraints.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the service needs (about half a minute) …"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r constraints.txt | sed -u -n 's/^\(Collecting [^ ]*\).*/  \1/p;/^Installing/p'
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q tiphys eventsource sensors dispatcher
	@touch $@

$(VENV)/.installed-dev: constraints-dev.txt $(VENV)/.installed
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r constraints-dev.txt
	@touch $@
