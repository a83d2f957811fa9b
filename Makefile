# make demo   a LoRA trained on this machine in a minute, watched live
# make test   every check and every test
# PYTHON=python3.12 make …   uses another Python (3.11 or newer)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# For two cores: one worker has the tests that need torch, two have the others, which often wait for processes
# (tests/support/sharing.py). Each keeps its training libraries to one thread.
TEST_WORKERS ?= 3

.PHONY: demo test lint types check-imports unit bench clean

demo: $(VENV)/.demo
	$(BIN)/loratui demo

test: lint check-imports types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-imports: $(VENV)/.dev
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/pytest --numprocesses $(TEST_WORKERS)

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/terminal.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "loratui needs Python 3.11 or newer; $(PYTHON) is not. Try: PYTHON=python3.12 make $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "This Python cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing loratui and its training libraries into $(VENV) (a minute or more, once)."
	$(PIP) --editable ".[train]"
	@$(BIN)/python -m compileall -q loratui
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing loratui, its training libraries and the test tools into $(VENV) (a minute or more, once)."
	$(PIP) --editable ".[train,dev]"
	@$(BIN)/python -m compileall -q loratui
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) dist build *.egg-info
