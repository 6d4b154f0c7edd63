# What to type: `make serve` to try the daemon, `make test` to test it, `make lint` to check the code.
# Everything is installed into .venv, once; the stamp files in it say what is there already.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
INPUTS := pyproject.toml constraints.txt

ROOT ?= examples/tftproot
PORT ?= 6969
HTTP ?= 127.0.0.1:9069
JOBS ?= $(shell nproc)

# Tests start hundreds of daemons: none of them should have to compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve test test-long bench reference screenshots lint format clean

help:
	@echo 'make serve       serve $(ROOT) on UDP port $(PORT), figures on http://$(HTTP)/metrics'
	@echo 'make test        all tests but those that take minutes, in JOBS processes, one for each CPU; arguments for pytest in ARGS'
	@echo 'make test-long   the tests that take minutes'
	@echo 'make bench       measure the daemon beside its peers and write docs/performance.md; arguments in ARGS'
	@echo 'make reference   write docs/configuration.md and docs/other-servers.md from the tables that they show'
	@echo 'make screenshots write the pictures of the page in docs/img; needs pngquant'
	@echo 'make lint        style, format, types, floors'
	@echo 'make format      format the code'
	@echo 'make clean       remove what the above made'

serve: $(VENV)/.package
	@exec $(BIN)/tftpd-tw serve --root $(ROOT) --port $(PORT) --http $(HTTP) $(ARGS)

test: $(VENV)/.test $(VENV)/.clients
	$(BIN)/python -m pytest -m 'not long' --numprocesses $(JOBS) --dist loadfile $(ARGS)

test-long: $(VENV)/.test $(VENV)/.clients
	$(BIN)/python -m pytest -m long --timeout 3600 $(ARGS)

bench: $(VENV)/.package
	$(BIN)/python -m benchmarks.run --write docs/performance.md $(ARGS)

reference: $(VENV)/.test
	$(BIN)/tftpd-tw check --reference > docs/configuration.md
	$(BIN)/python tests/comparison/page.py > docs/other-servers.md

screenshots: $(VENV)/.test $(VENV)/.clients
	SCREENSHOTS=$(CURDIR)/docs/img $(BIN)/python -m pytest -q tests/browser/test_page_screenshots.py

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# Debian's python3 comes without ensurepip, which a virtual environment needs; python3-venv brings it.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'make: tftpd-tw needs Python 3.11 or newer; name one with `make PYTHON=...`' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq -y install python3-venv >/dev/null; } \
		|| { echo 'make: $(PYTHON) cannot make virtual environments; as root: apt-get install python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@touch $@

$(VENV)/.package: $(VENV)/.made $(INPUTS)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.package
	@$(PIP) --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.package
	@$(PIP) --group lint
	@touch $@

# The tests with real clients and networks of their own leave out those for which something is not there.
$(VENV)/.clients: $(VENV)/.made
	@for program in curl tftp atftp busybox ip nft promtool watch cc chromium chromedriver; do command -v $$program >/dev/null || missing=yes; done; \
	test -z "$$missing" || { test "$$(id -u)" = 0 && apt-get -qq update \
		&& apt-get -qq -y --no-install-recommends install curl tftp-hpa atftp busybox iproute2 nftables prometheus procps \
			gcc libc6-dev \
			chromium chromium-driver >/dev/null; } \
	|| echo 'make: tests with programs that are not there will be skipped (curl tftp-hpa atftp busybox ip nft promtool watch gcc chromium)' >&2
	@touch $@
