# Everything a person or CI does here. `make` lists it; each target sets up what it needs by itself.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.requirements-installed

# make run, make dev
RUN_OPTIONS = \
	$(if $(EMULATORS),--emulators) \
	$(if $(ORDERS),--orders $(ORDERS)) \
	$(if $(PRODUCTS),--products $(PRODUCTS)) \
	$(if $(SEED),--seed $(SEED)) \
	$(if $(SANDBOX_DATA),--data $(SANDBOX_DATA)) \
	$(if $(RESET),--reset)

.DEFAULT_GOAL := help
.PHONY: help setup run dev test lint fmt bench docs requirements clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make run and make dev take ORDERS=, PRODUCTS=, SEED=, SANDBOX_DATA=DIR, RESET=1 and EMULATORS=1;"
	@echo "  make dev also INTERVAL=seconds; make test takes ARGS= for pytest; all take PYTHON= and VENV=."

setup: $(STAMP) ## Install everything into .venv (the other targets do it by themselves)

$(STAMP): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; '$(PYTHON)' is not. Say which: make PYTHON=python3.13 ..." >&2; exit 1; }
	@echo "Installing into $(VENV) (once; takes a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes \
		-r requirements.txt -r requirements-dev.txt
	@touch $@

run: $(STAMP) ## Run the whole sync once on this machine: sandbox marketplaces, one tick, the run record
	@$(BIN)/python -m local run $(RUN_OPTIONS)

dev: $(STAMP) ## Keep the local stack running with a tick every minute, until Ctrl-C
	@$(BIN)/python -m local dev $(RUN_OPTIONS) $(if $(INTERVAL),--interval $(INTERVAL))

test: $(STAMP) ## Run every test this machine can; what was left out, and why, is listed at the end
	@$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP) ## Check format, style, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(STAMP) ## Format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## Measure the numbers to reach, each against its floor
	@$(BIN)/python -m bench

docs: $(STAMP) ## Write what the README shows of the code anew
	@$(BIN)/python -m tests.docs.readme

requirements: $(STAMP) ## Compile the exact pins again; UPGRADE=1 takes the latest versions
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make requirements" $(if $(UPGRADE),--upgrade) \
			$$name.in --output-file $$name.txt || exit 1; \
	done

clean: ## Remove the environment, the local stack's state and all caches
	@rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
