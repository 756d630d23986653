#!/usr/bin/env bash
# Runs tidy.py over the source tree: in a test's folder, WORKSPACE is a link that leads there.
set -euo pipefail
exec python3 tests/tidy/tidy.py "$(dirname "$(readlink -f WORKSPACE)")"
