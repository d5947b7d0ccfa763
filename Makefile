# The commands that stay stable; `make help` lists them. Everything is set up in .venv and build/.
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
STAMPS := build/stamps
KERNEL_SOURCES := $(shell find kernels wire hil -name '*.pyx' -o -name '*.pxd' -o -name '*.h')
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Matrices are small: threads for linear algebra would spin beside each other.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help demo test proof detection bench bench-fusion board machine mca instructions figures sanitize pages fuzz lint clean \
	check-tools
.DEFAULT_GOAL := help

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMPS)/hil $(STAMPS)/kernels ## run the desktop emulation on the default scenario; ends by naming its report
	@.venv/bin/lookdown-hil run scenarios/default.toml --out build/demo

test: $(STAMPS)/dev $(STAMPS)/kernels ## run the tests (options in TESTS="...")
	@$(PY) -m pytest -m "not proof" $(TESTS)

proof: $(STAMPS)/proof $(STAMPS)/kernels ## run the long proofs: Monte Carlo against theory and peers
	@$(PY) -m pytest -m proof $(TESTS)

bench: $(STAMPS)/bench $(STAMPS)/kernels ## measure beside the peers: build/bench.json, docs/numbers.md
	@$(PY) -m pytest tests/bench -o python_files='bench_*.py' -q -s --benchmark-quiet --benchmark-json build/bench.json
	@! deploy/check-tools $(PYTHON) board || $(PY) -m tests.bench.mca build/mca.json
	@$(PY) -m tests.bench.numbers build/bench.json docs/numbers.md

detection: $(STAMPS)/dev $(STAMPS)/kernels ## the chain beside its peers on recordings: docs/detection-numbers.md
	@$(PY) -m tests.detection.stages
	@$(PY) -m tests.detection.compare

bench-fusion: $(STAMPS)/bench $(STAMPS)/kernels ## fusion beside Stone Soup: docs/fusion-numbers.md (PART=ingest: that table alone)
	@$(PY) -m tests.fusion.bench build/bench-fusion.json docs/fusion-numbers.md $(PART)

board: $(STAMPS)/dev $(STAMPS)/kernels ## cross-build for aarch64, test under emulation, pack: build/board (BOARD="--no-tests")
	@deploy/check-tools $(PYTHON) cross
	@$(PY) -m deploy.board $(BOARD)

machine: $(STAMPS)/dev $(STAMPS)/kernels ## install the bundle on a whole emulated machine, drive it with the rig (MACHINE="--keep")
	@deploy/check-tools $(PYTHON) machine
	@PATH="$$PATH:/usr/sbin" $(PY) -m deploy.board.trial $(MACHINE)

mca: $(STAMPS)/dev $(STAMPS)/kernels ## cycles per pixel on the board's processors, by model: docs/numbers.md
	@deploy/check-tools $(PYTHON) board
	@$(PY) -m tests.bench.mca build/mca.json
	@$(PY) -m tests.bench.numbers build/mca.json docs/numbers.md > /dev/null

instructions: $(STAMPS)/dev $(STAMPS)/kernels ## count the kernels' instructions anew: tests/kernels/instructions.toml
	@deploy/check-tools $(PYTHON) count
	@$(PY) -m tests.kernels.instructions

sanitize: $(STAMPS)/dev $(STAMPS)/kernels ## run the tests of compiled code under address and undefined-behaviour checks
	@deploy/sanitize $(PY) $(TESTS)

figures: $(STAMPS)/proof $(STAMPS)/kernels ## draw the figures of docs/simulator.md and docs/fusion.md
	@$(PY) -m tests.bench.figures_simulator
	@$(PY) -m tests.ground.stereo

lint: $(STAMPS)/dev $(STAMPS)/kernels ## ruff, cython-lint and strict mypy
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@PATH="$(CURDIR)/.venv/bin:$$PATH" cython-lint kernels wire hil
	@.venv/bin/mypy kernels wire geo flight ground hil

pages: $(STAMPS)/dev $(STAMPS)/kernels ## make docs/packets.md from the dictionary of packets
	@$(PY) -m lookdown.wire page > docs/packets.md

fuzz: $(STAMPS)/dev $(STAMPS)/kernels ## ten million mutated packets: none crashes, none is taken for another
	@$(PY) -m pytest -q tests/wire/test_fuzz.py --packets 10000000 --timeout 3600 $(TESTS)

clean: ## remove what was built (.venv stays)
	rm -rf build && find kernels wire hil -name '*.so' -delete

check-tools:
	@deploy/check-tools $(PYTHON)

$(PY): | check-tools
	@echo "== creating .venv with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install "setuptools>=80" wheel "cython>=3.1" "numpy>=2.0,<3"

# One stamp a set of libraries: installed once, and again only when the lists change.
$(STAMPS)/hil $(STAMPS)/dev $(STAMPS)/proof $(STAMPS)/bench: pyproject.toml | $(PY)
	@echo "== installing the libraries of lookdown[$(@F)] into .venv (once)"
	@mkdir -p $(STAMPS) && $(PY) deploy/requirements.py $(@F) > build/requirements-$(@F).txt
	@$(PY) -m pip install -r build/requirements-$(@F).txt
	@touch $@

$(STAMPS)/package: setup.py pyproject.toml | $(PY)
	@echo "== installing lookdown into .venv (once)"
	@LOOKDOWN_UNCOMPILED=1 $(PY) -m pip install --no-build-isolation --no-deps -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/kernels: $(KERNEL_SOURCES) $(STAMPS)/package
	@echo "== compiling what changed of the kernels (at first all; a few minutes on a small machine)"
	@$(PY) setup.py -q build_ext --inplace
	@mkdir -p $(STAMPS) && touch $@
