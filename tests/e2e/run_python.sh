#!/usr/bin/env bash
# Runs a test written in Python: run_python.sh SCRIPT [ARG...]
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$@"
