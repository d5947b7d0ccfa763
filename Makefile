# The commands that stay stable; `make help` lists them. Everything is set up in .venv and build/.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := $(shell find kernels wire geo flight ground hil -name '*.pyx' -o -name '*.pxd' 2>/dev/null)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test bench lint clean check-tools
.DEFAULT_GOAL := help

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check-tools:
	@deploy/check-tools $(PYTHON)

# A stamp a set of dependencies: what is installed is installed once, again only when its list changes.
build/stamps/%: setup.py pyproject.toml | check-tools
	@test -x $(PY) || { echo "== creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "== installing lookdown[$*] into $(VENV) (once; a few minutes on a small board)"
	@$(PY) -m pip install -q --progress-bar on "setuptools>=80" "cython>=3.1" "numpy>=2.0,<3" wheel
	@$(PY) -m pip install --progress-bar on -q --no-build-isolation -e ".[$*]"
	@mkdir -p build/stamps && touch $@ build/stamps/kernels

build/stamps/kernels: $(SOURCES)
	@echo "== compiling the kernels"
	@$(PY) setup.py -q build_ext --inplace
	@mkdir -p build/stamps && touch $@

demo: build/stamps/hil build/stamps/kernels ## run the desktop emulation on the default scenario; ends by naming its report
	@$(VENV)/bin/lookdown-hil run scenarios/default.toml --out build/demo

test: build/stamps/dev build/stamps/kernels ## run the tests
	@$(PY) -m pytest -m "not proof" tests $(TESTS)

bench: build/stamps/bench build/stamps/kernels ## measure kernels and chains beside their peers; writes build/bench.json and docs/numbers.md
	@$(PY) -m pytest tests/bench --benchmark-json build/bench.json

lint: build/stamps/dev ## ruff, cython-lint and strict mypy
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@$(VENV)/bin/cython-lint kernels
	@$(VENV)/bin/mypy kernels wire geo flight ground hil

clean: ## remove what was built (.venv stays)
	rm -rf build && find kernels hil -name '*.so' -delete
