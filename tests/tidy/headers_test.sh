#!/usr/bin/env bash
# Each header of the folders without LibTorch compiles alone. (One with LibTorch costs seconds.)
set -euo pipefail
cd "$(dirname "$(readlink -f WORKSPACE)")"
mapfile -t headers < <(find core comm lineage -name '*.h' | sort)
[[ ${#headers[@]} -gt 0 ]]
read -ra flags <<<"$(mpicxx --showme:compile 2>/dev/null || true) -DOMPI_SKIP_MPICXX=1"
[[ ! -d ${CUDA_HOME:-/usr/local/cuda}/include ]] \
  || flags+=(-isystem "${CUDA_HOME:-/usr/local/cuda}/include")
export FLAGS="${flags[*]}"
# shellcheck disable=SC2016  # the inner shell expands it
printf '%s\0' "${headers[@]}" | xargs -0 -P 2 -I{} bash -c \
  'out=$(g++ -std=c++17 -fsyntax-only -x c++ -Wno-pragma-once-outside-header -I. $FLAGS {} 2>&1) \
   || { case $out in *nccl.h*No\ such*|*cuda*No\ such*) exit 0 ;; esac
        echo "{} does not compile alone:"; echo "$out"; exit 1; }'
echo "${#headers[@]} headers compile alone"
