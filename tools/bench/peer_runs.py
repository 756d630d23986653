"""Runs of the engine and of its peers, and what their numbers say together.

Everything that is compared is run in turns: within a process where it can be, else process by
process, `repeats` times over. Two ranks, one thread each, everywhere.
"""

import collections
import functools
import json
import pathlib
import statistics
import subprocess
import tempfile

import peer_install
from figure_base import built, environment, run, stemma

RANKS = 2
HERE = pathlib.Path(__file__).resolve().parent
LOOPS, SAVES = HERE / "peer_loops.py", HERE / "peer_saves.py"
# What each comparison trains. Images of 64x64 and batches of 8: two cores, and the communication is
# that of the full-sized network, because its gradients are.
Shape = collections.namedtuple("Shape", "batch size iters steps warmup")
SHAPES = {"mlp": Shape(32, 0, 6, 4, 3), "resnet50": Shape(8, 64, 6, 3, 3),
          "tiny": Shape(1, 0, 6, 10, 5)}
# OpenMPI's settings, as MCA parameters: the peer's best counts.
VARIANTS = collections.OrderedDict([
    ("default", {}), ("cma", {"btl_vader_single_copy_mechanism": "cma"}),
    ("no single copy", {"btl_vader_single_copy_mechanism": "none"})] + [
        (name, {"coll_tuned_use_dynamic_rules": "1", "coll_tuned_allreduce_algorithm": str(i)})
        for i, name in enumerate(["linear", "non-overlapping", "recursive doubling", "ring",
                                  "segmented ring", "rabenseifner"], 1)])


SINGLE = "single-threaded"


def mpirun(mca=None, env=None):
    """OpenMPI with its own defaults, but for `mca`."""
    command = ["mpirun", "-n", RANKS, "--bind-to", "none", "--oversubscribe"]
    for key, value in (mca or {}).items():
        command += ["--mca", key, value]
    for key in env or ():
        command += ["-x", key]
    return command


# --- Training. ---

def train_ours(model, *loops, shape=None):
    """One run of `stemma bench train`: its JSON."""
    shape = shape or SHAPES[model]
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        numbers = pathlib.Path(folder) / "bench.json"
        run(mpirun({"btl_vader_single_copy_mechanism": "none"}) +
            [stemma(), "bench", "train", model, "--threads=1", "--json", numbers,
             "--batch-size", shape.batch, "--size", shape.size, "--num-iters", shape.iters,
             "--num-batches-per-iter", shape.steps, "--num-warmup-batches", shape.warmup] +
            list(loops), env=environment(), timeout=600)
        return json.loads(numbers.read_text())


def train_memory(loops):
    """The JSON of mlp with batches of one: memory, not time."""
    return train_ours("mlp", *loops, shape=Shape(batch=1, size=0, iters=1, steps=3, warmup=2))


def train_peer(peer, model):
    """One run of DDP or Horovod: {loop: {"step_ms", "iterations_ms"}}. Raises Missing."""
    getattr(peer_install, "torch" if peer == "ddp" else "horovod")()
    shape = SHAPES[model]
    words = ["train", peer, model]
    for name in ("batch", "size", "iters", "steps", "warmup"):
        words += ["--" + name, getattr(shape, name)]
    return _peer_python(words)


def _peer_python(words, program=LOOPS, ranks=RANKS):
    """The JSON that a program of the peers' prints, under mpirun where it has ranks."""
    env = peer_install.environment()
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        launch = mpirun(env=("LD_LIBRARY_PATH", "GLOO_SOCKET_IFNAME", "OMP_NUM_THREADS"))
        command = (launch if ranks > 1 else []) + [peer_install.python(), program] + words
        command += ["--rendezvous", folder + "/gloo"]
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, env=env, timeout=600)
    if done.returncode != 0:
        raise RuntimeError("%s left with %d:\n%s" % (" ".join(map(str, words)), done.returncode,
                                                     done.stderr[-2000:]))
    return json.loads(done.stdout.strip().split("\n")[-1])


def exposed(loops, with_comm, without):
    """Median over iterations, which alternate, of the difference in ms."""
    pairs = zip(loops[with_comm]["iterations_ms"], loops[without]["iterations_ms"])
    return statistics.median(a - b for a, b in pairs)


Compared = collections.namedtuple("Compared", "steps exposed settings missing")


@functools.lru_cache(maxsize=None)
def compare_training(model, repeats=3):
    """Engine, DDP and Horovod in turns. Each of `steps` and `exposed` is {peer: [ms of each
    repeat]}; DDP's is that of its best setting in that repeat."""
    steps, exposures = collections.defaultdict(list), collections.defaultdict(list)
    settings, missing = [], {}
    for _ in range(repeats):
        ours = train_ours(model, "--no-comm")
        steps["ours"].append(ours["engine"]["step_ms"])
        exposures["ours"].append(exposed(ours, "engine", "no-comm"))
        for peer in ("ddp", "horovod"):
            if peer in missing:
                continue
            try:
                loops = train_peer(peer, model)
            except peer_install.Missing as reason:
                missing[peer] = str(reason)
                continue
            best = min((n for n in loops if n != "plain"), key=lambda n: loops[n]["step_ms"])
            settings.append(best)
            steps[peer].append(loops[best]["step_ms"])
            least = min(exposed(loops, n, "plain") for n in loops if n != "plain")
            exposures[peer].append(least)
    return Compared(dict(steps), dict(exposures), settings, missing)


# --- All-reduce. ---

def comm_peers(what, sizes, mca=None, rounds=5, round_ms=30):
    """One run of comm_peers: {(what, bytes): median us}."""
    text = run(mpirun(mca) + [built("//tools/bench:comm_peers"), "--what", what, "--sizes",
                              ",".join(map(str, sizes)), "--rounds", rounds, "--round-ms",
                              round_ms], env=dict(environment(), OMP_NUM_THREADS="1"), timeout=600)
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 6 and words[1].isdigit():
            found[words[0], int(words[1])] = float(words[3])
    if len({size for _, size in found}) != len(set(sizes)):
        raise RuntimeError("comm_peers printed no table:\n" + text[-2000:])
    return found


def compare_openmpi(sizes, variants, passes=3, **options):
    """[(variant, {(what, bytes): us})], for each of OpenMPI's settings once a pass: ours and
    OpenMPI's in turns in one process. The last one of a pass is OpenMPI alone with
    MPI_THREAD_SINGLE, under which no engine with a thread of its own can run."""
    tables = []
    for _ in range(passes):
        tables += [(v, comm_peers("ours,mpi", sizes, VARIANTS[v], **options)) for v in variants]
        tables.append((SINGLE, comm_peers("mpi", sizes, **options)))
    return tables


def ratios_to_openmpi(sizes, tables):
    """{bytes: [OpenMPI's time / ours, of each pass]}, with the setting whose median is the least.
    A ratio is of one process: a machine that others share is twice as fast in one minute as in the
    next, and the least of ten processes would be that of the fastest minute."""
    ratios = {}
    for size in sizes:
        of_variant = collections.defaultdict(list)
        for variant, table in tables:
            if variant != SINGLE:
                of_variant[variant].append(table["mpi", size] / table["ours", size])
        ratios[size] = min(of_variant.values(), key=statistics.median)
    return ratios


def gloo(sizes, rounds=5):
    """{bytes: median us} of Gloo's all-reduce. Raises Missing."""
    peer_install.torch()
    found = _peer_python(["comm", "--sizes", ",".join(map(str, sizes)), "--rounds", rounds])
    return {int(size): row["median_us"] for size, row in found.items()}


# --- States. ---

def dcp(folder, saves, every):
    """{way of copying: [ms that training stood still for a save]} and "bytes" of
    torch.distributed.checkpoint.async_save on two ranks."""
    return _peer_python(["dcp", folder, "--saves", saves, "--every", every], SAVES)


def torch_save(folder, saves):
    """{"bytes", "seconds": [of each]} of torch.save until it is durable, one process."""
    return _peer_python(["save", folder, "--saves", saves], SAVES, ranks=1)
