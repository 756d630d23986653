"""The waveforms against their references: the golden data's numbers and Python, and phenomxpy
(MIT), the reference implementation of IMRPhenomT, on random points.

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

GOLDEN = ROOT / "tests/golden/data/gw"
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


def columns_of(binary, family, at, folder):
    """What `stemma waveform` says of a binary at these times or frequencies."""
    (folder / "at").write_text("\n".join("%.17g" % x for x in at) + "\n")
    said = run([stemma(), "waveform", "--family=" + family, "--times=%s" % (folder / "at"),
                *("--%s=%.17g" % (name, binary[name]) for name in ("q", "s1", "s2"))])
    rows = [[float(word) for word in line.split(",")]
            for line in said.splitlines() if re.match(r"[-0-9]", line)]
    return list(zip(*rows))


def drawn(draw):
    """A binary of the data set's domain."""
    return {"q": draw.uniform(1, 8), "s1": draw.uniform(-0.8, 0.8), "s2": draw.uniform(-0.8, 0.8)}


def ours(draw, folder):
    binary = drawn(draw)
    # Half of the times are where the regions meet, the peak and the ringdown.
    times = sorted([draw.uniform(-10000, 130) for _ in range(12)] +
                   [draw.uniform(-300, 130) for _ in range(12)])
    columns = columns_of(binary, "phenomt", times, folder)
    return dict(binary, times=columns[0], amplitude=columns[1], omega=columns[2],
                phase=columns[3])


def golden(family):
    data = json.loads((GOLDEN / "gw_golden.json").read_text())
    points = [dict(p, s1=p["s1z"], s2=p["s2z"]) for p in data[family]]
    return points, data["times_M"]


def phenomt_error():
    points, times = golden("phenomT22")
    worst = []
    with tempfile.TemporaryDirectory(prefix="stemma.") as name:
        for point in points:
            columns = columns_of(point, "phenomt", times, pathlib.Path(name))
            for key, values in (("amp", columns[1]), ("omega", columns[2]),
                                ("phase_minus_phase0", columns[3])):
                for wanted, found in zip(point[key], values):
                    size = max(abs(wanted), 1) if key[0] == "p" else abs(wanted)
                    worst.append((abs(found - wanted) / size, key, point))
    error, key, point = max(worst, key=lambda w: w[0])
    print("  %s of q %g, s1 %g, s2 %g; %d values of %d binaries"
          % (key, point["q"], point["s1"], point["s2"], len(worst), len(points)), flush=True)
    return [error], None


def phenomd_error():
    python = phenomxpy()  # for its numpy
    draw = random.Random(2)
    frequencies = [0.004 + 0.0005 * i for i in range(233)]
    with tempfile.TemporaryDirectory(prefix="stemma.") as name:
        folder = pathlib.Path(name)
        points = []
        for binary in golden("phenomD")[0] + [drawn(draw) for _ in range(100)]:
            columns = columns_of(binary, "phenomd", frequencies, folder)
            points.append({"q": binary["q"], "s1": binary["s1"], "s2": binary["s2"],
                           "f": columns[0], "amplitude": columns[1], "phase": columns[2]})
        (folder / "points.json").write_text(json.dumps(points))
        said = run([python, ROOT / "tools/bench/peer_phenomd.py", GOLDEN, folder / "points.json"],
                   env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
    for line in said.splitlines():
        print("  " + line, flush=True)
    return [float(re.search(r"^worst (\S+)", said, re.M).group(1))], None


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
    Figure("phenomt_error", "relative", 1e-10, True,
           "IMRPhenomT against the golden points: amplitude, frequency, phase", phenomt_error),
    Figure("phenomd_error", "1-overlap", 1e-6, True,
           "IMRPhenomD against the golden data's Python, its binaries and 100 random ones",
           phenomd_error),
    Figure("phenomt_random_error", "relative", 1e-10, True,
           "IMRPhenomT against phenomxpy on 1,000 random binaries: amplitude, frequency, phase",
           phenomt_random_error),
]
