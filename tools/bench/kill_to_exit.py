#!/usr/bin/env python3
"""How long a job lives on after one of its ranks is killed with SIGKILL, and whether the cause is
printed exactly once over all ranks.

  tools/bench/kill_to_exit.py [--tries N] [--ranks R] [STEMMA]

Each try trains a small aigw on R ranks, kills one of them at a random moment between its start and
its last step, and waits until every rank has exited. A line per try, then the verdict; exit code 1
when a try took more than 10 s or the cause was not printed once. `tries` is for other programs.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

from figure_base import environment, mpirun

LIMIT_S = 10.0
RECIPE = """
run.name = "killed"
train.length = "100000step"
train.global_batch = 16
aigw.t_from = -72.0
aigw.t_to = 56.0
aigw.dt = 2.0
aigw.last = 16
aigw.train_size = 4096
optim.schedule = "constant"
lineage.every = 20
device.threads = 1
"""
Try = collections.namedtuple("Try", "seconds rank delay causes code text")


def engines(launcher):
    """rank -> process id, of the ranks below `launcher`."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", environment)
        if int(parent) == launcher and rank:
            found[int(rank.group(1))] = int(entry.name)
    return found


def alive(pid):
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def causes(text, has_trained):
    """Ours; a rank that dies before its main() began is known to the launcher alone."""
    ours = text.count("the job ends, exit")
    return ours if has_trained else ours or text.count("mpirun noticed that process rank")


def one(stemma, ranks, delay, random_source):
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        recipe = pathlib.Path(folder) / "killed.toml"
        recipe.write_text(RECIPE)
        command = mpirun(ranks) + [stemma, "train", recipe, "--progress=off"]
        process = subprocess.Popen([str(c) for c in command], cwd=folder, text=True,
                                   env=dict(environment(), OMP_NUM_THREADS="1"),
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        pids = {}
        while len(pids) < ranks and time.monotonic() < until:
            time.sleep(0.02)
            pids = engines(process.pid)
        time.sleep(delay)
        rank = random_source.randrange(ranks)
        if rank not in pids:
            process.kill()
            raise RuntimeError("the ranks did not start:\n" + process.communicate()[0])
        begin = time.monotonic()
        os.kill(pids[rank], 9)
        while any(alive(p) for p in pids.values()) and time.monotonic() < begin + 60:
            time.sleep(0.01)
        seconds = time.monotonic() - begin
        text = process.communicate(timeout=60)[0]
        has_trained = any(pathlib.Path(folder).glob("stemma-runs/*/metrics.jsonl"))
        return Try(seconds, rank, delay, causes(text, has_trained), process.returncode, text)


def tries(stemma, count=50, ranks=2, seed=1, longest_delay_s=6.0):
    """`count` kills at moments spread over start, set-up and steps."""
    source = random.Random(seed)
    for _ in range(count):
        yield one(stemma, ranks, source.uniform(0, longest_delay_s), source)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("stemma", nargs="?", default=".bazel/bin/tools/cli/stemma")
    options = parser.parse_args()
    stemma = pathlib.Path(options.stemma).resolve()
    times, good = [], 0
    for number, each in enumerate(tries(stemma, options.tries, options.ranks, options.seed), 1):
        fine = each.seconds <= LIMIT_S and each.causes == 1
        good += fine
        times.append(each.seconds)
        print("%3d  rank %d killed after %.2f s: all exited after %.2f s, cause printed %d times, "
              "exit %d%s" % (number, each.rank, each.delay, each.seconds, each.causes, each.code,
                             "" if fine else "  SHORT"), flush=True)
        if not fine:
            print(each.text, flush=True)
    times.sort()
    print("%d of %d within %.0f s with the cause printed once; median %.2f s, longest %.2f s"
          % (good, len(times), LIMIT_S, times[len(times) // 2], times[-1]))
    return 0 if good == len(times) else 1


if __name__ == "__main__":
    sys.exit(main())
