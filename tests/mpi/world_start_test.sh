#!/usr/bin/env bash
# How a job of two ranks starts and ends, seen from outside.
#   world_start_test.sh LAUNCH MPIRUN BINARY
set -uo pipefail
launch=$1 mpirun=$2 binary=$3
failed=0

# row NUMBER NAME RANKS FAILED: the line for the table of conformance rows.
row() {
  local verdict=pass
  [[ $4 == 0 ]] || verdict=fail
  echo "conformance row $1 conformance_$1_$2 node-shared $3 $verdict"
}

# expect CASE EXIT_CODE TEXT
expect() {
  local out code
  wrong=0
  out=$("$launch" "$mpirun" 2 "$binary" "$1" 2>&1)
  code=$?
  if [[ $code != "$2" || $out != *"$3"* ]]; then
    echo "$1: expected exit $2 and '$3', got exit $code and:"
    echo "$out"
    failed=1 wrong=1
  fi
}

expect open 0 "2 ranks on 1 host, backend node-shared, order rank: closed"
expect abort 75 "stemma: rank 1 of 2 on $(hostname) ends the job: peer lost: had enough"
expect check 1 "check failed: 1 + 1 == 3: arithmetic"
expect differ 1 "incompatible: build differs: rank {0} a, rank {1} b"
row 07 programs_that_differ_do_not_start 2 "$wrong"
expect absent 75 "rank 0: MPI_Init did not return within 2 s"
row 08 a_rank_that_never_arrives_is_a_time_out 2 "$wrong"

# What a task of srun finds where MPI does not know srun's plugin and starts worlds of one.
text="srun started 4 ranks (SLURM_STEP_NUM_TASKS=4), but MPI sees 1"
out=$(SLURM_STEP_NUM_TASKS=4 SLURM_MPI_TYPE=other \
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$binary" open 2>&1)
code=$?
wrong=0
if [[ $code != 2 || $out != *"$text"* ]]; then
  echo "size: expected exit 2 and '$text', got exit $code and: $out"
  failed=1 wrong=1
fi
# The same for two ranks of a host, of which one is still in MPI_Init when the other gives up: it
# must not take that for a death, for which the same command would be run again.
text="srun started 2 ranks (SLURM_STEP_NUM_TASKS=2), but MPI sees 1"
task() {
  SLURM_STEP_ID="world_start_test.$$" SLURM_STEP_NUM_TASKS=2 SLURM_MPI_TYPE=other \
    SLURM_PROCID=$1 SLURM_LOCALID=$1 START_LATE=$2 \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$binary" open 2>&1
}
task 0 2 > /dev/null &
out=$(task 1 5)
code=$?
wait
if [[ $code != 2 || $out != *"$text"* || $out == *"is gone"* ]]; then
  echo "late: expected exit 2 and '$text', got exit $code and: $out"
  failed=1 wrong=1
fi
row 03 worlds_of_one_in_place_of_many 4 "$wrong"
exit $failed
