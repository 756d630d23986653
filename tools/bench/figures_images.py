"""What images cost before they are trained on, beside torchvision with PIL."""

import functools
import json
import pathlib
import re
import statistics
import tempfile

import peer_install
from figure_base import Figure, built, environment, run, stemma

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


@functools.lru_cache(maxsize=None)
def _data():
    """What `stemma bench data` prints, three times; a turn serves all figures below."""
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        return [run([stemma(), "bench", "data", "--dir=" + folder], env=environment())
                for _ in range(3)]


def _rows(name, unit):
    """The number in the row that begins with `name`, of each turn."""
    pattern = r"^ *%s +([0-9.]+) %s" % (re.escape(name), re.escape(unit))
    return [float(re.search(pattern, text, re.M).group(1)) for text in _data()]


def data_overhead_us():
    return _rows("loader, of a sample of 64 floats", "us"), None


def data_threads_share():
    return _rows("of so many times one thread's", "%"), None


def shard_share():
    return _rows("of the file's", "%"), None


FIGURES = [
    Figure("data_overhead_us", "us", 20, True,
           "what the loader adds to a sample that is only written, one thread", data_overhead_us),
    Figure("data_threads_share", "%", 90, False,
           "images/s of the loader with 2 threads over twice those with 1", data_threads_share),
    Figure("shard_share", "%", 90, False,
           "samples of a shard in order by its index over pread of the file, page cache dropped",
           shard_share),
    Figure("jpeg_vs_pil", "x", 1.5, False,
           "JPEG (500x375, 100 kB, in memory) to normalised 224x224 floats by RandomResizedCrop, 1 "
           "thread, over torchvision with PIL; beside it, theirs in images/s", jpeg_vs_pil),
]
