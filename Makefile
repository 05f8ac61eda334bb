# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer and Pango.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test fuzz fuzz-short exhaustive example bench docs clean

demo: $(STAMP)
	$(BIN)/auditor demo

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(MAKE) fuzz-short

# Random files for every reader of files; docs/fuzzing.md has more.
fuzz: $(STAMP)
	$(BIN)/python -m fuzz --minutes 30

fuzz-short: $(STAMP)
	$(BIN)/python -m fuzz --seconds 45

# Tests that cover very many models, such as all architectures of torchvision.
exhaustive: $(STAMP)
	$(BIN)/python -m pytest -m exhaustive

# Recreates the example run that is under version control.
example: $(STAMP)
	$(BIN)/auditor demo --case digits --out reports/example --overwrite

# The pages that are made from the code, the images of the report, and the site.
docs: $(STAMP)
	$(BIN)/python -m website
	$(BIN)/python -m website.screenshots
	$(BIN)/mkdocs build --strict

bench: $(STAMP)
	$(BIN)/python -m benchmarks.predict
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.explain

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "auditor needs Python 3.11 or newer; $(PYTHON) is older: run make PYTHON=python3.12 …"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[demo,dev]'
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
