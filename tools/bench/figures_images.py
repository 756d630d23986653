"""What images cost before they are trained on, beside torchvision with PIL."""

import json
import pathlib
import re
import statistics
import tempfile

import peer_install
from figure_base import Figure, built, run

TURNS, IMAGES, PASSES = 5, 64, 3
PEER = pathlib.Path(__file__).resolve().parent / "peer_images.py"


def _turns():
    """[(our images/s, torchvision's)]: the same files, one thread each, in turns."""
    peer_install.require("torchvision")
    program, turns = built("//tools/bench:jpeg_bench"), []
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        run([program, "make", folder, IMAGES])
        for _ in range(TURNS):
            text = run([program, "run", folder, PASSES])
            ours = float(re.search(r"^samples +([0-9]+) images/s", text, re.M).group(1))
            said = run([peer_install.python(), PEER, folder, PASSES],
                       env=peer_install.environment())
            turns.append((ours, json.loads(said.strip().split("\n")[-1])["images_per_s"]))
    return turns


def jpeg_vs_pil():
    turns = _turns()
    return [ours / theirs for ours, theirs in turns], statistics.median(t for _, t in turns)


FIGURES = [
    Figure("jpeg_vs_pil", "x", 1.5, False,
           "JPEG (500x375, 100 kB, in memory) to normalised 224x224 floats by RandomResizedCrop, 1 "
           "thread, over torchvision with PIL; beside it, theirs in images/s", jpeg_vs_pil),
]
