"""The networks against the same ones in PyTorch (tools/pytorch): outputs, gradients, statistics.

The engine writes keyed weights, an input and what it makes of them (stemma-engine sample); Python
builds the same network, loads the weights strictly and computes the same. The value is the largest
difference of all, as a share of the largest number of its tensor or block
(tools/pytorch/parity.py).
"""

import pathlib
import re
import tempfile

import peer_install
from figure_base import ROOT, Figure, built, run

# Images of 96: the last stages still normalise over 36 values a channel. AI-GW with all of its
# parameters on a shorter window.
SIDES = {"resnet50": 96, "aides": 96, "aigw": 11000}


def _worst(model, kind):
    peer_install.require("torch")
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        sample = pathlib.Path(folder) / "sample.pt"
        run([built("//tools/cli:stemma-engine"), "sample", model, sample, "--batch=4",
             "--side=%d" % SIDES[model], "--type=" + kind, "--gradients", "--threads=2"])
        said = run([peer_install.python(), ROOT / "tools/pytorch/parity.py", model, sample],
                   env=peer_install.environment())
    for line in said.splitlines():
        print("  %s %s: %s" % (model, kind, line), flush=True)
    return float(re.search(r"^worst (\S+)$", said, re.M).group(1))


def _all(kind):
    """The worst network decides, so it is the only value."""
    return [max(_worst(model, kind) for model in SIDES)], None


FIGURES = [
    Figure("net_parity", "share", 1e-5, True,
           "ResNet-50, AI-DES and AI-GW against PyTorch, f32: largest relative difference of "
           "outputs, gradients and statistics", lambda: _all("f32")),
    Figure("net_parity_f64", "share", 1e-10, True, "the same in f64", lambda: _all("f64")),
]
