# SPDX-License-Identifier: Apache-2.0
# A target with a `##` comment is listed by `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

PREFIX ?= /usr/local
SWIFT_FLAGS ?= --explicit-target-dependency-import-check error
RELEASE := .build/release/stint
DEBUG := .build/debug/stint
PYTHON := var/venv/bin/python

define FIRST_BUILD
First build: about 10 minutes on two cores. Hummingbird, SwiftNIO, BoringSSL and GRDB are compiled from source
once; later builds compile only what changed.
endef
export FIRST_BUILD

.PHONY: help
help: ## List the targets
	@echo 'Stint: make run starts everything, make test proves it.'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: build ## Install what is missing, build, start server and sample worker in the foreground
	@exec $(RELEASE) serve --worker

.PHONY: test
test: test-dependencies ## Install what is missing, build, run every test
	@[ -x $(DEBUG) ] || echo "$$FIRST_BUILD"
	swift build --build-tests $(SWIFT_FLAGS)
	swift test --skip-build $(SWIFT_FLAGS)
	STINT_BINARY="$(CURDIR)/$(DEBUG)" $(PYTHON) -m pytest Tests/Process

.PHONY: build
build: dependencies ## Build the release binary, .build/release/stint
	@[ -x $(RELEASE) ] || echo "$$FIRST_BUILD"
	swift build -c release --product stint $(SWIFT_FLAGS)

.PHONY: demo
demo: build ## Send the sample workloads to a private server, show what happens, clean up
	@STINT_BINARY="$(CURDIR)/$(RELEASE)" scripts/demo.sh

# Containers build their own binary; local processes use the release build.
.PHONY: up
up: ## Start the distributed stack: in containers with Docker Compose, else as local processes
	@[ "$$(scripts/stack.py mode)" = compose ] || { scripts/install-dependencies.sh stack; $(MAKE) build; }
	@scripts/stack.py up

.PHONY: down
down: ## Stop the distributed stack and keep its data; PURGE=1 deletes it
	@scripts/stack.py down $(if $(filter 1 true yes,$(PURGE)),--purge)

.PHONY: status
status: ## Show each part of the distributed stack
	@scripts/stack.py status

.PHONY: logs
logs: ## Follow the logs of the distributed stack
	@scripts/stack.py logs

.PHONY: bench
bench: build ## Measure; prints a table and writes JSON under var/bench/
	@mkdir -p var/bench
	@$(RELEASE) bench --output table --json-file "var/bench/$$(date -u +%Y%m%dT%H%M%SZ).json"

.PHONY: memory
memory: build ## Measure the memory of a server with a million jobs
	@STINT_BINARY="$(CURDIR)/$(RELEASE)" scripts/measure-memory.py

.PHONY: floor
floor: dependencies ## Measure the same rows with libpq alone, on STINT_DATABASE_URL, a migrated database of no importance
	@[ -n "$${STINT_DATABASE_URL:-}" ] || { echo 'Set STINT_DATABASE_URL to a database that stint migrate up was run on.' >&2; exit 2; }
	@mkdir -p var/bench
	@cc -O2 $$(pkg-config --cflags libpq) benchmarks/floor/postgres_floor.c $$(pkg-config --libs libpq) -lpthread -o var/bench/postgres_floor
	@var/bench/postgres_floor "$$STINT_DATABASE_URL"

.PHONY: lint
lint: test-dependencies docs deploy-check ## Check formatting, scripts, documentation and deployment
	swift format lint --strict --parallel --recursive Sources Tests Package.swift
	for script in scripts/*sh .ci/run; do bash -n "$$script"; done
	find scripts Tests -name '*.py' -print0 | PYTHONPYCACHEPREFIX=var/pycache xargs -0 -r $(PYTHON) -m py_compile

.PHONY: format
format: ## Format the Swift sources
	swift format --in-place --parallel --recursive Sources Tests Package.swift

.PHONY: docs
docs: test-dependencies ## Check the links of the documentation and the OpenAPI document
	$(PYTHON) scripts/check-docs.py

.PHONY: deploy-check
deploy-check: test-dependencies ## Check the Compose file, Prometheus, dashboards, units and scripts
	$(PYTHON) scripts/check-deploy.py

.PHONY: install
install: build ## Install the binary under PREFIX (default /usr/local)
	install -D -m 0755 $(RELEASE) "$(DESTDIR)$(PREFIX)/bin/stint"

.PHONY: ci
ci: ## What .ci/run calls: lint, then test
	$(MAKE) lint
	$(MAKE) test

.PHONY: clean-var
clean-var: ## Remove var/: the Python environment, bench results and the local stack (not the jobs of make run)
	@scripts/stack.py --mode native down --purge
	rm -rf var

.PHONY: dependencies test-dependencies
dependencies:
	@scripts/install-dependencies.sh run
test-dependencies:
	@scripts/install-dependencies.sh test
