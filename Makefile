# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer and Pango.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test fuzz fuzz-short exhaustive example bench docs lock pip-audit clean

demo: $(STAMP)
	$(BIN)/auditor demo

# One thread for each of the two worker processes: more threads than cores wait for each other busily.
test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	$(MAKE) fuzz-short

# Random files for every reader of files; docs/fuzzing.md has more.
fuzz: $(STAMP)
	$(BIN)/python -m fuzz --minutes 30

fuzz-short: $(STAMP)
	$(BIN)/python -m fuzz images tables coco webdataset configurations results --seconds 40

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

# What a user installs with all extras, pinned to the versions that the tests pass with, with hashes and without
# addresses. Takes some minutes: pip-compile asks the package index about each of them.
LOCK_EXTRAS := demo dicom huggingface keras mlflow onnx signature tensorboard timm wandb
lock: $(STAMP)
	mkdir -p build
	$(BIN)/python -m pip freeze --exclude-editable | sed -n 's/^\([A-Za-z0-9._-]*==[^+ ]*\).*/\1/p' > build/tested.txt
	rm -f build/requirements.lock
	$(BIN)/pip-compile pyproject.toml $(LOCK_EXTRAS:%=--extra %) --constraint build/tested.txt \
	  --generate-hashes --strip-extras --allow-unsafe --quiet --output-file build/requirements.lock \
	  --no-annotate --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
	{ echo "# The dependencies of classifier-auditor with the extras $(LOCK_EXTRAS)."; \
	  $(BIN)/python -c 'import platform as p; print("# Made by `make lock` for", p.python_implementation(), \
	    ".".join(p.python_version_tuple()[:2]), "on", p.system(), p.machine() + ";")'; \
	  echo "# other systems may need further packages. Install them with"; \
	  echo "#   pip install --require-hashes -r requirements.lock"; \
	  echo "#   pip install --no-deps classifier-auditor"; \
	  cat build/requirements.lock; } > requirements.lock

# Known vulnerabilities of the pinned packages; asks a vulnerability service on the network.
pip-audit: $(STAMP)
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "auditor needs Python 3.11 or newer; $(PYTHON) is older: run make PYTHON=python3.12 …"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[demo,dev]'
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
