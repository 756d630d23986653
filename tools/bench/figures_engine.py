"""The engine's figures: its collective calls and its steps beside OpenMPI, Gloo, DDP and Horovod.

Two ranks, one thread each; what is compared is measured in turns in the same run (peer_runs.py).
Ratios are of times: how many times as long the peer takes, or for `exposed_*`, `tiny_*` and
`gradient_memory` what share of the peer's ours is.
"""

import functools
import json
import pathlib
import statistics
import tempfile

import peer_install
import peer_runs
from figure_base import Figure, environment, run, stemma

KIB, MIB = 1 << 10, 1 << 20
BIG = [64 * MIB, 256 * MIB]
ALL = [4, 64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB] + BIG


def _say(text):
    print("  " + text, flush=True)


@functools.lru_cache(maxsize=None)
def _openmpi_all():
    """Ratios by size, to the best of OpenMPI's settings, and OpenMPI's best times in us."""
    tables = peer_runs.compare_openmpi(ALL, list(peer_runs.VARIANTS), rounds=2, round_ms=20)
    for variant in dict(tables):
        for what in ("mpi", "ours"):
            times = [t for v, t in tables if v == variant and (what, ALL[0]) in t]
            if times:
                _say("%-18s %-5s us %s" % (variant, what, " ".join("%s:%.4g" % (
                    size, statistics.median(t[what, size] for t in times)) for size in ALL)))
    ratios = peer_runs.ratios_to_openmpi(ALL, tables)
    for size in ALL:
        _say("%11d B: OpenMPI with its best setting takes %.2f times as long" % (
            size, statistics.median(ratios[size])))
    return ratios, {size: min(table["mpi", size] for _, table in tables) for size in ALL}


def _worst_of_all(sizes):
    ratios, best = _openmpi_all()
    worst = min(sizes, key=lambda size: statistics.median(ratios[size]))
    return ratios[worst], best[worst]


def _worst(ratios):
    """The ratios of the size at which ours is worst, by the median."""
    return min(ratios.values(), key=statistics.median)


def comm_big_vs_openmpi():
    variants = ["default", "cma", "ring", "segmented ring", "rabenseifner"]
    tables = peer_runs.compare_openmpi(BIG, variants, rounds=2)
    best = min(table["mpi", BIG[0]] for _, table in tables)
    return _worst(peer_runs.ratios_to_openmpi(BIG, tables)), BIG[0] / best / 1e3


def comm_big_vs_gloo():
    ratios, rates = {size: [] for size in BIG}, []
    for _ in range(5):
        ours = peer_runs.comm_peers("ours", BIG, rounds=2)
        theirs = peer_runs.gloo(BIG, rounds=2)
        rates.append(BIG[0] / theirs[BIG[0]] / 1e3)
        for size in BIG:
            ratios[size].append(theirs[size] / ours["ours", size])
    return _worst(ratios), statistics.median(rates)


def comm_min_vs_openmpi():
    return _worst_of_all(ALL)


def comm_256k_vs_openmpi():
    return _worst_of_all([size for size in ALL if size >= 256 * KIB])


def comm_limit_share():
    shares, rates = [], []
    for _ in range(5):
        table = peer_runs.comm_peers("ours,limit", BIG[:1], rounds=5)
        limit = min(table["limit-plain", BIG[0]], table["limit-stream", BIG[0]])
        shares.append(100 * limit / table["ours", BIG[0]])
        rates.append(BIG[0] / limit / 1e3)
    return shares, statistics.median(rates)


def _training(model):
    compared = peer_runs.compare_training(model)
    for peer in compared.steps:
        _say("%s, %s: step %.3f ms, exposed communication %.3f ms" % (
            model, peer, statistics.median(compared.steps[peer]),
            statistics.median(compared.exposed[peer])))
    _say("%s: best settings of the peers: %s" % (model, ", ".join(sorted(set(compared.settings)))))
    return compared


def _share(model, which, peer):
    """Ours as a share of the peer's, one value for each repeat; the reference is the peer's ms."""
    compared = _training(model)
    if peer in compared.missing:
        raise peer_install.Missing(compared.missing[peer])
    table = getattr(compared, which)
    return ([a / b for a, b in zip(table["ours"], table[peer])], statistics.median(table[peer]))


def one_rank_tax():
    """One rank: the engine's loop and a bare one alternate in one process, on ImageNet's size. What
    the engine adds, gradients that are added into zeroed buckets and their norm, is 20 bytes of
    traffic per parameter whatever the images are, so small images show a larger share."""
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        numbers = pathlib.Path(folder) / "bench.json"
        run([stemma(), "bench", "train", "resnet50", "--bare", "--threads=1", "--size=224",
             "--batch-size=8", "--num-iters=30", "--num-batches-per-iter=1",
             "--num-warmup-batches=2", "--json", numbers], env=environment(), timeout=900)
        row = json.loads(numbers.read_text())
    return row["Engine over bare LibTorch"]["percent"], row["bare"]["step_ms"]


def gradient_memory():
    """Memory that a rank holds after its steps, with the engine minus that of a bare loop, which
    has the gradients once; mlp with batches of one, so that next to nothing else is there."""
    values = []
    for _ in range(3):
        engine = peer_runs.train_memory([])
        bare = peer_runs.train_memory(["--bare", "--only"])
        gradients = engine["engine"]["gradient_bytes"]
        values.append(1 + (engine["share_bytes"] - bare["share_bytes"]) / gradients)
    return values, gradients / 1e6


def recorder_share():
    """On the model whose step is the shortest."""
    runs = [peer_runs.train_ours("tiny") for _ in range(3)]
    return ([row["recorder"]["percent"] for row in runs],
            statistics.median(row["engine"]["step_ms"] for row in runs))


def kill_to_exit():
    """The longest of fifty tries; one whose cause was not printed once counts as a minute."""
    import kill_to_exit as kills  # its name is this figure's
    tries = list(kills.tries(stemma()))
    return [max(t.seconds if t.causes == 1 else 60 for t in tries)], statistics.median(
        t.seconds for t in tries)


FIGURES = [
    Figure("comm_big_vs_openmpi", "x", 7, False,
           "all-reduce of 64 and 256 MiB: OpenMPI's best time over ours, the worse size",
           comm_big_vs_openmpi),
    Figure("comm_big_vs_gloo", "x", 10, False,
           "all-reduce of 64 and 256 MiB: Gloo's time over ours, the worse size",
           comm_big_vs_gloo),
    Figure("comm_min_vs_openmpi", "x", 1, False,
           "all-reduce of 4 B .. 256 MiB: OpenMPI's best time over ours, the worst size",
           comm_min_vs_openmpi),
    Figure("comm_256k_vs_openmpi", "x", 5, False,
           "the same from 256 KiB up", comm_256k_vs_openmpi),
    Figure("comm_limit_share", "%", 90, False,
           "time of a bare loop over all buffers as a share of the all-reduce's, 64 MiB",
           comm_limit_share),
    Figure("exposed_mlp", "of DDP", 1 / 6, True,
           "exposed communication, mlp: ours over DDP's on Gloo, its best settings",
           lambda: _share("mlp", "exposed", "ddp")),
    Figure("exposed_mlp_vs_horovod", "of Horovod", 1 / 10, True,
           "exposed communication, mlp: ours over Horovod's",
           lambda: _share("mlp", "exposed", "horovod")),
    Figure("exposed_resnet50", "of DDP", 1 / 6, True,
           "exposed communication, ResNet-50 at 64x64: ours over DDP's on Gloo",
           lambda: _share("resnet50", "exposed", "ddp")),
    Figure("exposed_resnet50_vs_horovod", "of Horovod", 1 / 10, True,
           "exposed communication, ResNet-50 at 64x64: ours over Horovod's",
           lambda: _share("resnet50", "exposed", "horovod")),
    Figure("tiny_step_vs_ddp", "of DDP", 0.7, True,
           "step of 1000 tensors of 4 kB: ours over DDP's on Gloo",
           lambda: _share("tiny", "steps", "ddp")),
    Figure("tiny_step_vs_horovod", "of Horovod", 0.5, True,
           "step of 1000 tensors of 4 kB: ours over Horovod's",
           lambda: _share("tiny", "steps", "horovod")),
    Figure("one_rank_tax", "%", 1, True,
           "step with the engine over a bare LibTorch loop, ResNet-50 at 224x224, one rank",
           one_rank_tax),
    Figure("gradient_memory", "x", 1.01, True,
           "memory held for gradients and buckets over the gradients' own, mlp", gradient_memory),
    Figure("recorder_share", "%", 0.5, True,
           "what the flight recorder adds to a step of 1000 tensors of 4 kB", recorder_share),
    Figure("kill_to_exit", "s", 10, True,
           "from killing a rank to the end of all, cause printed once: the longest of 50 tries",
           kill_to_exit),
]
