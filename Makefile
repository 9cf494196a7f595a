# demo, test, check and bench make .venv when it is missing. A bare `make` prints the targets: it must not install 5 GB.
PYTHON ?= python3
BIN := .venv/bin
PROCESSES ?= auto
READY := .venv/ready
LOWEST ?= python3.11
PYTESTS = pytest --numprocesses $(PROCESSES) --maxprocesses 4 --dist loadfile
COMPILE := .venv-lock/bin/uv pip compile --quiet --no-config --no-annotate --custom-compile-command 'make lock' --extra dev pyproject.toml
NOTEBOOKS := $(wildcard docs/notebooks/*.ipynb)
BENCHES := start loader memory step precision run gpu evaluate explain explain_memory counterfactuals label_audit

.PHONY: help demo test check floor latest lock docs bench notes
.DEFAULT_GOAL := help

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 8

demo: $(READY)  ## train, evaluate and explain on the phantom
	$(BIN)/chexpert demo

# Four processes at most, since each has torch in memory; the tests of a file share what is slow to make, so they stay together.
test floor latest: export PYTHONDONTWRITEBYTECODE =  # many processes are started: each would compile the package again
test: $(READY)  ## the fast tests, PROCESSES=1 one after another; slow ones: .venv/bin/pytest -m slow
	$(BIN)/$(PYTESTS)

check: $(READY)  ## style, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: export NO_MKDOCS_2_WARNING = 1  # of mkdocs-material, on a version that this project does not use
docs: $(NOTEBOOKS:docs/%=build/%)  ## the pages of docs/ as a site, in build/site
	$(BIN)/python -m chexpert.cli.reference_pages
	$(BIN)/python -m mkdocs build --strict

build/docs-ready: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	mkdir -p build && touch $@

build/notebooks/%.ipynb: docs/notebooks/%.ipynb build/docs-ready
	$(BIN)/python scripts/docs/execute_notebook.py $< $@

# Old releases use what newer ones of other packages deprecate: such a warning is no error of this project.
floor: .venv-floor/ready  ## the fast tests with the lowest version of each dependency that pyproject.toml allows
	.venv-floor/bin/$(PYTESTS) -W ignore::DeprecationWarning

latest:  ## the fast tests with the newest versions that pyproject.toml allows, as of now
	$(PYTHON) -m venv .venv-latest
	.venv-latest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable '.[dev]'
	.venv-latest/bin/$(PYTESTS)

# uv keeps a version that the written file has, unless --upgrade is given.
lock:  ## write constraints/ again, after a change of pyproject.toml or constraints.txt
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv==0.13.9
	for minor in 11 12 13; do $(COMPILE) --python-version 3.$$minor --universal --generate-hashes \
		--constraint constraints.txt --output-file constraints/py3$$minor.txt || exit; done
	$(COMPILE) --python-version 3.11 --upgrade --resolution lowest-direct --output-file constraints/floor.txt

bench: $(READY)  ## ratios of interleaved runs on this machine, and outputs/bench/*.json; an hour and more
	for name in $(BENCHES); do $(BIN)/python scripts/benchmarks/bench_$$name.py --json outputs/bench/$$name.json || exit; done
	$(BIN)/python scripts/benchmarks/bench.py --json outputs/bench/bench.json

notes:  ## print the release notes of VERSION=0.1.0 from CHANGELOG.md
	@awk '/^## / {on = $$2 == version; next} on && (seen || NF) {print; seen = 1} \
		END {if (!seen) {print "error: VERSION=" version " is not in CHANGELOG.md" >"/dev/stderr"; exit 2}}' version=$(VERSION) CHANGELOG.md

# pip has no hashes in a constraints file beside an editable install, so the locked versions are requirements.
$(READY): pyproject.toml constraints.txt $(wildcard constraints/py*.txt)
	$(PYTHON) -m venv .venv
	lock=constraints/py$$($(BIN)/python -c 'import sys; print("%d%d" % sys.version_info[:2])').txt; \
	if [ -f $$lock ]; then $(BIN)/python -m pip install --quiet --require-hashes --requirement $$lock && \
		$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	else $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'; fi
	touch $@

.venv-floor/ready: pyproject.toml constraints/floor.txt
	$(LOWEST) -m venv .venv-floor
	.venv-floor/bin/python -m pip install --quiet --constraint constraints/floor.txt --editable '.[dev]'
	touch $@
