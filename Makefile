# watchfloor. Every target sets up what it needs first, in .venv; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# without compiled modules every start compiles the libraries anew: 0.5 s instead of 0.2 s for asyncssh alone
unexport PYTHONDONTWRITEBYTECODE

UV := $(shell command -v uv 2>/dev/null)
LOCK = $(or $(UV),$(BIN)/uv) pip compile -q --universal --generate-hashes --no-header --no-annotate

# a worker more than processors, since most tests wait for somebody; ARGS="-n 0" is one process, for a debugger
PYTEST = $(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal

# what tests and benches with real parts need, by Debian's names
TEST_PACKAGES := openssh-server openssh-client tmux gcc libc6-dev prometheus \
	infiniband-diags ibsim-utils libumad2sim0 \
	asciinema bsdutils sudo slurmctld slurmd slurm-client munge slurmdbd slurm-wlm-mysql-plugin mariadb-server postgresql
BENCH_PACKAGES := $(TEST_PACKAGES) pdsh clustershell

# where the control plane that is built for test-kubernetes stays
KUBERNETES ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/watchfloor/kubernetes

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-kubernetes check bench golden picture lock wheel clean

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready ## A simulated fleet in the terminal (ARGS="--nodes 64 --scenario xid79")
	@$(BIN)/watchfloor demo $(ARGS)

run: $(VENV)/.ready ## The terminal on real hosts (ARGS="node[01-16] gpu@lab7"), or on this machine
	@$(BIN)/watchfloor $(ARGS)

setup: $(VENV)/.ready-dev ## Everything for working on it; then .venv/bin/watchfloor is the program

test: $(VENV)/.ready-dev ## All tests (ARGS="tests/tui -k sort")
	@tests/system-packages.sh $(TEST_PACKAGES)
	@$(PYTEST) $(ARGS)

test-kubernetes: $(VENV)/.ready-dev ## Jobs of a real control plane: KUBECONFIG=… (only read), or one that is built here
	@test -n "$(KUBECONFIG)" || tests/system-packages.sh etcd-server openssl
	@test -n "$(KUBECONFIG)" || tests/support/kubernetes/build.sh $(KUBERNETES)
	@WATCHFLOOR_TEST_KUBERNETES=$(KUBERNETES) $(BIN)/python -m pytest -q -rs tests/kubernetes $(ARGS)

check: $(VENV)/.ready-dev ## Style, types, layers, conventions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/house

bench: $(VENV)/.ready-dev ## Measure, beside the limits and beside peers (ARGS="screen query")
	@tests/system-packages.sh $(BENCH_PACKAGES)
	@$(BIN)/python -m bench $(ARGS)

golden: $(VENV)/.ready-dev ## Renew expected outputs and screen pictures; look at the difference before you commit
	@GOLDEN=1 $(PYTEST) -q --snapshot-update tests/house tests/watchfloor tests/tui

picture: $(VENV)/.ready ## Renew README's picture from a running demo (about a minute)
	@$(BIN)/python -m docs.picture

lock: $(VENV)/.ready-dev ## Renew the pinned requirements
	@test -n "$(UV)" || $(INSTALL) uv
	@$(LOCK) pyproject.toml requirements.in -o requirements.txt
	@$(LOCK) --all-extras -c requirements.txt pyproject.toml requirements.in requirements-dev.in -o requirements-dev.txt

wheel: $(VENV)/.ready-dev ## The wheel, in dist/
	@$(BIN)/hatchling build -t wheel

clean: ## Remove what was built, .venv included
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache snapshot_report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ifdef UV
INSTALL = $(UV) pip install -q --python $(BIN)/python
$(BIN)/python:
	@$(UV) venv -q --allow-existing --python '>=3.11' $(VENV)
else
INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "watchfloor needs Python 3.11 or newer; $(PYTHON) is not. Use: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "the venv module is missing (Debian: apt install python3-venv)" >&2; exit 1; }
endif

$(VENV)/.ready: requirements.txt pyproject.toml | $(BIN)/python
	@echo "installing what watchfloor needs into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	@echo "installing what checks and tests need into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@
