# Two commands set everything up: `make demo` shows what Huabi does, `make test` checks that it does it.
PYTHON ?= python3
VENV ?= .venv
# Another index for torch's wheels, such as one with CUDA or CPU builds: `make install TORCH_INDEX=<its URL>`.
TORCH_INDEX ?=

BIN := $(VENV)/bin
PLAIN := $(VENV)/.plain
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-slow install browser clean

# What the demo trains on: a built-in set, or a folder of pictures of your own.
DATA ?= world:styles=flat,size=32,n=4000

demo: $(PLAIN)
	$(BIN)/huabi inspect $(DATA) --no-forecast
	rm -rf demo/run
	$(BIN)/huabi train diffusion $(DATA) --budget 140s --out demo/run
	$(BIN)/huabi sample demo/run --n 40 --out demo/pictures --grid demo/pictures.png
	$(BIN)/huabi imagine "a red pagoda under a yellow moon, ink wash, calm" --out demo/pagodas --grid demo/pagodas.png
	@echo "new pictures: $(CURDIR)/demo/pictures.png, and of words: $(CURDIR)/demo/pagodas.png"

test: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: install
	$(BIN)/python -m pytest -m slow

install: $(STAMP) browser

# The browser that the studio is tested in: Debian's, where this may install it; without one those tests are skipped.
browser:
	@if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null \
			|| echo "chromium could not be installed: the studio is not tested in a browser"; fi

$(PLAIN): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	$(PIP) -c constraints.txt -e .
	touch $@

$(STAMP): $(PLAIN)
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@

.PHONY: bench-env
BENCH_PIP := .bench/bin/python -m pip install --quiet --disable-pip-version-check

# The peers that bench/quality.py and bench/metrics.py compare Huabi with, in an environment of their own.
bench-env: .bench/.installed

.bench/.installed: pyproject.toml constraints.txt bench/requirements.txt
	test -x .bench/bin/python || $(PYTHON) -m venv .bench
	$(BENCH_PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	$(BENCH_PIP) -c constraints.txt -e .
	$(BENCH_PIP) --no-deps -r bench/requirements.txt
	touch $@

.PHONY: test-ray
RAY_PIP := .ray/bin/python -m pip install --quiet --disable-pip-version-check

# Replicas on Ray, in an environment of their own: it brings some 70 packages that nothing else needs.
test-ray: .ray/.installed
	.ray/bin/python -m pytest -m ray tests/test_serve_crowd.py

.ray/.installed: pyproject.toml constraints.txt
	test -x .ray/bin/python || $(PYTHON) -m venv .ray
	$(RAY_PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	$(RAY_PIP) -c constraints.txt -e '.[scale]' hypothesis openai pytest
	touch $@

.PHONY: test-postgres

# Fronts that share a database: Debian's PostgreSQL, where this may install it.
test-postgres: install
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; fi
	$(PIP) -c constraints.txt 'psycopg[binary]'
	$(BIN)/python -m pytest -m postgres tests/test_serve_shared.py

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
