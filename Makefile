# What a person types in a fresh clone. Each target makes what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV ?= .venv
BROKER ?= embedded
SEED ?= 1
SECONDS ?= 300
ROUNDS ?= 5
QUEUE_TYPE ?= quorum
# The kind of worker that the tests and the demo run on: see CONTRIBUTING.md.
WORKER ?= prefork
export TEST_WORKER := $(WORKER)
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Most of a test is waiting for real processes. The long files first, so that none runs alone at the end.
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help

.PHONY: help demo flask django test test-containers chaos benchmarks env lint types format clean
.PHONY: rabbitmq databases chromium

help: ## show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(READY) $(filter rabbitmq,$(BROKER)) ## ten messages shared out among three workers, one of which is killed
	@$(BIN)/python -m examples.demo --broker $(BROKER)

flask: $(READY) ## a Flask site and its worker, on http://127.0.0.1:5000
	@$(BIN)/python -m examples.flask_app

django: $(READY) ## a Django site with an outbox and its worker, on http://127.0.0.1:5000
	@$(BIN)/python -m examples.django_site

test: $(READY) rabbitmq databases chromium ## the whole test suite, on private servers
	@$(PYTEST) tests/chaos tests/integration tests/unit

test-containers: $(READY) chromium ## the tests that need a broker, on RabbitMQ 4.3 in a container
	@docker info >/dev/null 2>&1 || { echo "No Docker engine answers. Install one: https://docs.docker.com/engine/install/, and start it."; exit 1; }
	@TEST_RABBITMQ=container $(PYTEST) tests/chaos/test_bad_messages.py tests/containers tests/integration -p pytest_celery.plugin -p pytest_docker_tools.plugin -m 'not own_machine' -k 'not embedded'

chaos: $(READY) rabbitmq ## faults under load for longer: make chaos SEED=7 SECONDS=600
	@CHAOS_SEED=$(SEED) CHAOS_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/chaos/test_nothing_is_lost.py

env: .env ## passwords for docker compose, in .env

.env:
	@$(PYTHON) -c 'import secrets; [print(f"{name}={secrets.token_hex(20)}") for name in "ADMINISTRATOR_PASSWORD OPERATOR_PASSWORD WORKER_PASSWORD PRODUCER_PASSWORD FLOWER_PASSWORD ERLANG_COOKIE".split()]; print(f"FLOWER_LOGIN=operator:{secrets.token_hex(20)}")' | install -m 600 /dev/stdin $@
	@echo "Wrote .env: new passwords, readable by you alone. Keep it out of version control."

benchmarks: $(READY) rabbitmq ## the work queue beside its peers; benchmarks/README.md has the caveats
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group benchmark
	@$(BIN)/python -m benchmarks.peers --rounds $(ROUNDS) --queue-type $(QUEUE_TYPE) --charts docs/charts

lint: $(READY) ## ruff: lint and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	@$(BIN)/mypy

format: $(READY) ## let ruff write the format
	@$(BIN)/ruff format .

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist instance .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment could be made. Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[django,flask,flower,webhooks]' --group dev
	@touch $@

# Private nodes need RabbitMQ's programs, never a running server. Root may install them; others are
# told how to get them by whatever needs them. The package's own server is not started.
rabbitmq:
	@if [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && ! command -v rabbitmq-server >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing RabbitMQ from the system's packages (its own server is not started)..."; \
	    bash .ci/install-rabbitmq; \
	  else \
	    echo "RabbitMQ is not installed. Debian and Ubuntu: apt-get install rabbitmq-server; Fedora: dnf install rabbitmq-server; macOS: brew install rabbitmq."; \
	  fi; \
	fi

# Flower's pages are looked at in a browser.
chromium:
	@if ! command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium from the system's packages..."; \
	    bash .ci/install-chromium; \
	  else \
	    echo "Chromium is not installed. Debian: apt-get install chromium; Ubuntu: snap install chromium; Fedora: dnf install chromium; macOS: brew install --cask chromium."; \
	  fi; \
	fi

# As above, for the tests of the Django outbox.
databases:
	@if ! command -v mariadb-install-db >/dev/null || ! { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing PostgreSQL and MariaDB from the system's packages (their servers are not started)..."; \
	    bash .ci/install-databases; \
	  else \
	    echo "PostgreSQL and MariaDB are not both installed. Debian and Ubuntu: apt-get install postgresql mariadb-server; Fedora: dnf install postgresql-server mariadb-server; macOS: brew install postgresql mariadb."; \
	  fi; \
	fi
