#!/usr/bin/env bash
# A machine's file that was changed without tools/gen/scale_data.py.
set -euo pipefail
generator=tools/gen/scale_data.py
python3 "$generator" --check .
changed=$(mktemp -d)
mkdir -p "$changed/tools"
cp -rL tools/scale "$changed/tools/scale"
chmod -R u+w "$changed"
echo "# one more line" >>"$changed/tools/scale/systems/hal.toml"
if python3 "$generator" --check "$changed" >"$changed/out"; then
  echo "the check does not notice a changed machine"
  exit 1
fi
grep -q "run it" "$changed/out"
rm -r "$changed"
