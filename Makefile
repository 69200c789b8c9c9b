# make app: set up and open the app.  make test: set up and run the tests.
# PYTHON chooses the interpreter (3.11, 3.12 or 3.13); PORT the app's port; AT_ONCE how tests are spread.
PYTHON ?= python3
PORT ?= 8501
AT_ONCE ?= -n auto --maxprocesses 4 --dist worksteal
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test test-slow lint types browser bench clean

app: $(VENV)/.app
	$(BIN)/streamlit run streamlit_app.py --server.port $(PORT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(AT_ONCE)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest $(AT_ONCE) -m slow

browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/pyright

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11, 3.12 or 3.13 is needed; {sys.executable} is {v[0]}.{v[1]}. Try: make app PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
