# The two commands of the README are `make run` and `make test`; the others are for working on Tiphys.

SHELL := bash
.SHELLFLAGS := -o pipefail -c

VENV   := .venv
BIN    := $(VENV)/bin
NEW    := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p $(NEW) 2>/dev/null && echo $$p && break; done)
KILLS  ?= 2000
SENSORS ?= 100000
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
	$(BIN)/python -m tests.soak sensors --count $(SENSORS) --seed $(SEED)

clean:
	rm -rf $(VENV) .tiphys .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(if $(shell "$(PYTHON)" $(NEW) 2>/dev/null && echo new),,$(error \
		tiphys needs Python 3.11 or newer$(if $(PYTHON),; $(PYTHON) is none): install it, or name it: make PYTHON=/path/to/python3.12))
	$(if $(shell command -v git),,$(error tiphys needs git: install it with your package manager))
	@echo "Creating the environment in $(VENV) with $$("$(PYTHON)" --version) …"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "python's venv module does not work; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: constraints.txt pyproject.toml | $(VENV)/bin/python
	$(if $(shell $(BIN)/python $(NEW) && echo new),,$(error the Python in $(VENV) is older than 3.11, or gone: make clean, and try again))
	@echo "Installing what the service needs (about half a minute) …"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r constraints.txt | sed -u -n 's/^\(Collecting [^ ]*\).*/  \1/p;s/^Installing collected.*/Unpacking them …/p'
	@echo "Compiling …"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q tiphys eventsource sensors dispatcher
	@touch $@

$(VENV)/.installed-dev: constraints-dev.txt $(VENV)/.installed
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r constraints-dev.txt
	@touch $@
