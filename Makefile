# SmartyPants. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed
SERVERS := tests/servers/node_modules/.installed
# One of both carries the engine; the set-up looks for an NVIDIA GPU.
EXTRA ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
# CPU builds of torch come from a folder of wheels where pip has one, else from torch's own index.
TORCH := $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--torch-backend $(if $(filter gpu,$(EXTRA)),auto,cpu))
# Ray starts many processes; each would compile all that it imports where nothing is kept.
export PYTHONDONTWRITEBYTECODE :=
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) UV_LINK_MODE=hardlink $(BIN)/uv

.PHONY: help install demo run stop servers test lint audit format bench docs clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## Install everything into .venv (done by the others when needed).

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "Installing (extra: $(EXTRA)) …"
	@$(UV) pip install --quiet $(TORCH) --editable '.[$(EXTRA),models]' --group dev
	@touch $@

demo: install ## Start, ingest the sample corpus, search, ask, stop.
	@$(BIN)/python examples/demo.py

run: install ## The same, but stay up.
	@$(BIN)/python examples/demo.py --stay

stop: ## Stop what `make run` started.
	@SMARTYPANTS_DATA_DIR=$(CURDIR)/.demo $(BIN)/smartypants down

test: install servers ## Run the tests.
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

servers: $(SERVERS) ## Install the servers that the tests start (needs root where they are missing).
	@tests/servers/install

$(SERVERS): tests/servers/package.json
	@command -v npm >/dev/null || { echo "npm is needed: install Node.js 18 or newer."; exit 1; }
	@npm install --prefix tests/servers --no-package-lock --no-audit --no-fund --silent
	@touch $@

lint: install ## Formatting, lint, types and import rules.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: install ## Advisories, yanked releases, licences and ranges of what is installed.
	@$(BIN)/python .ci/audit.py

format: install ## Format the code.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## Run the quick benchmarks.
	@for name in quality ingest search queries hybrid answer answers_quality semantic_cache load chaos chaos_queries scaling fuzz_documents acl; do $(BIN)/python -m benchmarks.$$name --quick || exit 1; done

docs: install ## Write the generated parts of docs/ anew.
	@$(BIN)/python -m smartypants.configuration docs/configuration.md

clean: ## Remove the environment and the demo's data.
	@rm -rf $(VENV) .demo
