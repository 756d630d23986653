#!/usr/bin/env bash
# Buckets of 100 MB where /dev/shm has 64 MB, as in many containers.
#   small_shm_test.sh MPIRUN BINARY
set -uo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
TMPDIR=$(TMPDIR=/tmp mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
failed=0

in_64mb() {  # the command, in a mount namespace of its own
  unshare --user --map-root-user --mount sh -c \
    'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"' sh "$@"
}

size=$(in_64mb df --output=size -k /dev/shm | tail -1)
if [[ $((size)) != 65536 ]]; then
  echo "/dev/shm of 64 MB could not be mounted, it has $size kB"
  exit 1
fi
for backend in node-shared mpi; do
  verdict=pass
  out=$(in_64mb timeout 50 "$1" -n 2 --oversubscribe --bind-to none "$2" "$backend" 2>&1)
  code=$?
  if [[ $code != 0 || $out != *"$backend reduced 100 MB"* ]]; then
    echo "$backend: exit $code and: $out"
    verdict=fail failed=1
  fi
  echo "conformance row 82 conformance_82_buckets_larger_than_dev_shm $backend 2 $verdict"
done
exit "$failed"
