# Two commands for everybody (`make demo`, `make test`), and the pieces that they are made of. The
# environment is .venv; a stamp in it says what is installed, so that a second run starts at once.
#   make install EXTRAS=cuda                                        a call on an NVIDIA card
#   make test TORCH_INDEX=https://download.pytorch.org/whl/cpu      torch without CUDA, a tenth of the download
#   make demo VIDEO=clip.mp4                                        your own clip instead of the portrait
PYTHON ?= python3
EXTRAS ?=
TORCH_INDEX ?=
VIDEO ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
comma := ,
extras := $(addprefix $(comma),$(EXTRAS))
installed := $(VENV)/.installed$(subst $(comma),-,$(extras))

.PHONY: help install install-dev demo test test-call test-models test-rest lint format clean

help:
	@echo "make demo          set up and hold a call with itself; writes out/demo.mp4 and out/demo.html"
	@echo "make test          set up everything and run the tests"
	@echo "make install       what a call needs, into $(VENV)"
	@echo "make install-dev   what tests, benches and training need besides"
	@echo "make lint          ruff, mypy, import contracts"

install: $(installed)
install-dev: $(installed)-dev

$(BIN)/python:
	@$(PYTHON) .ci/make_environment.py $(VENV)

$(installed): pyproject.toml | $(BIN)/python
	@echo "Installing what a call needs into $(VENV)"
	@$(PIP) install --editable '.$(if $(EXTRAS),[$(EXTRAS)])'
	@touch $@

$(installed)-demo: pyproject.toml | $(BIN)/python
	@echo "Installing a call and the demo's portrait into $(VENV)"
	@$(PIP) install --editable '.[demo$(extras)]'
	@touch $@ $(installed)

$(installed)-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing everything into $(VENV): torch is large, this takes minutes"
	@$(PIP) install --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--editable '.[dev$(extras)]'
	@touch $@ $(installed)-demo $(installed)

demo: $(installed)-demo
	@$(BIN)/visavis demo --overwrite $(if $(VIDEO),"$(VIDEO)") $(ARGS)

# Processes beside each other. Training's libraries and a call's each bring runtimes of their own (OpenMP, TBB, FFmpeg),
# and in one process a run of the whole suite has crashed; and what holds calls in real time waits much, so that there
# are two of it, while what computes gives way to them a little.
test: $(installed)-dev
ifeq ($(ARGS),)
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=line test-call test-models test-rest lint
else
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest $(ARGS)
endif

test-call:
	$(BIN)/python -m pytest tests/call --numprocesses=2 --dist=loadfile

test-models:
	nice -n 3 $(BIN)/python -m pytest tests/models

test-rest:
	$(BIN)/python -m pytest --ignore=tests/call --ignore=tests/models

lint: $(installed)-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(installed)-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
