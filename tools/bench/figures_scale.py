"""How well the simulator of `stemma scale` predicts what was published, and how long it takes."""

import functools
import json
import subprocess
import tempfile

from figure_base import Figure, environment, run, seconds_of, stemma


@functools.lru_cache(maxsize=None)
def validation():
    """The lines of `stemma scale validate --json`, which leaves with 1 when a target is missed."""
    done = subprocess.run([str(stemma()), "scale", "validate", "--json"], stdout=subprocess.PIPE,
                          universal_newlines=True)
    if done.returncode not in (0, 1):
        raise RuntimeError("stemma scale validate left with %d" % done.returncode)
    return [json.loads(line) for line in done.stdout.splitlines()]


def worst(prefix):
    found = [line["worst"] for line in validation() if line.get("target", "").startswith(prefix)]
    if not found:
        raise RuntimeError("no target of stemma scale validate begins with " + prefix)
    return [max(found)], None


def own_error():
    """Measures here 1, 2 and 4 ranks, the all-reduce, and two trainings of one rank side by side
    that send nothing; predicts 2 ranks (4: shown) from 1."""
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        run([stemma(), "scale", "run", "--model=resnet50", "--size=64", "--batch=4",
             "--mode=weak", "--ranks=1,2,4", "--steps=60", "--warmup=10", "--curve",
             "--launcher-args=--mca btl_vader_single_copy_mechanism none", "--out=" + folder],
            env=environment())
        done = subprocess.run([str(stemma()), "scale", "validate", "--own=" + folder, "--json"],
                              stdout=subprocess.PIPE, universal_newlines=True)
    if done.returncode not in (0, 1):
        raise RuntimeError("stemma scale validate --own left with %d" % done.returncode)
    found = json.loads(done.stdout)
    for row in found["rows"]:
        print("  %(ranks)d ranks: measured %(measured_s).4f s, predicted %(predicted_s).4f s, "
              "%(error_percent)+.1f %%, oversubscribed: %(oversubscribed)s, "
              "%(side_by_side)d trainings side by side: %(contention)s times a step alone" % row,
              flush=True)
    if found["worst"] is None:
        raise RuntimeError("every count was oversubscribed: this machine has one core")
    return [found["worst"]], None


def predict_s(ranks, times):
    """A thousand draws of a step, the whole program on two threads."""
    command = [stemma(), "scale", "predict", "--system=summit", "--model=aigw",
               "--ranks=%d" % ranks, "--draws=1000", "--threads=2", "--csv=-"]
    return [seconds_of(command) for _ in range(times)], None


FIGURES = [
    Figure("sim_fig1_error", "%", 10, True,
           "worst held-out point of Fig 1, throughput or time, half of its points fitted",
           lambda: worst("Fig 1, held out")),
    Figure("sim_summit_error", "points", 10, True,
           "predicted less published efficiency of Summit at 6144 GPUs, no Summit point fitted",
           lambda: worst("Summit")),
    Figure("sim_own_error", "%", 10, True,
           "median step of ResNet-50 on 2 ranks here, from 1 rank, the all-reduce and contention",
           own_error),
    Figure("sim_6144_s", "s", 10, True, "predicting AI-GW on 6,144 ranks, 1,000 draws, 2 threads",
           lambda: predict_s(6144, 5)),
    Figure("sim_100k_s", "s", 300, True, "the same on 100,000 ranks",
           lambda: predict_s(100000, 3)),
]
