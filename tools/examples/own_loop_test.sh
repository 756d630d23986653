#!/usr/bin/env bash
# The example for people who own their loop learns, and ends with the line that it promises.
set -euo pipefail
launch=$1 mpirun=$2 binary=$3
output=$("$launch" "$mpirun" 2 "$binary")
echo "$output"
last=$(echo "$output" | tail -n 1)
# sin(x) has a mean square of about 0.5 here; a network that learned is far below a hundredth of it.
[[ $last =~ 300\ steps,\ 2\ ranks.*:\ loss\ 0\.00[0-9]{4}$ ]] || {
  echo "not the expected last line: $last" >&2
  exit 1
}
