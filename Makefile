# Each target makes .venv when it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check bench

demo: $(READY)  ## train, judge and explain on the phantom
	$(BIN)/python train.py experiment=demo

test: $(READY)  ## the fast tests; slow ones: .venv/bin/pytest -m slow
	$(BIN)/pytest

check: $(READY)  ## style, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## speed and memory of loading, training, judging and explaining on this machine
	$(BIN)/python scripts/bench_loader.py
	$(BIN)/python scripts/bench_memory.py
	$(BIN)/python scripts/bench_evaluate.py
	$(BIN)/python scripts/bench_explain.py
	$(BIN)/python scripts/bench_explain_memory.py
	$(BIN)/python scripts/bench.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
