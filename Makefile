# The README's two commands, `make quick` and `make test`, and what is needed besides.
PYTHON ?= python3.11
VENV := .venv
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: quick test report check lock clean-environment

## Install, then run the whole pipeline at its smallest scale (within 10 minutes on 2 cores).
quick: $(INSTALLED)
	snakemake --cores all all --configfile config/quick.yaml

## Install, then run the tests.
test: $(INSTALLED)
	pytest

## One HTML file of a finished run; of another: make report CONFIG=config/config.yaml REPORT=results/default/report.html
CONFIG ?= config/quick.yaml
REPORT ?= results/quick/report.html
report: $(INSTALLED)
	snakemake --report $(REPORT) --report-stylesheet workflow/report/report.css --configfile $(CONFIG)

## Format, lint, types, borders between the rooms, workflow.
check: $(INSTALLED)
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/quick.yaml

$(INSTALLED): requirements.lock requirements-no-deps.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Python 3.11 is needed and '$(PYTHON)' was not found." >&2; \
	  echo "Install it (e.g. 'apt-get install python3.11 python3.11-venv', pyenv, or conda) or name it: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "Python 3.11 is needed and '$(PYTHON)' is $$($(PYTHON) --version)." >&2; \
	  echo "Name the right one: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-no-deps.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

## Resolve requirements.in anew into requirements.lock (in a throw-away environment).
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --requirement requirements.in
	.venv-lock/bin/pip freeze --exclude setuptools | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean-environment:
	rm -rf $(VENV)
