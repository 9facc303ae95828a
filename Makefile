# One environment, .venv, installed from the lock. `make` alone lists the targets.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PACKAGES := pipelines stages annotation schemas

export OMP_NUM_THREADS := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes: what those import is compiled once, also where the shell says otherwise.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help env env-models env-verl run test test-models test-consumers lint format bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make run     a small demo dataset in output/demo (no GPU, no key, no download)"
	@echo "make test    every check: ruff, mypy, import contracts, pytest"
	@echo "make lint    the same without pytest"
	@echo "make test-models  the tests that need torch, in .venv-models (make env-models); make test runs them where it can"
	@echo "make test-consumers  verl and TRL themselves load the shards and train on them, in .venv-verl and .venv-models"
	@echo "make env-label-studio  the server that some tests need (about a gigabyte, once); make test makes it where it can"
	@echo "make format  rewrite the code to the agreed format"
	@echo "make bench   the benchmarks"
	@echo "make lock    requirements/*.txt from pyproject.toml (UPGRADE=1 moves the pins)"
	@echo "make clean   remove caches and the demo dataset"

env: $(STAMP)
	@:

# The lock is complete, so nothing is resolved. Does nothing while the lock and pyproject.toml are unchanged, and then needs no network.
$(STAMP): requirements/dev.txt pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "hopyard needs Python 3.11 or 3.12, .venv has $$($(BIN)/python --version 2>&1):" \
		"remove .venv and say make PYTHON=python3.12" >&2; exit 1; }
	@echo "environment: installing requirements/dev.txt into .venv (a minute or two the first time)"
	@if ! { command -v uv >/dev/null && uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/dev.txt; }; \
	then $(BIN)/python -m pip install -qq --require-hashes --no-deps -r requirements/dev.txt; fi
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

# A second environment, because the base one must work without torch. Made anew only when the two files differ from what
# it was made from (by content: the folder may be shared by several working trees).
MODELS := .venv-models
MODEL_PINS := requirements/dev.txt requirements/models.txt
TORCH := $(shell grep ^torch== requirements/models.txt)
INSTALL_MODELS = $(if $(shell command -v uv),uv pip install --quiet --python $(MODELS)/bin/python,$(MODELS)/bin/python -m pip install -qq)

env-models: $(STAMP)
	@cat $(MODEL_PINS) | cmp -s - $(MODELS)/.installed || { \
		echo "environment: $(TORCH) and requirements/models.txt into $(MODELS) (a minute or two the first time)"; \
		test -x $(MODELS)/bin/python || $(BIN)/python -m venv $(MODELS); \
		$(MODELS)/bin/python -m pip install -qq --retries 1 $(TORCH) \
		&& $(INSTALL_MODELS) --require-hashes --no-deps -r requirements/dev.txt \
		&& $(INSTALL_MODELS) --no-deps -r requirements/models.txt \
		&& cat $(MODEL_PINS) > $(MODELS)/.installed; }

test-models: env-models
	@echo "pytest -m models"
	@PYTHONPATH=. $(MODELS)/bin/python -m pytest -q -n 2 --dist loadfile -m models $$(grep -rl --include='test_*.py' 'mark\.models' tests)

# verl's pins fit nothing else: a third environment, and verl without its dependencies.
VERL := .venv-verl
VERL_PINS := requirements/dev.txt requirements/verl.txt
INSTALL_VERL = $(subst $(MODELS),$(VERL),$(INSTALL_MODELS))

env-verl: $(STAMP)
	@cat $(VERL_PINS) | cmp -s - $(VERL)/.installed || { \
		echo "environment: $(TORCH) and requirements/verl.txt into $(VERL) (a minute or two the first time)"; \
		test -x $(VERL)/bin/python || $(BIN)/python -m venv $(VERL); \
		$(VERL)/bin/python -m pip install -qq --retries 1 $(TORCH) \
		&& $(INSTALL_VERL) --require-hashes --no-deps -r requirements/dev.txt \
		&& $(INSTALL_VERL) --no-deps -r requirements/verl.txt \
		&& cat $(VERL_PINS) > $(VERL)/.installed; }

test-consumers: env-models env-verl
	@echo "pytest -m trl"
	@PYTHONPATH=. $(MODELS)/bin/python -m pytest -q -n 0 -m trl tests/consumers
	@echo "pytest -m verl"
	@PYTHONPATH=. $(VERL)/bin/python -m pytest -q -n 0 -m verl tests/consumers

# Part of `make test` where the environment stands or a processor build of torch is at hand: gigabytes are nobody's surprise.
.PHONY: try-models
try-models: $(STAMP)
	@if cat $(MODEL_PINS) | cmp -s - $(MODELS)/.installed || \
		$(BIN)/python -m pip install --dry-run --quiet --retries 1 --no-deps --report - $(TORCH) 2>/dev/null | grep -q '"version": ".*+cpu"'; \
	then $(MAKE) --no-print-directory test-models test-consumers; \
	else echo "model tests: left out, no processor build of $(TORCH) is offered here (make test-models takes the one that is)"; fi

# Label Studio's server, for the tests that need a real one. It cannot share an environment with us.
LABEL_STUDIO := $(or $(HOPYARD_LABEL_STUDIO_ENV),.venv-label-studio)
.PHONY: env-label-studio try-label-studio
env-label-studio: $(STAMP)
	@$(BIN)/python -c 'from pathlib import Path; from annotation.environment import ensure_environment; \
		ensure_environment(Path("$(LABEL_STUDIO)").resolve(), print)'

# Where it cannot be made, its tests are skipped and say so.
try-label-studio: $(STAMP)
	@$(MAKE) --no-print-directory env-label-studio >/dev/null 2>&1 || echo "tests with Label Studio: left out, it cannot be installed here (make env-label-studio says why)"

run: $(STAMP)
	@$(BIN)/hopyard run --out output/demo

# More than there are cores: many tests wait for a server. A file stays in one process, so that it starts its own but once.
TEST_PROCESSES ?= 4

test: lint try-label-studio
	@echo "pytest"
	@$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
	@$(MAKE) --no-print-directory try-models

lint: $(STAMP)
	@echo "ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "ruff format --check"
	@$(BIN)/ruff format --quiet --check . || { echo "not in the agreed format: make format" >&2; exit 1; }
	@echo "mypy"
	@$(BIN)/mypy --strict --no-error-summary $(PACKAGES)
	@echo "lint-imports"
	@$(BIN)/lint-imports --no-logo

format: $(STAMP)
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

# Exact versions with the hashes of every file of each release, so for every platform; and no addresses.
COMPILE = $(shell command -v uv || echo $(BIN)/uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(if $(UPGRADE),--upgrade)

lock: $(STAMP)
	@$(COMPILE) --extra dev pyproject.toml --output-file requirements/dev.txt
	@$(COMPILE) --constraint requirements/dev.txt pyproject.toml --output-file requirements/base.txt
	@echo "locked $$(grep -c == requirements/dev.txt) distributions, $$(grep -c == requirements/base.txt) of them without the tools"

clean:
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist output/demo
	@find $(PACKAGES) tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
