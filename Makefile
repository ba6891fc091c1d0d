# What a person types: `make help` lists it. The first call of any target installs into .venv.
VENV := .venv
INSTALLED := $(VENV)/.installed
CONFIG ?= config/quick.yaml
REPORT ?= results/quick/report.html
PYTHON ?= python3.11
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install quick test report format check lock clean-environment

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
	  printf '%-18s %s\n' "$$name" "$$what"; done

install: $(INSTALLED) ## Install Python packages into .venv (1.8 GB, two minutes).

quick: $(INSTALLED) ## Run the whole pipeline at its smallest scale.
	snakemake --cores all all --configfile config/quick.yaml
	@ls results/quick/tables/main.md figures/quick/main.png

test: $(INSTALLED) ## Run the tests, a process for every hyperthread.
	pytest

report: $(INSTALLED) ## Make one HTML file of a finished run (CONFIG=config/quick.yaml REPORT=results/quick/report.html).
	snakemake --report $(REPORT) --report-stylesheet workflow/report/report.css --configfile $(CONFIG)

format: $(INSTALLED) ## Bring code and workflow into shape.
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow

check: $(INSTALLED) ## Check format, lint, types, borders between the rooms, workflow.
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/quick.yaml

lock: ## Resolve requirements.in anew into requirements.lock (in a throw-away environment).
	rm -rf .venv-lock
	$(call create,.venv-lock)
	$(call install,.venv-lock) --requirement requirements.in
	$(call freeze,.venv-lock) | grep -v '^setuptools==' | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean-environment: ## Remove .venv.
	rm -rf $(VENV)

# Where Python 3.11 comes from: $(PYTHON); or uv, which brings one, unless PYTHON was given by the caller; or nowhere.
IS_PYTHON_3_11 := import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))
UV := $(if $(filter file,$(origin PYTHON)),$(shell command -v uv))
ifeq ($(shell $(PYTHON) -c '$(IS_PYTHON_3_11)' 2>/dev/null && echo yes),yes)
  create = $(PYTHON) -m venv $(1)
  install = $(1)/bin/pip install --quiet --disable-pip-version-check
  freeze = $(1)/bin/pip freeze
else ifneq ($(UV),)
  # An environment that uv makes holds no pip. It must not ask whether to replace one that is there.
  create = UV_VENV_CLEAR=1 uv venv --quiet --python 3.11 $(1)
  install = uv pip install --quiet --python $(1)/bin/python
  freeze = uv pip freeze --quiet --python $(1)/bin/python
else
  create = @printf '%s\n' "$$NO_PYTHON" >&2; exit 1
  FOUND := $(shell if command -v $(PYTHON) >/dev/null; then echo "says $$($(PYTHON) --version 2>&1 | head -n 1)"; \
    else echo 'was not found'; fi)
define NO_PYTHON
Python 3.11 is needed, with its module venv, or uv, which brings it. '$(PYTHON)' $(FOUND). Any of these helps:
  uv      pipx install uv, or see https://docs.astral.sh/uv (needs no administrator, brings Python 3.11)
  conda   conda create --name python3.11 python=3.11 && conda activate python3.11
  pyenv   pyenv install 3.11 && pyenv shell 3.11
  apt     apt-get install python3.11 python3.11-venv
          (Ubuntu 24.04: after add-apt-repository ppa:deadsnakes/ppa. Debian 13 has none: take uv)
Then call make again, or name one that is there: make PYTHON=/path/to/python3.11
endef
export NO_PYTHON
endif

$(INSTALLED): requirements.lock requirements-no-deps.lock pyproject.toml
	$(call create,$(VENV))
	$(call install,$(VENV)) --requirement requirements.lock
	$(call install,$(VENV)) --no-deps --requirement requirements-no-deps.lock
	$(call install,$(VENV)) --no-deps --editable .
	touch $@
