#!/usr/bin/env bash
# Run one test binary as RANKS processes; succeed only when every rank does.
#   mpi_launch.sh MPIRUN RANKS BINARY [ARG...]
set -euo pipefail
mpirun=$1 ranks=$2 binary=$3
shift 3
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"  # else every rank's pool is as large as the machine

# A folder of its own. OpenMPI names its session and its shared memory after mpirun's process id,
# which in Bazel's sandboxes, each with ids of its own, is the same number every time. The path is
# short, or sockets may not bind in it.
TMPDIR=$(TMPDIR=/tmp mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

unset XML_OUTPUT_FILE                 # never several writers of one report
limit=$(( ${TEST_TIMEOUT:-60} - 5 ))  # before Bazel does: the log then shows how far each rank came
timeout --kill-after=3 "$limit" "$mpirun" -n "$ranks" \
  --oversubscribe --bind-to none --tag-output \
  --mca btl self,vader --mca btl_vader_single_copy_mechanism none \
  --mca btl_vader_backing_directory "$TMPDIR" \
  --mca orte_abort_on_non_zero_status 1 "$binary" "$@"
