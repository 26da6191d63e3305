# Needs Python 3.11 or later and make; everything else is set up here.
# "make" alone prints the targets. PYTHON=/path/to/python3 chooses the interpreter.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up test test-faults bench check lint types walls format lock audit clean venv venv-dev

ARGS ?=
export PYTHON

# Options of every lock file: hashes, all platforms, and no trace of the index they came from. What runs has
# the versions that are tested.
COMPILE = .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

up: venv ## run the connector on this machine until Ctrl-C; ARGS="--port 18080 --data-dir /some/dir"
	@exec .venv/bin/connector up $(ARGS)

test: venv-dev ## unit, integration and acceptance tests; ARGS="-k spool"
	.venv/bin/pytest -m "not faults" $(ARGS)

test-faults: venv-dev ## the long fault tests (kill -9, outages, rebalances)
	.venv/bin/pytest -m faults $(ARGS)

bench: venv-dev ## measure; prints the numbers
	.venv/bin/pytest -s -o python_files='bench_*.py' tests/benchmarks $(ARGS)

check: lint types walls ## lint, types and walls

lint: venv-dev ## all rules of ruff, and its format
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: venv-dev ## strict mypy
	.venv/bin/mypy

walls: venv-dev ## who may import what (.importlinter)
	.venv/bin/lint-imports

format: venv-dev ## let ruff format the code and fix what it can
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

lock: venv-dev ## write requirements/*.lock from pyproject.toml
	$(COMPILE) --group dev --extra embedded --extra archive -o requirements/dev.lock
	$(COMPILE) --group build -c requirements/dev.lock -o requirements/runtime.lock
	$(COMPILE) --group build --extra embedded -c requirements/dev.lock -o requirements/embedded.lock
	$(COMPILE) --group build --extra archive -c requirements/dev.lock -o requirements/archive.lock

audit: venv-dev ## known vulnerabilities among the pinned packages
	@.venv/bin/python requirements/audit

clean: ## remove the virtual environment and caches; ./data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find connector tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Where Java 17 or Maven is missing, the stand-in broker comes along.
venv:
	@java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"; \
	version="$$("$$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')"; \
	cache="$${XTND_CACHE_DIR:-$$HOME/.cache/xtnd-connector}"; \
	if [ "$${version:-0}" -ge 17 ] && { command -v mvn >/dev/null || ls -d "$$cache"/kafka-*/ >/dev/null 2>&1; }; \
	then requirements/install runtime; else requirements/install embedded; fi

venv-dev:
	@requirements/install dev
