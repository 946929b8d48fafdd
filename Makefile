# Everything runs in .venv, which `make setup` builds from the hashed requirements.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --require-hashes

.PHONY: help setup serve demo browse loop browse-loop test test-long test-duckdb training lint format bench lock clean

help:  ## Show these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(VENV)/.core  ## Build .venv with what Gleaner runs on

serve: $(VENV)/.core  ## Run web server, worker and beat until Ctrl-C; PORT=8001 for another port
	@$(BIN)/python -m project_settings.serve

demo: $(VENV)/.core  ## See the whole way of the data, with no key and no server; CONVERSATIONS=FOLDER replays your own
	$(BIN)/python -m demo $(CONVERSATIONS)

loop: $(VENV)/.training  ## Train a small model on calls, and let it answer them: minutes on a CPU, nothing is downloaded but libraries
	@$(BIN)/python -m demo.loop

browse-loop: $(VENV)/.training  ## Look at what the loop made in the admin; PORT=8001 for another port
	@$(BIN)/python -m demo.browse --loop

browse: $(VENV)/.core  ## Look at the demo's examples in the admin; PORT=8001 for another port
	$(BIN)/python -m demo.browse

test: $(VENV)/.dev  ## Run the tests on all cores; ARGS="-k spool" picks some
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(VENV)/.dev  ## Kill writers, drains and archive runs at least 200 times
	$(BIN)/python -m pytest tests/faults tests/unit/continuous_training/redaction/test_hostile.py --long $(ARGS)

test-duckdb: $(VENV)/.dev  ## Open a chunk with other releases of DuckDB, each in an environment of its own
	$(BIN)/python -m tests.duckdb_releases

training: $(VENV)/.training  ## Add to .venv what fine-tunes models on this machine (torch, transformers, peft, trl)

lint: $(VENV)/.dev  ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## Measure, beside what people use today; writes docs/benchmarks/
	$(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/.dev  ## Compile requirements*.in anew, with hashes
	$(BIN)/pip --disable-pip-version-check install --quiet uv
	for name in requirements requirements-dev requirements-bench; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--excludes requirements-excludes.txt $$name.in --output-file $$name.txt || exit 1; \
	done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--excludes requirements-training-excludes.txt \
		requirements-training.in --output-file requirements-training.txt

clean:  ## Remove what make built; captured data stays
	rm -rf $(VENV) .venv-* .demo .loop .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Gleaner needs Python 3.11 or later; name one: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python requirements.txt
	$(PIP) --requirement requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.core requirements-dev.txt
	$(PIP) --no-deps --requirement requirements-dev.txt
	touch $@

# Its dependencies come with hashes; torch itself comes as this machine has it, see requirements-training.in.
$(VENV)/.training: $(VENV)/.core requirements-training.txt
	$(BIN)/pip --disable-pip-version-check install --quiet "$$(grep -o '^torch==[0-9.]*' requirements-training.in)"
	$(PIP) --no-deps --requirement requirements-training.txt
	touch $@

$(VENV)/.bench: $(VENV)/.core requirements-bench.txt
	$(PIP) --no-deps --requirement requirements-bench.txt
	touch $@
