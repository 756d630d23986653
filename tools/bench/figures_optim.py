"""The optimizer's figures: LAMB's step beside the memory's speed, timm's Lamb and torch's AdamW.

One thread, ResNet-50's tensors. Two programs, ours and torch's Python, take turns: each round is
one in-place pass, one step of ours, one of timm's and one of torch's, and ratios are of a round.
"""

import functools
import json
import os
import pathlib
import statistics
import subprocess

import peer_install
from figure_base import Figure, built

ROUNDS, WARMUP = 40, 3
PEER = pathlib.Path(__file__).resolve().parent / "peer_optim.py"


class Child:
    """A program that answers each line of its input with one line."""

    def __init__(self, command, env):
        self._process = subprocess.Popen([str(c) for c in command], env=env, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, universal_newlines=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("%s ended" % self._process.args[0])
        return line

    def ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.answer()


def _ours():
    return Child([built("//tools/bench:optim_bench"), "serve"],
                 dict(os.environ, OMP_NUM_THREADS="1"))


def limit_share(tensors, bandwidth, update_s):
    """28 bytes for each parameter whose second pass runs in the cache, 40 for the others."""
    count = 28 * tensors["cached"] + 40 * (tensors["parameters"] - tensors["cached"])
    return 100 * count / update_s / bandwidth


@functools.lru_cache(maxsize=None)
def _alone():
    """Shares of the in-place bandwidth, and the bandwidths; needs no peer."""
    shares, bandwidths = [], []
    with _ours() as ours:
        tensors = json.loads(ours.answer())
        for round_ in range(WARMUP + ROUNDS):
            bandwidth = float(ours.ask("inplace"))
            update_s = float(ours.ask("lamb").split()[1])
            if round_ >= WARMUP:
                shares.append(limit_share(tensors, bandwidth, update_s))
                bandwidths.append(bandwidth)
    return shares, bandwidths


@functools.lru_cache(maxsize=None)
def _turns():
    """Seconds of a step by name, one for each round."""
    peer_install.require("torch")
    peer_install.require("timm")
    times = {"lamb": [], "timm": [], "adamw": []}
    with _ours() as ours:
        tensors = ours.answer()
        with Child([peer_install.python(), PEER], peer_install.environment()) as peer:
            peer.ask(tensors.strip())
            for round_ in range(WARMUP + ROUNDS):
                row = {"lamb": float(ours.ask("lamb").split()[0]),
                       "timm": float(peer.ask("timm")), "adamw": float(peer.ask("adamw"))}
                for name in row if round_ >= WARMUP else ():
                    times[name].append(row[name])
    print("  a step: " + ", ".join("%s %.1f ms" % (name, 1e3 * statistics.median(times[name]))
                                   for name in times), flush=True)
    return times


def lamb_limit_share():
    shares, bandwidths = _alone()
    return shares, statistics.median(bandwidths) / 1e9


def lamb_vs_timm():
    times = _turns()
    return ([a / b for a, b in zip(times["timm"], times["lamb"])],
            1e3 * statistics.median(times["timm"]))


def lamb_vs_adamw():
    times = _turns()
    return ([a / b for a, b in zip(times["lamb"], times["adamw"])],
            1e3 * statistics.median(times["adamw"]))


FIGURES = [
    Figure("lamb_limit_share", "%", 90, False,
           "LAMB's update, 1 thread, as a share of in-place bandwidth: 28 B/parameter where the "
           "second pass runs in the cache, 40 B elsewhere", lamb_limit_share),
    Figure("lamb_vs_timm", "x", 6, False,
           "step of timm's Lamb over ours, norm and clip included, 1 thread", lamb_vs_timm),
    Figure("lamb_vs_adamw", "of AdamW", 1.25, True,
           "our LAMB step, norm and clip included, over torch's fused AdamW, 1 thread",
           lamb_vs_adamw),
]
