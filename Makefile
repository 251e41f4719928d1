# Two commands do everything on a fresh machine with Python 3.11, make and a C compiler:
#   make demo   pictures to a C program that detects, with the proof; opens as demo/report.html
#   make test   lint, types and the whole test suite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RELEASE := .venv-release
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all docs fuzz lint install-demo install-dev install-release \
	system-packages release audit clean

demo: install-demo
	$(BIN)/tatami demo --out demo

test: install-dev lint
	$(BIN)/pytest -q -n 2 --dist worksteal -m "not slow"

test-all: install-dev lint
	$(BIN)/pytest -q

# Pages made of the source, then the site: build/site/index.html.
docs: install-dev
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html \
		-d build/doctrees docs build/site

# A minute of libFuzzer on each thing that a shipped program takes from outside; needs clang.
fuzz: install-dev
	TATAMI_FUZZ_SECONDS=60 $(BIN)/pytest -q -n 0 tests/ship/test_c_fuzz.py

# A wheel, a source distribution, a bill of materials and their sums, in dist/: the same bytes from
# the same commit.
release: install-release
	$(RELEASE)/bin/python .ci/release.py dist

# Ask the Python Packaging Advisory Database for known flaws of what is pinned; needs the network.
audit: install-release
	$(RELEASE)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

lint: install-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

install-demo: $(VENV)/.demo
install-dev: $(VENV)/.dev

install-release: $(RELEASE)/.done

$(RELEASE)/.done: Makefile
	test -x $(RELEASE)/bin/python || $(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --disable-pip-version-check \
		build==1.6.1 setuptools==84.2.1 cyclonedx-bom==7.5.0 pip-audit==2.10.1
	touch $@

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.demo

# Tests that need one of these skip, and say so, where it is absent.
system-packages:
	apt-get update -qq
	apt-get install -qq --yes --no-install-recommends clang libclang-rt-14-dev \
		gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross \
		gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user \
		gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
		lld wasi-libc libclang-rt-14-dev-wasm32 nodejs chromium cmake \
		fonts-ipafont fonts-noto-cjk postgresql

clean:
	rm -rf $(VENV) $(RELEASE) demo build dist .mypy_cache .pytest_cache .ruff_cache
