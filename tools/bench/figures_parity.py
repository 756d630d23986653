"""The networks against the same ones in PyTorch (tools/pytorch): outputs, gradients, statistics.

The engine writes keyed weights, an input and what it makes of them (stemma-engine sample); Python
builds the same network, loads the weights strictly and computes the same. The value is the largest
difference of all, as a share of the largest number of its tensor or block
(tools/pytorch/parity.py).

AI-GW's 16 blocks amplify: a rounding grows by half in each, so that PyTorch's own f32 gradients are
5 % from its f64 ones at sampled weights. What can be asked of f32 there is that ours are no further
off: net_parity_rounding. That the formulas are the same is f64's to show.
"""

import functools
import pathlib
import re
import tempfile

import peer_install
from figure_base import ROOT, Figure, built, run

# Images of 96: the last stages still normalise over 36 values a channel. AI-GW with all of its
# parameters on a shorter window.
SIDES = {"resnet50": 96, "aides": 96, "aigw": 11000}


@functools.lru_cache(maxsize=None)
def _said(model, kind):
    peer_install.require("torch")
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        sample = pathlib.Path(folder) / "sample.pt"
        run([built("//tools/cli:stemma-engine"), "sample", model, sample, "--batch=4",
             "--side=%d" % SIDES[model], "--type=" + kind, "--gradients", "--threads=2"])
        said = run([peer_install.python(), ROOT / "tools/pytorch/parity.py", model, sample],
                   env=peer_install.environment())
    for line in said.splitlines():
        print("  %s %s: %s" % (model, kind, line), flush=True)
    return said


def _all(kind, line="worst"):
    """The worst network decides, so it is the only value."""
    return [max(float(re.search(r"^%s (\S+)$" % line, _said(model, kind), re.M).group(1))
                for model in SIDES)], None


FIGURES = [
    Figure("net_parity", "share", 1e-5, True,
           "ResNet-50, AI-DES and AI-GW against PyTorch, f32: largest relative difference of "
           "outputs, gradients and statistics", lambda: _all("f32")),
    Figure("net_parity_rounding", "times", 2, True,
           "the same samples: distance from the f64 result, by that of PyTorch's f32",
           lambda: _all("f32", "rounding")),
    Figure("net_parity_f64", "share", 1e-10, True, "the same in f64", lambda: _all("f64")),
]
