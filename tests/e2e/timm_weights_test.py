"""timm's own legacy_xception against AI-DES: its state_dict by the map that is shipped, and the
features of both networks.

    timm_weights_test.py STEMMA STEMMA_ENGINE MAP

Weights are timm's names with keyed values of the engine's, so nothing is downloaded. At 71 pixels
all pools see odd sizes, where timm and Keras pad alike; with timm's batch norms set to Keras's
epsilon the features must agree to 1e-5. What timm's own epsilon makes of it, and an even size, is
printed: weights that were trained in timm are another function here by so much.

Needs torch's Python with timm and torchvision: $STEMMA_PEERS, else ~/.cache/stemma/peers
(tools/bench/peers install).
"""

import os
import pathlib
import subprocess
import sys
import tempfile

SAVE = """
import sys, torch
from timm.models.xception import legacy_xception
keyed = torch.load("keyed.pt")
network = legacy_xception()
names = [n for n in network.state_dict()
         if not n.startswith("fc.") and not n.endswith("num_batches_tracked")]
values = network.state_dict()
values.update({n: keyed["weight/" + n] for n in names})
network.load_state_dict(values)
torch.save(network.state_dict(), "timm.pt")
print("%d tensors of the base" % len(names))
"""

COMPARE = """
import sys, torch
sys.path.insert(0, "out")
from load_in_pytorch import load
from timm.models.xception import legacy_xception
ours = load().eval()
theirs = legacy_xception()
theirs.load_state_dict(torch.load("timm.pt"))
theirs.eval()
seen = {}
ours.head.register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))

def error(side, epsilon):
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = epsilon
    torch.manual_seed(1)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        ours(images)
        features = theirs.forward_features(images).mean((2, 3))
    return float((seen["x"] - features).abs().max() / features.abs().max())

same = error(71, 1e-3)
print("71 pixels, epsilon 1e-3: %.1e" % same)
print("71 pixels, timm's epsilon 1e-5: %.1e" % error(71, 1e-5))
print("96 pixels, epsilon 1e-3: %.1e" % error(96, 1e-3))
sys.exit(0 if same <= 1e-5 else 1)
"""


def run(command, folder):
    done = subprocess.run([str(c) for c in command], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, "%s left with %d:\n%s" % (command, done.returncode, done.stdout)
    return done.stdout


def main():
    stemma, engine, names = [pathlib.Path(p).resolve() for p in sys.argv[1:]]
    home = pathlib.Path(os.environ.get("STEMMA_PEERS") or pathlib.Path.home() /
                        ".cache/stemma/peers")
    python = home / "venv/bin/python"
    assert python.exists(), "no torch's Python in %s: tools/bench/peers install" % home
    with tempfile.TemporaryDirectory(prefix="stemma.") as made:
        folder = pathlib.Path(made)
        run([engine, "sample", "aides", "keyed.pt", "--side=71", "--threads=2"], folder)
        (folder / "keyed.map").write_text("weight/* *\ninput -\noutput -\n")
        run([stemma, "import", "keyed.pt", "--map=keyed.map", "--name=aides"], folder)
        print(run([python, "-c", SAVE], folder), end="")
        run([stemma, "import", "timm.pt", "--map", names, "--name=xception", "--like=aides@",
             "--partial"], folder)
        said = run([stemma, "diff", "xception@", "aides@"], folder)
        print(said, end="")
        run([stemma, "export", "aides@", "--torch=out", "--with-loader"], folder)
        print(run([python, "-c", COMPARE], folder), end="")


if __name__ == "__main__":
    main()
