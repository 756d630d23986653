"""The figures, each with how it is measured: a command of this repository, whose output is read.

A new figure is one function that returns (values of its repetitions, reference or None), and one
line in FIGURES. Programs are built in the one mode there is (-c opt) before they are timed.
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import statistics
import tempfile

import figures_capture
import figures_engine
import figures_images
import figures_lineage
import figures_optim
import figures_scale
import figures_sweep
import figures_parity
import figures_waveforms
from figure_base import ROOT, Figure, built, environment, mpirun, run, seconds_of, stemma


@contextlib.contextmanager
def trained(steps, every, name="figure"):
    """A folder in which the laptop recipe ran for `steps` steps on two ranks."""
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        run(mpirun(2) + [stemma(), "train", ROOT / "models/aigw/recipes/laptop.toml",
                         "--progress=off", "--set", "run.name=" + name,
                         "--set", "train.length=%dstep" % steps,
                         "--set", "lineage.every=%d" % every,
                         "--set", "optim.warmup_steps=0"], cwd=folder, env=environment())
        yield pathlib.Path(folder)


def rows(folder, name="figure"):
    text = (folder / "stemma-runs" / name / "metrics.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    return [row for row in found if "step_s" in row]


def capture_stall_share():
    shares = []
    for _ in range(3):
        with trained(steps=120, every=10) as folder:
            steps = rows(folder)[20:]
            stalled = sum(row["capture_stall_s"] for row in steps)
            shares.append(100 * stalled / sum(row["step_s"] for row in steps))
    return shares, None


def fork_ms():
    """The whole program, from start to exit; the reference, `stemma version`, does nothing."""
    with trained(steps=5, every=5) as folder:
        times = [1e3 * seconds_of([stemma(), "fork", "figure@5", "--name", "f%d" % i, "--quiet"],
                                  cwd=str(folder)) for i in range(25)]
        empty = [1e3 * seconds_of([stemma(), "version"]) for _ in range(9)]
    return times, statistics.median(empty)


def log_1000_ms():
    with trained(steps=5, every=5) as folder:
        for i in range(999):
            run([stemma(), "fork", "figure@5", "--name", "f%d" % i, "--quiet"], cwd=str(folder))
        times = [1e3 * seconds_of([stemma(), "log"], cwd=str(folder)) for _ in range(21)]
        empty = [1e3 * seconds_of([stemma(), "version"]) for _ in range(9)]
    return times, statistics.median(empty)


def quickstart_s():
    """With what earlier runs left in the caches; on an empty machine run tools/quickstart."""
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        return [seconds_of([ROOT / "tools/quickstart", folder + "/quickstart"])], None


def lamb_bandwidth_share():
    """Of the bandwidth of q[i] = a * q[i] + b, which the bench measures in the same process."""
    values, bandwidths = [], []
    program = built("//tools/bench:optim_bench")
    for _ in range(5):
        text = run([program, 20], env=dict(os.environ, OMP_NUM_THREADS="2"))
        bandwidths.append(float(re.search(r"in-place bandwidth ([0-9.]+) GB/s", text).group(1)))
        values.append(float(re.search(r"^lamb .* ([0-9]+) % of", text, re.M).group(1)))
    return values, statistics.median(bandwidths)


def waveform_rate():
    """Points per second of `stemma waveform`; its start is taken off by a short one."""
    def command(points):
        return [stemma(), "waveform", "--q=2", "--s1=0.5", "--s2=-0.3", "--from=-2000",
                "--to=%g" % (-2000 + 0.01 * points), "--step=0.01"]

    points, rates = 200000, []
    for _ in range(7):
        short, long = seconds_of(command(10)), seconds_of(command(points))
        rates.append(points / (long - short) / 1e6)
    return rates, None


def waveform_ms():
    """One waveform of AI-GW, one thread; the reference is its path sample by sample."""
    values, references = [], []
    for _ in range(7):
        text = run([built("//tools/bench:waveform_bench")])
        values.append(float(re.search(r"^waveform +([0-9.]+) ms", text, re.M).group(1)))
        references.append(float(re.search(r"^reference +([0-9.]+) ms", text, re.M).group(1)))
    print("  " + text.splitlines()[-1], flush=True)
    return values, statistics.median(references)


def galaxies_per_s():
    """Galaxies of AI-DES as the network's input, one thread, half of them of either survey."""
    values = []
    for _ in range(5):
        text = run([built("//tools/bench:galaxy_bench")])
        values.append(float(re.search(r"^both +([0-9.]+) galaxies/s", text, re.M).group(1)))
    print("  " + text.splitlines()[-1], flush=True)
    return values, None


@functools.lru_cache(maxsize=None)
def tree():
    """What tree_bench prints, by name: one store of 10^5 states serves three figures."""
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        text = run([built("//tools/bench:tree_bench"), folder, stemma()])
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {one["name"]: (one["values"], one["limit"]) for one in found}


FIGURES = [
    Figure("capture_stall_share", "%", 0.5, True,
           "share of step time that captures take, laptop recipe, 2 ranks, one per 10 steps",
           capture_stall_share),
    Figure("fork_ms", "ms", 10, True, "stemma fork, one record and no payload", fork_ms),
    Figure("log_1000_ms", "ms", 50, True, "stemma log of a store with 1000 states", log_1000_ms),
    Figure("index_cold_s", "s", 2, True,
           "index of 1000 runs x 100 states x 64 attributes, cache deleted; beside it, reading "
           "and hashing the logs", lambda: tree()["index_cold_s"]),
    Figure("query_warm_ms", "ms", 50, True,
           "open that store, check its cache, one predicate; beside it, listing the runs",
           lambda: tree()["query_warm_ms"]),
    Figure("log_first_ms", "ms", 100, True,
           "stemma log -n 40 of that store; beside it, stemma version",
           lambda: tree()["log_first_ms"]),
    Figure("quickstart_s", "s", 600, True, "tools/quickstart, caches as they are", quickstart_s),
    Figure("lamb_bandwidth_share", "%", 85, False,
           "LAMB step on ResNet-50's tensors as a share of in-place bandwidth",
           lamb_bandwidth_share),
    Figure("waveform_ms", "ms", 3, True,
           "AI-GW's waveform of 101,300 samples, 1 thread; beside it, sample by sample",
           waveform_ms),
    Figure("waveform_rate", "Mpoints/s", 1, False,
           "points of the (2,2) mode computed and printed by stemma waveform", waveform_rate),
    Figure("galaxies_per_s", "1/s", 100, False,
           "AI-DES's simulated galaxies as 3 x 224 x 224 inputs, 1 thread", galaxies_per_s),
] + (figures_lineage.FIGURES + figures_capture.FIGURES + figures_engine.FIGURES +
     figures_images.FIGURES + figures_optim.FIGURES + figures_parity.FIGURES +
     figures_scale.FIGURES + figures_sweep.FIGURES + figures_waveforms.FIGURES)
