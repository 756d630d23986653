#!/usr/bin/env bash
# A download that is not the pinned one must never be unpacked, and --check must change nothing.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() { echo "FAILED: $1"; failed=1; }
unpack() { python3 tools/workspace/unpack_wheel.py "$@"; }
setup() { HOME=$work/home CUDA_HOME=/nowhere LIBTORCH_HOME='' tools/setup "$@" 2>&1; }

mkdir -p "$work/home" "$work/wheels/pkg" "$work/bad"
echo hello >"$work/wheels/pkg/file"
wheel=$work/wheels/pkg-1.0-py3-none-any.whl
(cd "$work/wheels" && python3 -m zipfile -c "$wheel" pkg)
sha=$(sha256sum "$wheel" | cut -d' ' -f1)

echo "-- the right file is unpacked, twice the same, and marked"
for _ in 1 2; do
  unpack "$wheel" "$sha" "$work/good" || fail "refused the right file"
done
[[ $(cat "$work/good/pkg/file") == hello ]] || fail "not unpacked"
[[ $(cat "$work/good/.unpacked/pkg-1.0") == "$sha" ]] || fail "not marked"
[[ -z $(find "$work/good" -name '.part*') ]] || fail "left a part behind"

echo "-- one byte more is refused, and nothing is unpacked"
cp "$wheel" "$work/bad/"
printf x >>"$work/bad/pkg-1.0-py3-none-any.whl"
said=$(unpack "$work/bad/pkg-1.0-py3-none-any.whl" "$sha" "$work/refused" 2>&1) && fail "took it"
[[ $said == *"SHA-256 is"*"wanted $sha"* ]] || fail "does not say why: $said"
[[ ! -e $work/refused ]] || fail "unpacked a wrong file"

echo "-- tools/setup refuses a wheel with a pinned name and other bytes"
cp "$wheel" "$work/wheels/torch-2.11.0-cp311-cp311-any.whl"
said=$(setup --wheels "$work/wheels") && fail "took it: $said"
[[ $said == *"SHA-256 is"* ]] || fail "does not say why: $said"
[[ ! -e $work/home/.cache/stemma/torch-2.11.0/pkg ]] || fail "unpacked a wrong wheel"

echo "-- --check reports, fails and changes nothing"
rm -rf "$work/home/.cache"
said=$(setup --check) && fail "nothing is there, yet it is content"
[[ $said == *"missing: torch 2.11.0"* ]] || fail "does not name what is missing: $said"
[[ ! -e $work/home/.cache ]] || fail "--check wrote something"

echo "-- a LIBTORCH_HOME without LibTorch is an error that names it"
said=$(HOME=$work/home LIBTORCH_HOME=/nowhere tools/setup --check 2>&1) && fail "took it"
[[ $said == *"LIBTORCH_HOME=/nowhere"* ]] || fail "does not name it: $said"

echo "-- every download has a version and a SHA-256"
grep -vE '^#|^$' tools/workspace/wheels.txt \
  | grep -vE '^[a-z0-9-]+ +[0-9.]+ +[0-9a-f]{64} +[0-9]+ +(always|bare|toolkit)$' \
  && fail "a line of wheels.txt is not pinned"

exit "$failed"
