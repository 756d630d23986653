"""What every figure needs: how programs are built and run, and what a figure is."""

import collections
import functools
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
Figure = collections.namedtuple("Figure", "name unit target at_most what measure")


def run(command, **options):
    """Runs and returns stdout; a failure carries the end of what the command said."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, **options)
    if done.returncode != 0:
        raise RuntimeError("%s left with %d:\n%s"
                           % (" ".join(map(str, command)), done.returncode, done.stdout[-2000:]))
    return done.stdout


@functools.lru_cache(maxsize=None)
def built(target):
    """Builds `target` and returns the path of its program."""
    run(["bazel", "build", target], cwd=str(ROOT))
    package, name = target[2:].split(":")
    return (ROOT / ".bazel/bin" / package / name).resolve()


@functools.lru_cache(maxsize=None)
def stemma():
    built("//tools/cli:stemma-engine")
    return built("//tools/cli:stemma")


def mpirun(ranks):
    return ["mpirun", "-n", ranks, "--bind-to", "none", "--oversubscribe",
            "--mca", "btl_vader_single_copy_mechanism", "none"]


def environment():
    return dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def seconds_of(command, **options):
    begin = time.perf_counter()
    run(command, **options)
    return time.perf_counter() - begin
