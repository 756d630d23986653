"""What captures cost a training, and what they cost with PyTorch's own means.

The step is a real one: the trainer on ResNet-50 with LAMB, images of 64x64 and batches of 8 on two
ranks of one thread, as where the engine is compared with its peers. Gradients and the state are
those of the full-sized network, the step is short (about half a second on two cores), so a share of
it says more than one of the seconds-long step of full-sized images would. Stores and peers' files
lie in $STEMMA_BENCH_DIR, else in the folder for temporary files.
"""

import functools
import json
import os
import pathlib
import statistics
import tempfile

import peer_install
import peer_runs
from figure_base import Figure, built, environment, mpirun, run

EVERY = 3       # steps from one capture to the next: about what a state takes to be durable
WARM = 3        # captures left out: the first one's audit reads everything, memory is new
CAPTURES = 200
TURNS = 3


def _folder():
    return tempfile.TemporaryDirectory(prefix="stemma.", dir=os.environ.get("STEMMA_BENCH_DIR"))


def captures(count):
    """A run of `count` captures: (what each held the loop up, ms; every step, ms). All that the
    loop does for captures counts: eager copies, the wait at the fence, the commit, and waiting for
    the state before where that is not durable yet. Each step's figures are rank 0's."""
    program = built("//tools/bench:capture_bench")
    with _folder() as folder:
        run(mpirun(2) + [program, folder, (count + WARM + 1) * EVERY, EVERY],
            env=dict(environment(), OMP_NUM_THREADS="1"), timeout=900)
        text = (pathlib.Path(folder) / "run/metrics.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    rows = [row for row in rows if "step_s" in row and row["step"] >= WARM * EVERY]
    groups = [rows[i:i + EVERY] for i in range(0, len(rows) - EVERY + 1, EVERY)]
    stalls = [1e3 * sum(row["capture_stall_s"] for row in group) for group in groups]
    return stalls[:count], [[1e3 * row["step_s"] for row in group] for group in groups[:count]]


@functools.lru_cache(maxsize=None)
def _long_run():
    return captures(CAPTURES)


def _shares():
    stalls, steps = _long_run()
    step = statistics.median(ms for group in steps for ms in group)
    return [100 * stall / step for stall in stalls], step


def stall_p50():
    shares, step = _shares()
    return shares, step


def stall_p99():
    """The reference: by how much of a step the steps of one capture together are longer than if
    each were as long as the median last one before the next capture, when the disk is at rest."""
    shares, _ = _shares()
    _, steps = _long_run()
    quiet = statistics.median(group[-1] for group in steps)
    longer = statistics.median(sum(group) - EVERY * quiet for group in steps)
    return [statistics.quantiles(shares, n=100, method="inclusive")[98]], 100 * longer / quiet


@functools.lru_cache(maxsize=None)
def _turns_with_dcp():
    """[(our stalls, DCP's by its way of copying)], ms, in turns."""
    peer_install.require("torch")
    turns = []
    for _ in range(TURNS):
        with _folder() as folder:
            dcp = peer_runs.dcp(folder, saves=5, every=EVERY)
        turns.append((captures(16)[0], dcp))
    return turns


def stall_vs(way):
    ratios = [statistics.median(ours) / statistics.median(dcp[way])
              for ours, dcp in _turns_with_dcp()]
    return ratios, statistics.median(ms for _, dcp in _turns_with_dcp() for ms in dcp[way])


def save_vs_torch():
    """In turns, into the same folder; ours by two ranks, torch.save by the one that it has."""
    peer_install.require("torch")
    program = built("//tools/bench:state_bench")
    ratios, theirs = [], []
    for _ in range(TURNS):
        with _folder() as folder:
            saved = peer_runs.torch_save(folder, saves=4)
            text = run([program, folder, 2, 3], timeout=600)
        rows = {row["name"]: row for row in map(json.loads, (
            line for line in text.splitlines() if line.startswith("{")))}
        theirs.append(saved["bytes"] / statistics.median(saved["seconds"]) / 1e9)
        ratios.append(statistics.median(rows["save_rate"]["values"]) / theirs[-1])
    return ratios, statistics.median(theirs)


FIGURES = [
    Figure("stall_p50", "% of step", 1, True,
           "time a capture holds the training loop up, ResNet-50 with LAMB (307 MB), 2 ranks, "
           "median of 200; beside it, a step in ms", stall_p50),
    Figure("stall_p99", "% of step", 5, True,
           "the same, 99th percentile; beside it, by how much of a step copying and writing in the "
           "background make the steps of a capture longer", stall_p99),
    Figure("stall_vs_dcp", "x", 0.05, True,
           "that stall over the one of torch.distributed.checkpoint.async_save as it comes, same "
           "state, 2 ranks on Gloo; beside it, DCP's in ms", lambda: stall_vs("in the call")),
    Figure("stall_vs_dcp_thread", "x", 1, True,
           "the same with DCP's use_async_staging, which torch documents for CUDA only and which "
           "copies in a thread until the optimizer's step", lambda: stall_vs("in a thread")),
    Figure("save_vs_torch", "x", 3, False,
           "durable bytes per second of a capture over those of torch.save and fsync, same state; "
           "beside it, torch's in GB/s", save_vs_torch),
]
