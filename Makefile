# Two commands do everything: `make run` and `make test`. Each sets up what it needs, once, and says what it does.
PYTHON ?= python3
VENV := .venv
PAGE := src/pellucid/server/static/index.html
OUT ?= pellucid-out
# Threads that spin while they wait make every network pass up to 50 times slower beside a busy process.
export OMP_WAIT_POLICY ?= PASSIVE
# What Python has compiled is kept, wherever the environment says otherwise: torch and its like take seconds in every process.
export PYTHONDONTWRITEBYTECODE :=
# Python's side and the page's are set up and checked side by side.
MAKEFLAGS += --jobs=2

.PHONY: run test check page-check tools docs lock clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed-run $(PAGE)
	@echo "==> Explaining the ten observation images, and three passages of text, by all eight approaches"
	@$(VENV)/bin/pellucid report observation --text --out $(OUT)

# What a module's tests share is made once: they stay in one process.
test: check page-check tools
	@echo "==> Tests"
	@$(VENV)/bin/pytest -n 2 --dist loadscope --no-loadscope-reorder

page-check: $(PAGE)
	@echo "==> Front end: types and tests"
	@cd frontend && npm run --silent check && npm run --silent test

# One after the other: apt takes turns.
tools:
	@command -v chromium-headless-shell >/dev/null || \
		{ echo "==> Installing Chromium"; apt-get update -q && apt-get install -q -y chromium-headless-shell; } || \
		command -v chromium >/dev/null || { echo "The browser tests need Chromium: apt-get install chromium"; false; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
		echo "==> Installing PostgreSQL"; apt-get update -q && apt-get install -q -y postgresql; }

check: $(VENV)/.installed-test
	@echo "==> Format, lint, types, direction of imports"
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/basedpyright --threads 2
	@$(VENV)/bin/lint-imports --no-cache | tail -n 4

docs: $(VENV)/.installed-test
	@$(VENV)/bin/python docs/reference.py

# The versions that `make` installs; pyproject.toml has the ranges for everybody else.
lock:
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip install --quiet 'torch==2.13.0' -e '.[dev]'
	@.venv-lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' | sort -f > constraints.txt
	@rm -rf .venv-lock && echo "==> constraints.txt: $$(wc -l < constraints.txt) packages"

clean:
	rm -rf $(VENV) $(OUT)

# The lab's page. Without npm everything else works, and the lab says that its page is missing.
$(PAGE): $(shell find frontend -type f -not -path '*/node_modules/*' 2>/dev/null)
	@if command -v npm >/dev/null; then \
		echo "==> Building the lab's page"; \
		cd frontend && npm ci --silent --no-audit --no-fund && npm run --silent build; \
	else echo "==> npm is not there: the page of the lab is not built (install Node.js 20.19 or newer)"; fi

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pellucid needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	@echo "==> Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Python compiles what it imports, when it does: compiling all that is installed would take a minute.
$(VENV)/.installed-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "==> Installing Pellucid and its models (a few minutes the first time)"
	@$(VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "==> Installing Pellucid, its models and the test tools (a few minutes the first time)"
	@$(VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-run
