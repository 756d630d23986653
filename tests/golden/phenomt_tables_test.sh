#!/usr/bin/env bash
# A number table that was edited by hand, or not generated after a change of the JSON.
set -euo pipefail
data=tests/golden/data/gw tables=models/aigw/phenomt_tables.cc generator=tools/gen/phenomt_tables.py
python3 "$generator" "$data" "$tables" --check
changed=$(mktemp)
sed '0,/1\.0/s//1.5/' "$tables" >"$changed"
if python3 "$generator" "$data" "$changed" --check >"$changed.out"; then
  echo "the check does not notice a changed number"
  exit 1
fi
grep -q "run tools/gen/phenomt_tables.py" "$changed.out"
