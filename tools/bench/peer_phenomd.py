"""IMRPhenomD by the golden data's Python, beside what `stemma waveform` says of the same binaries.

    peer_phenomd.py FOLDER POINTS.json

FOLDER has phenomd.py; POINTS.json is a list of {"q", "s1", "s2", "f", "amplitude", "phase"}, f in
1/M at equal distances. Prints the largest 1 - overlap of all binaries, on a flat spectrum over f,
maximised over the phase alone: a wave that is shifted in time is another. Needs numpy.
"""

import json
import sys

import numpy as np


def mismatch(a, b):
    """1 - |<a, b>| / (|a| |b|), without the difference of two numbers close to 1."""
    a, b = (x / np.sqrt(np.vdot(x, x).real) for x in (a, b))
    difference = a - b * np.exp(-1j * np.angle(np.vdot(a, b)))
    return float(np.vdot(difference, difference).real / 2)


def main():
    folder, path = sys.argv[1:]
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    import phenomd  # noqa: E402  the reference
    with open(path) as file:
        points = json.load(file)
    worst = (-1.0, None)
    for point in points:
        f = np.asarray(point["f"])
        wave = phenomd.PhenomD(point["q"], point["s1"], point["s2"])
        theirs = wave.amp(f) * np.exp(-1j * wave.phase(f))
        ours = np.asarray(point["amplitude"]) * np.exp(-1j * np.asarray(point["phase"]))
        worst = max(worst, (mismatch(ours, theirs), point), key=lambda w: w[0])
    print("q %.4f, s1 %.4f, s2 %.4f" % tuple(worst[1][k] for k in ("q", "s1", "s2")))
    print("worst %.3e of %d binaries" % (worst[0], len(points)))


if __name__ == "__main__":
    main()
