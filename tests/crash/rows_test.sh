#!/usr/bin/env bash
# Checks the table over the source tree: in a test's folder, WORKSPACE is a link that leads there.
set -euo pipefail
exec python3 tests/crash/rows_test.py "$(dirname "$(readlink -f WORKSPACE)")/tests/crash"
