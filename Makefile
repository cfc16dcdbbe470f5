# Every command for people and CI. `make` lists them; each target installs its own needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.requirements-installed
# pip installs uv, and uv everything else: the same hashes in a tenth of the time. With VIRTUAL_ENV it installs
# into a virtual environment or not at all; an interpreter named by --python could be the system's.
install_into = VIRTUAL_ENV=$(abspath $1) $(BIN)/uv pip install --quiet

# make run, make dev, make deploy
switch = $(if $(filter-out 0 1,$2),$(error $1 is 1 or 0, not '$2'),$(if $(filter 1,$2),$3))
RUN_OPTIONS = \
	$(call switch,EMULATORS,$(EMULATORS),--emulators) \
	$(if $(ORDERS),--orders $(ORDERS)) \
	$(if $(PRODUCTS),--products $(PRODUCTS)) \
	$(if $(SEED),--seed $(SEED)) \
	$(if $(SANDBOX_DATA),--data '$(SANDBOX_DATA)') \
	$(call switch,RESET,$(RESET),--reset)

# make check
JOBS ?= auto
QUICK := not emulator and not processes and not terraform
CHECKED = $(if $(MARKETPLACE),$(ONE_MARKETPLACE),-m "$(QUICK) and not long")
ONE_MARKETPLACE = -m "$(QUICK)" -k "$(MARKETPLACE) or not conformance" \
	tests/marketplaces/$(MARKETPLACE) tests/marketplaces/conformance $(wildcard tests/marketplaces/test_*.py)

# make terraform-test, terraform-scan, deploy, destroy
TERRAFORM ?= terraform
CHECKOV ?= .venv-checkov
AUDIT ?= .venv-audit
DEPLOYED = $(if $(ENV),terraform/environments/$(ENV))
INIT = $(strip $(TERRAFORM) -chdir=$(DEPLOYED) init $(if $(STATE_BUCKET),-backend-config=bucket=$(STATE_BUCKET)))
APPLY = $(strip $(TERRAFORM) -chdir=$(DEPLOYED) apply $(if $(YES),-auto-approve))
IS_DRY = $(call switch,DRY,$(DRY),1)

.DEFAULT_GOAL := help
.PHONY: help setup run dev check test fuzz chaos lint fmt bench docs screenshots requirements audit sbom terraform-test terraform-scan deploy destroy clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make run and make dev take ORDERS=, PRODUCTS=, SEED=, SANDBOX_DATA=DIR, RESET=1 and EMULATORS=1;"
	@echo "  make dev also INTERVAL=seconds; make check and make test take ARGS= for pytest, make check also"
	@echo "  MARKETPLACE= and JOBS=; make fuzz and make chaos SECONDS= and SEED=; all take PYTHON= and VENV=."
	@echo "  make deploy and make destroy take ENV=dev or ENV=prod, STATE_BUCKET= and YES=1, make deploy also DRY=1 and"
	@echo "  with it WORKER=stopped; they and make terraform-test TERRAFORM=."

setup: $(STAMP) ## Install everything into .venv, the command marketplace-sync too (the other targets do it by themselves)

$(STAMP): requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; '$(PYTHON)' is not. Say which: make PYTHON=python3.13 ..." >&2; exit 1; }
	@echo "Installing into $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/^ *# via/p' requirements-dev.txt >$(VENV)/uv.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(call install_into,$(VENV)) --compile-bytecode --require-hashes -r requirements.txt -r requirements-dev.txt
	@$(call install_into,$(VENV)) --no-build-isolation --no-deps --offline -e .
	@touch $@

run: $(STAMP) ## Run the whole sync once on this machine: sandbox marketplaces, one tick, the run record
	@$(BIN)/python -m local run $(RUN_OPTIONS)

dev: $(STAMP) ## Keep the local stack running with a tick every minute, until Ctrl-C
	@$(BIN)/python -m local dev $(RUN_OPTIONS) $(if $(INTERVAL),--interval $(INTERVAL))

check: $(STAMP) ## The fast loop: lint, and every test that starts nothing and is short; MARKETPLACE= narrows it
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --hypothesis-profile=check $(CHECKED) $(ARGS)

test: $(STAMP) ## Run every test that this machine can run; lists the skipped ones with their reasons
	@$(BIN)/python -m pytest $(ARGS)

fuzz: $(STAMP) ## Explore new examples and simulated histories for SECONDS=; prints the seed; SEED= repeats
	@$(BIN)/python -m tests.support.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

chaos: $(STAMP) ## Kill, stop and double real processes on the emulators for SECONDS=; nothing may be lost, doubled or stuck
	@$(BIN)/python -m tests.system.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

lint: $(STAMP) ## Check format, style, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(STAMP) ## Format the code and make the automatic fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## Measure the numbers to reach, each against its floor; ROWS= and BEFORE= choose; SHORT=1 only shows that each works
	@$(BIN)/python -m bench $(call switch,SHORT,$(SHORT),--quick) $(if $(ROWS),--rows $(ROWS)) $(if $(BEFORE),--before $(BEFORE))

docs: $(STAMP) ## Generate the parts of the documentation that come from the code
	@$(BIN)/python -m tests.delivery.docs

screenshots: $(STAMP) ## Write pictures of every screen of the page to .local/screenshots (needs Chromium)
	@$(BIN)/python -m tests.page.screenshots

requirements: $(STAMP) ## Compile the exact pins again; UPGRADE=1 takes the latest versions
	@for name in pyproject.toml:requirements.txt requirements-dev.in:requirements-dev.txt; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make requirements" $(if $(UPGRADE),--upgrade) \
			$${name%:*} --output-file $${name#*:} || exit 1; \
	done

audit: $(AUDIT) ## Look for known vulnerabilities in the deployed packages
	@$(AUDIT)/bin/pip-audit --requirement requirements.txt --require-hashes --disable-pip --strict --progress-spinner off

sbom: $(AUDIT) $(STAMP) ## Write the bill of materials of the deployed packages, in CycloneDX, to .local/sbom.json
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .local/deployed
	@$(call install_into,.local/deployed) --require-hashes -r requirements.txt
	@$(AUDIT)/bin/cyclonedx-py environment .local/deployed --pyproject pyproject.toml --output-reproducible \
		--output-file .local/sbom.json
	@echo "Written to .local/sbom.json"

$(AUDIT): | $(STAMP)
	@echo "Installing pip-audit and cyclonedx-bom into $(AUDIT) (once)"
	@$(PYTHON) -m venv $(AUDIT) && $(call install_into,$(AUDIT)) \
		pip-audit==2.10.1 cyclonedx-bom==7.5.0 || { rm -rf $(AUDIT); exit 1; }

terraform-test: ## Test every Terraform module, both environments and the identities of CI, with mocked providers
	@$(TERRAFORM) fmt -check -recursive terraform
	@for folder in terraform/modules/* terraform/environments/* terraform/ci; do \
		echo "== $$folder"; export TF_DATA_DIR="$(CURDIR)/.local/terraform/$$folder" TF_IN_AUTOMATION=1; \
		$(TERRAFORM) -chdir=$$folder init -backend=false -input=false >/dev/null && \
			$(TERRAFORM) -chdir=$$folder validate && $(TERRAFORM) -chdir=$$folder test || exit 1; \
	done

terraform-scan: $(CHECKOV) ## Look for insecure settings in terraform/ with checkov, in an environment of its own
	@$(CHECKOV)/bin/checkov --directory terraform --framework terraform --skip-download --compact --quiet

$(CHECKOV): | $(STAMP)
	@echo "Installing checkov into $(CHECKOV) (once)"
	@$(PYTHON) -m venv $(CHECKOV) && $(call install_into,$(CHECKOV)) checkov==3.3.30 || \
		{ rm -rf $(CHECKOV); exit 1; }

deploy: $(STAMP) ## Deploy ENV=dev|prod: plan, show, apply, and prove each part with one real tick; DRY=1 shows the way
	@[ -d "$(DEPLOYED)" ] || { echo "Say which: make deploy ENV=dev" >&2; exit 1; }
	@[ -z "$(WORKER)" ] || [ -n "$(IS_DRY)" ] || { echo "WORKER=stopped is for DRY=1 only" >&2; exit 1; }
	@[ -n "$(IS_DRY)" ] || command -v gcloud >/dev/null || \
		{ echo "gcloud is needed for the tick after the apply, and is not on the PATH." >&2; exit 1; }
	@$(if $(IS_DRY),echo "Not run: $(INIT)",$(INIT))
	@$(if $(IS_DRY),echo "Not run: $(APPLY)",$(APPLY))
	@$(if $(IS_DRY),$(BIN)/python -m terraform.dry $(DEPLOYED) $(if $(WORKER),--worker $(WORKER)),\
		TERRAFORM=$(TERRAFORM) $(BIN)/python -m terraform.tick $(DEPLOYED))

destroy: ## Destroy ENV=dev with all its data; a protected environment refuses
	@[ -d "$(DEPLOYED)" ] || { echo "Say which: make destroy ENV=dev" >&2; exit 1; }
	@[ "$$($(TERRAFORM) -chdir=$(DEPLOYED) output -raw protected)" = false ] || { \
		echo "$(ENV) is protected, or not deployed from here: see 'Tear down' in docs/deploy.md." >&2; exit 1; }
	@$(TERRAFORM) -chdir=$(DEPLOYED) destroy $(if $(YES),-auto-approve)

clean: ## Remove the environments, the local stack's state and all caches
	@rm -rf $(VENV) $(CHECKOV) $(AUDIT) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
