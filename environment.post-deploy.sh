#!/usr/bin/env bash
# Run by snakemake after it has made environment.yml for `--software-deployment-method conda`: the two packages
# that must be installed without their dependencies (see requirements-no-deps.lock).
set -euo pipefail
pip install --no-deps safety-gymnasium==0.4.0 dsrl==0.1.0
