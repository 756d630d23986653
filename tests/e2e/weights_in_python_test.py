"""Weights out to torch's Python and back, to the bit: export, load strictly, one forward pass
against the engine's, save, import, export, compare.

    weights_in_python_test.py STEMMA STEMMA_ENGINE

Needs torch's Python: $STEMMA_PEERS, else ~/.cache/stemma/peers (tools/bench/peers install).
"""

import os
import pathlib
import subprocess
import sys
import tempfile

SAVE = """
import sys, torch
from load_in_pytorch import load
network = load()
torch.save(network.state_dict(), sys.argv[1])
weights = torch.load("model.pt")
assert set(weights) == set(network.state_dict()), "other names"
mapped = torch.load("model.pt", mmap=True)
assert all(torch.equal(mapped[name], weights[name]) for name in weights)
"""
COMPARE = """
import sys, torch
a, b = torch.load(sys.argv[1]), torch.load(sys.argv[2])
assert set(a) == set(b), "other names"
for name in a:
    assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape, name
    assert a[name].numpy().tobytes() == b[name].numpy().tobytes(), name
print("%d tensors, the same to the bit" % len(a))
"""


def run(command, folder, code=0):
    done = subprocess.run([str(c) for c in command], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == code, "%s left with %d:\n%s" % (command, done.returncode, done.stdout)
    return done.stdout


def main():
    stemma, engine = [pathlib.Path(p).resolve() for p in sys.argv[1:]]
    home = pathlib.Path(os.environ.get("STEMMA_PEERS") or pathlib.Path.home() /
                        ".cache/stemma/peers")
    python = home / "venv/bin/python"
    assert python.exists(), "no torch's Python in %s: tools/bench/peers install" % home
    for model in ("resnet50", "aides", "aigw"):
        with tempfile.TemporaryDirectory(prefix="stemma.") as name:
            folder = pathlib.Path(name)
            run([engine, "sample", model, "keyed.pt", "--threads=2"], folder)
            (folder / "keyed.map").write_text("weight/* *\ninput -\noutput -\n")
            run([stemma, "import", "keyed.pt", "--map=keyed.map", "--name=first"], folder)
            run([stemma, "export", "first@0", "--torch=out", "--with-loader"], folder)
            said = run([python, "out/load_in_pytorch.py"], folder)
            assert "good" in said, said
            print(said, end="")
            run([python, "-c", SAVE, "saved.pt"], folder / "out")
            run([stemma, "import", "out/saved.pt", "--name=second", "--like=first@0"], folder)
            run([stemma, "export", "second@0", "--torch=back.pt"], folder)
            print(run([python, "-c", COMPARE, "out/model.pt", "back.pt"], folder), end="")
            run([stemma, "verify", "--all"], folder)
            if model == "resnet50":  # a network that is not this one is told so
                (folder / "out/sample.pt").unlink()
                run([engine, "sample", model, "out/sample.pt", "--threads=2"], folder)
                run([python, "out/load_in_pytorch.py"], folder)  # keyed weights again: the same
                run([python, "-c", "import torch; s = torch.load('out/sample.pt'); "
                     "s['output'] *= 1.001; torch.save(s, 'out/sample.pt')"], folder)
                assert "NOT the same" in run([python, "out/load_in_pytorch.py"], folder, code=1)


if __name__ == "__main__":
    main()
