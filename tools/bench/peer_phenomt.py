"""IMRPhenomT by the package phenomxpy, beside what `stemma waveform` says of the same binaries.

    peer_phenomt.py POINTS.json

POINTS.json: a list of {"q", "s1", "s2", "times", "amplitude", "omega", "phase"}, times in M, the
phase 0 at t = 0. Prints the largest relative difference of each, and the binary in which it is; of
the phase in radians where it is below 1, because it passes through 0. Run by phenomxpy's Python,
with numba's compiler off: it is not needed for some ten thousand points.
"""

import json
import sys

import numpy as np
from phenomxpy import IMRPhenomT


def theirs(point):
    q, times = point["q"], np.asarray(point["times"])
    wave = IMRPhenomT(eta=q / (1 + q) ** 2, s1=[0, 0, point["s1"]], s2=[0, 0, point["s2"]],
                      f_min=1e-3, tmin=-20000.0, tref=-20000.0, numba_ansatze=False)
    phase = wave.pPhase.imr_phase(times) - wave.pPhase.imr_phase(np.zeros(1))[0]
    return {"amplitude": np.abs(wave.pAmp.imr_amplitude(times)),
            "omega": wave.pPhase.imr_omega(times), "phase": phase}


def main():
    with open(sys.argv[1]) as file:
        points = json.load(file)
    worst = {}
    for point in points:
        for name, values in theirs(point).items():
            ours = np.asarray(point[name])
            size = np.maximum(np.abs(values), 1) if name == "phase" else np.abs(values)
            errors = np.abs(ours - values) / size
            at = int(errors.argmax())
            if name not in worst or errors[at] > worst[name][0]:
                worst[name] = (float(errors[at]), point, point["times"][at])
    for name, (error, point, time) in sorted(worst.items()):
        print("%-9s %.3e at t = %.1f of q %.4f, s1 %.4f, s2 %.4f"
              % (name, error, time, point["q"], point["s1"], point["s2"]))
    print("worst %.3e of %d binaries" % (max(w[0] for w in worst.values()), len(points)))


if __name__ == "__main__":
    main()
