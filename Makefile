# demo, test, check and bench make .venv when it is missing. A bare `make` prints the targets: it must not install 5 GB.
PYTHON ?= python3
BIN := .venv/bin
PROCESSES ?= auto
READY := .venv/ready
BENCHES := start loader memory step precision run gpu evaluate explain explain_memory

.PHONY: help demo test check docs bench notes
.DEFAULT_GOAL := help

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 8

demo: $(READY)  ## train, evaluate and explain on the phantom
	$(BIN)/chexpert demo

# Four processes at most, since each has torch in memory; the tests of a file share what is slow to make, so they stay together.
test: export PYTHONDONTWRITEBYTECODE =  # many processes are started: each would compile the package again
test: $(READY)  ## the fast tests, PROCESSES=1 one after another; slow ones: .venv/bin/pytest -m slow
	$(BIN)/pytest --numprocesses $(PROCESSES) --maxprocesses 4 --dist loadfile

check: $(READY)  ## style, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: export NO_MKDOCS_2_WARNING = 1  # of mkdocs-material, on a version that this project does not use
docs: $(READY)  ## the pages of docs/ as a site, in build/site
	$(BIN)/python -c 'import material, mkdocs_jupyter, mkdocstrings_handlers.python' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m chexpert.cli.reference_pages
	$(BIN)/python -m mkdocs build --strict

bench: $(READY)  ## ratios of interleaved runs on this machine, and outputs/bench/*.json; an hour and more
	for name in $(BENCHES); do $(BIN)/python scripts/benchmarks/bench_$$name.py --json outputs/bench/$$name.json || exit; done
	$(BIN)/python scripts/benchmarks/bench.py --json outputs/bench/bench.json

notes:  ## print the release notes of VERSION=0.1.0 from CHANGELOG.md
	@awk '/^## / {on = $$2 == version; next} on && (seen || NF) {print; seen = 1} \
		END {if (!seen) {print "error: VERSION=" version " is not in CHANGELOG.md" >"/dev/stderr"; exit 2}}' version=$(VERSION) CHANGELOG.md

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
