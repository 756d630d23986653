"""The lineage's figures: what a state costs to keep and to bring back, beside what the disk can do.

The store lies in $STEMMA_BENCH_DIR, else in the folder for temporary files: a disk, not a tmpfs,
or the figures are of memory.
"""

import functools
import json
import os
import re
import statistics
import tempfile

from figure_base import Figure, built, run


@functools.lru_cache(maxsize=None)
def _state_bench(ranks):
    """{name: (values, reference)}; all figures of one number of ranks come from one process."""
    folder = os.environ.get("STEMMA_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="stemma.", dir=folder) as at:
        text = run([built("//tools/bench:state_bench"), at, ranks], timeout=600)
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {row["name"]: (row["values"], row["reference"]) for row in rows}


def bytes_ratio():
    """The most of any number of ranks; the reference is that of one rank."""
    ratios = [statistics.median(_state_bench(ranks)["bytes_ratio"][0]) for ranks in (1, 2, 4)]
    return [max(ratios)], ratios[0]


@functools.lru_cache(maxsize=None)
def _family_bench():
    folder = os.environ.get("STEMMA_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="stemma.", dir=folder) as at:
        text = run([built("//tools/bench:family_bench"), at], timeout=600)
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {row["name"]: (row["values"], row["reference"]) for row in rows}


def verify_rate():
    """One thread, from the page cache; the reference is XXH3 over memory in the same process."""
    values, digests = [], []
    program = built("//tools/bench:verify_bench")
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
            text = run([program, folder])
        values.append(float(re.search(r"^verify ([0-9.]+) GB/s", text, re.M).group(1)))
        digests.append(float(re.search(r"^xxh3 of memory ([0-9.]+) GB/s", text, re.M).group(1)))
    return values, statistics.median(digests)


FIGURES = [
    Figure("save_limit_share", "%", 90, False,
           "a capture until it is durable, ResNet-50 with LAMB, 2 ranks: share of the disk's own "
           "O_DIRECT rate", lambda: _state_bench(2)["save_limit_share"]),
    Figure("restore_limit_share", "%", 90, False,
           "the same state brought back, cold: share of the disk's own read rate",
           lambda: _state_bench(2)["restore_limit_share"]),
    Figure("first_forward_share", "%", 40, True,
           "time until forward can begin as a share of the whole restore, cold",
           lambda: _state_bench(2)["first_forward_share"]),
    Figure("progressive_first_share", "%", 20, True,
           "the same until it can begin with the upper halves of the parameters, as a share of the "
           "whole exact restore, cold", lambda: _state_bench(2)["progressive_first_share"]),
    Figure("bytes_ratio", "x", 1.001, True,
           "bytes on disk over a state's own, the most of 1, 2 and 4 ranks; beside it, 1 rank",
           bytes_ratio),
    Figure("verify_rate", "GB/s", 5, False,
           "stemma verify of a 512 MiB state in the page cache, one thread", verify_rate),
    Figure("fork_bytes", "bytes", 4096, True,
           "given to the file system by one fork with settings of its own, no payload; beside it, "
           "blocks that stay on the disk", lambda: _family_bench()["fork_bytes"]),
    Figure("fork_1000", "x", 1.01, True,
           "a store after 1000 forks of one ResNet-50 LAMB state, over before, by the lengths of "
           "files; beside it, by blocks", lambda: _family_bench()["fork_1000"]),
    Figure("writers_1000", "faults", 0, True,
           "1000 runs write into one store at once, 20 processes x 50 threads, 3 states each; then "
           "lost states and what fsck finds; beside it, seconds of writing",
           lambda: _family_bench()["writers_1000"]),
]
