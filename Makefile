# Everything a person or CI does here. A first call builds .venv by itself; a later one needs no network.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCHES := beats cost clock lan board link

.PHONY: demo test lint check c-library agreement fuzz system-test system-packages bench train telemetry-schema clean help
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+%?:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.main: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "k1edge needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "this Python has no ensurepip; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.main
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.train: $(VENV)/.main
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train]'
	@touch $@

demo: $(VENV)/.main ## a song, the whole daemon and a virtual node; no hardware needed
	$(BIN)/k1edge demo $(ARGS)

test: $(VENV)/.dev ## the tests that need nothing but Python
	$(BIN)/pytest -q -m 'not system' $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy, the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test c-library ## what must hold before a commit

c-library: ## the node's side in C, by every compiler that is here: its tests, sanitizers, size
	@if command -v gcc >/dev/null || command -v clang >/dev/null || command -v cc >/dev/null; then \
		$(MAKE) --no-print-directory -C firmware_bridge check; \
	else echo "skipped: the C library; no C compiler is installed (Debian: gcc libc6-dev)" >&2; fi

system-test: system-packages $(VENV)/.dev ## the whole program on real parts: sound server, PortAudio, systemd
	$(BIN)/pytest -m system $(ARGS) tests/system

system-packages: # what those parts need from Debian; asks for nothing when it is all there
	@tests/system/install_packages

telemetry-schema: $(VENV)/.main ## docs/{telemetry,uplink}.schema.json from the models, after a change to them
	$(BIN)/python -c 'import json; from k1edge.report.uplink_messages import uplink_schema; print(json.dumps(uplink_schema(), indent=1))' > docs/uplink.schema.json
	$(BIN)/python -c 'import json; from k1edge.report.telemetry import telemetry_schema; print(json.dumps(telemetry_schema(), indent=1))' > docs/telemetry.schema.json

bench: $(addprefix bench-,$(BENCHES)) ## every benchmark: figures as JSON lines, a table on stderr

bench-%: $(VENV)/.dev ## one of them: bench-beats, bench-cost, bench-clock, bench-lan, bench-board (ARGS=60 for 60 s of it)
	-@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.$* $(ARGS)

train: ## the weights of the network anew, MIDI=DIR FREE=DIR OUT=DIR: some hours (docs/training.md)
	@[ -n "$(MIDI)" ] && [ -n "$(FREE)" ] && [ -n "$(OUT)" ] || { echo "make train MIDI=DIR FREE=DIR OUT=DIR; docs/training.md says what they hold" >&2; exit 2; }
	@$(MAKE) --no-print-directory $(VENV)/.train
	$(BIN)/python -m tests.train --midi "$(MIDI)" --free "$(FREE)" --out "$(OUT)" $(ARGS)

agreement: $(VENV)/.dev ## C and Python node side by side, then Python and C over a pty: 100,000 exchanges each
	$(BIN)/python -m tests.firmware_bridge.agreement

fuzz: $(VENV)/.dev ## wild bytes: 10,000,000 lives of the C node (half an hour), 1,000,000 streams for Python's decoder
	$(MAKE) --no-print-directory -C firmware_bridge fuzz RUNS=10000000
	$(BIN)/python -m tests.link.k1link.fuzz

clean: ## remove what make built
	rm -rf firmware_bridge/build $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
