# One way to do each thing, the same on every machine: a Python of 3.11 or newer and make are all it takes.
#
#   make run         serve the demo from configs/production.toml; Ctrl-C ends it
#   make test-unit   unit tests: half a minute
#   make test        every test that takes seconds        make test ARGS="-k paste"   some of them
#   make test-long   also the tests that take minutes
#   sudo make test-pythons   the tests on 3.14, 3.15 and 3.13t, made from Debian's packages        PYTHONS="3.15" one of them
#   make test-windows  tests on CPython for Windows, which Wine runs
#   make coverage    unit and property tests with branch coverage, as a table by room; fails below the floor
#   make check       style, types, and whether generated files are up to date
#   make bench       wiverno beside its peers             make bench-quick            two loads in a minute
#   make docs        write the generated pages, and the site from docs/ into build/docs
#   make lock        choose newer versions: writes constraints.txt
#   make clean       remove everything that these targets made
#
# Each target installs what it needs into .venv, and again only when pyproject.toml or constraints.txt changed; the
# benchmark's peers have a separate environment, benchmarks/.venv.
# PYTHON=/path/to/python3.12 chooses the interpreter that .venv is made with.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALL := $(PIP) install --quiet --disable-pip-version-check --constraint constraints.txt
GENERATED := docs/settings.md configs/wiverno.schema.json
ARGS ?=
PYTHON ?=
UNIT := tests/unit
PROPERTY := tests/property
PYTHONS := 3.14 3.15 3.13t
# The report, not pytest, fails below the floor: a failed test is a failed test.
MEASURE := --cov --cov-report= --cov-fail-under=0

# Without a home directory pip and pytest would write to the root of the file system.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/$(VENV)
endif

.PHONY: run test test-unit test-long test-windows test-pythons coverage check bench bench-quick docs lock clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed-run
	@$(BIN)/wiverno run --config configs/production.toml $(ARGS)

test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest $(ARGS)

test-unit: $(VENV)/.installed-test
	@$(BIN)/python -m pytest $(UNIT) $(ARGS)

coverage: $(VENV)/.installed-test
	@$(BIN)/python -m pytest $(UNIT) $(PROPERTY) $(MEASURE) $(ARGS)
	@$(BIN)/python -m tests.support.coverage_report

# The fuzzer is worth having, but it does not build everywhere: without it the same tests run unguided and say so.
# Debian's wine64 and gcc-mingw-w64-x86-64 are needed; everything else is in .venv/windows. CI: nothing is left out.
test-windows: $(VENV)/.installed-test
	@$(BIN)/python -m tests.windows.environment
	@CI=true $(BIN)/python -m pytest -m long -n2 tests/windows $(ARGS)

test-long: $(VENV)/.installed-test
	@$(INSTALL) --group fuzz || echo "warning: the fuzzer does not install here" >&2
	@$(BIN)/python -m tests.windows.environment || echo "warning: without a Windows environment its tests are left out" >&2
	@$(BIN)/python -m pytest -m "long or not long" $(ARGS)

# Not .venv's Python: each version has an environment of its own, below build/pythons or where PYTHONS_DIR says.
test-pythons:
	@bash tests/pythons/run $(PYTHONS) -- $(ARGS)

check: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/python -m wiverno.config.output.reference_page --check $(GENERATED)
	$(BIN)/python -m wiverno.cli.command_page --check docs/commands.md

bench: $(VENV)/.installed-run
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/.installed-run
	$(BIN)/python -m benchmarks --quick $(ARGS)

docs: $(VENV)/.installed-docs
	$(BIN)/python -m wiverno.config.output.reference_page $(GENERATED)
	$(BIN)/python -m wiverno.cli.command_page docs/commands.md
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "Open build/docs/index.html"

clean:
	rm -rf $(VENV) benchmarks/.venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Python explains a missing ensurepip itself; this explains a missing interpreter.
$(BIN)/python:
	@for candidate in $(PYTHON) $(if $(PYTHON),,python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "error: no Python 3.11 or newer found$(if $(PYTHON), as $(PYTHON)); install one, or name it: make run PYTHON=/path/to/python3.12" >&2; \
	    exit 2; \
	fi; \
	"$$found" -m venv $(VENV)

# Dependency groups (PEP 735) need pip 25.1; the pip that came with Python is often older.
$(VENV)/.pip: | $(BIN)/python
	@$(PIP) install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed-run: pyproject.toml constraints.txt | $(VENV)/.pip
	@echo "Installing wiverno into $(VENV) ..."
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test $(VENV)/.installed-check $(VENV)/.installed-docs: \
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/.pip
	@echo "Installing wiverno and the tools of the group '$*' into $(VENV) ..."
	@$(INSTALL) --group $* --editable '.[templates,metrics,http2,models,sessions]'
	@touch $@

# A fresh environment with every group, written down: names and versions only, no index and no path.
lock:
	rm -rf $(VENV)/lock
	$(MAKE) $(VENV)/.pip
	$(BIN)/python -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV)/lock/bin/python -m pip install --quiet --group test --group check --group fuzz --group docs --editable '.[templates,metrics,http2,models,sessions]'
	{ echo "# Exact versions of every tool and dependency that the Makefile installs; made by \`make lock\`."; \
	  $(VENV)/lock/bin/python -m pip freeze --exclude-editable; } > constraints.txt.new
	mv constraints.txt.new constraints.txt
	rm -rf $(VENV)/lock
