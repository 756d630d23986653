"""IMRPhenomT against phenomxpy (MIT), the reference implementation in Python, on random points.

The package is installed into a cache of its own, $STEMMA_PEERS/phenomxpy, else
~/.cache/stemma/peers/phenomxpy, when the figure is measured first. STEMMA_WAVEFORM_POINTS is how
many binaries; each has 24 times of its own.
"""

import json
import os
import pathlib
import random
import re
import sys
import tempfile

import peer_install
from figure_base import ROOT, Figure, run, stemma

POINTS = int(os.environ.get("STEMMA_WAVEFORM_POINTS", "1000"))
PACKAGE = "phenomxpy==2.0.3"
# What its waveforms import; what it names beyond these is for other interfaces.
NEEDS = ["numpy", "scipy", "numba", "pydantic>=2.8"]


def phenomxpy():
    """Its Python; installed once."""
    home = peer_install.HOME / "phenomxpy"
    python = home / "bin/python"
    if not (home / ".installed").exists():
        print("  installing %s into %s" % (PACKAGE, home), flush=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", home])
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run(pip + NEEDS)
        run(pip + ["--no-deps", PACKAGE])
        (home / ".installed").write_text(PACKAGE + "\n")
    return python


def ours(draw, folder):
    """A binary of the data set's domain and what `stemma waveform` says of it at random times."""
    q, s1, s2 = draw.uniform(1, 8), draw.uniform(-0.8, 0.8), draw.uniform(-0.8, 0.8)
    # Half of the times are where the regions meet, the peak and the ringdown.
    times = sorted([draw.uniform(-10000, 130) for _ in range(12)] +
                   [draw.uniform(-300, 130) for _ in range(12)])
    (folder / "times").write_text("\n".join("%.17g" % t for t in times) + "\n")
    said = run([stemma(), "waveform", "--q=%.17g" % q, "--s1=%.17g" % s1, "--s2=%.17g" % s2,
                "--times=%s" % (folder / "times")])
    rows = [[float(word) for word in line.split(",")]
            for line in said.splitlines() if re.match(r"[-0-9]", line)]
    columns = list(zip(*rows))
    return {"q": q, "s1": s1, "s2": s2, "times": columns[0], "amplitude": columns[1],
            "omega": columns[2], "phase": columns[3]}


def phenomt_random_error():
    python = phenomxpy()
    draw = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="stemma.") as name:
        folder = pathlib.Path(name)
        points = [ours(draw, folder) for _ in range(POINTS)]
        (folder / "points.json").write_text(json.dumps(points))
        said = run([python, ROOT / "tools/bench/peer_phenomt.py", folder / "points.json"],
                   env=dict(os.environ, NUMBA_DISABLE_JIT="1", PYTHONDONTWRITEBYTECODE="1",
                            PHENOMXPY_CONSTANTS="hardcoded"))
    for line in said.splitlines():
        print("  " + line, flush=True)
    return [float(re.search(r"^worst (\S+)", said, re.M).group(1))], None


FIGURES = [
    Figure("phenomt_random_error", "relative", 1e-10, True,
           "IMRPhenomT against phenomxpy on 1,000 random binaries: amplitude, frequency, phase",
           phenomt_random_error),
]
