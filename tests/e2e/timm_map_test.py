"""A checkpoint with the names of timm's legacy_xception finds its place in AI-DES by the map that
is shipped: every tensor of the base, and nothing else.

    timm_map_test.py STEMMA STEMMA_ENGINE MAP

The file is made here, in the format of safetensors, by the structure of timm's module. That timm's
own names and values are these is what timm_weights_test.py asks, where timm is installed.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile


def run(command, folder, code=0):
    done = subprocess.run([str(c) for c in command], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == code, "%s left with %d:\n%s" % (command, done.returncode, done.stdout)
    return done.stdout


def norm(name, channels):
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield name + "." + part, [channels]
    yield name + ".num_batches_tracked", []


def separable(name, before, after):
    yield name + ".conv1.weight", [before, 1, 3, 3]
    yield name + ".pointwise.weight", [after, before, 1, 1]


def block(name, channels, relu_first=True, shrinks=True):
    """A Sequential of ReLU, separable convolution, norm; the first ReLU may be left out."""
    place = 1 if relu_first else 0
    for before, after in zip(channels, channels[1:]):
        yield from separable("%s.rep.%d" % (name, place), before, after)
        yield from norm("%s.rep.%d" % (name, place + 1), after)
        place += 3
    if shrinks:
        yield name + ".skip.weight", [channels[-1], channels[0], 1, 1]
        yield from norm(name + ".skipbn", channels[-1])


def timm_tensors():
    """Names and shapes of legacy_xception's state_dict."""
    yield "conv1.weight", [32, 3, 3, 3]
    yield from norm("bn1", 32)
    yield "conv2.weight", [64, 32, 3, 3]
    yield from norm("bn2", 64)
    yield from block("block1", [64, 128, 128], relu_first=False)
    yield from block("block2", [128, 256, 256])
    yield from block("block3", [256, 728, 728])
    for i in range(4, 12):
        yield from block("block%d" % i, [728] * 4, shrinks=False)
    yield from block("block12", [728, 728, 1024])
    yield from separable("conv3", 1024, 1536)
    yield from norm("bn3", 1536)
    yield from separable("conv4", 1536, 2048)
    yield from norm("bn4", 2048)
    yield "fc.weight", [1000, 2048]
    yield "fc.bias", [1000]


def write(path, tensors):
    """safetensors: the header's length, the header as JSON, the bytes; here all zeros."""
    header, end = {}, 0
    for name, shape in tensors:
        counter = name.endswith("num_batches_tracked")
        size = 8 if counter else 4
        for dim in shape:
            size *= dim
        header[name] = {"dtype": "I64" if counter else "F32", "shape": shape,
                        "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with open(str(path), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def main():
    stemma, engine, names = [pathlib.Path(p).resolve() for p in sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="stemma.") as made:
        folder = pathlib.Path(made)
        run([engine, "sample", "aides", "keyed.pt", "--side=71", "--batch=1", "--threads=1"],
            folder)
        (folder / "keyed.map").write_text("weight/* *\ninput -\noutput -\n")
        run([stemma, "import", "keyed.pt", "--map=keyed.map", "--name=aides"], folder)
        (folder / "keyed.pt").unlink()

        tensors = list(timm_tensors())
        counters = sum(name.endswith("num_batches_tracked") for name, _ in tensors)
        base = len(tensors) - counters - 2
        write(folder / "timm.safetensors", tensors)
        said = run([stemma, "import", "timm.safetensors", "--map", names, "--name=xception",
                    "--like=aides@", "--partial"], folder)
        assert "%d tensors" % base in said, said
        assert "0 renamed, %d left out" % (counters + 2) in said, said
        missing = [line.split()[-1] for line in said.splitlines()
                   if line.startswith(("missing", "          "))]
        heads = ["head.fc%d.%s" % (i, part) for i in (1, 2, 3) for part in ("weight", "bias")]
        assert sorted(missing) == sorted(heads), said
        for word in ("unexpected", "mismatched", "no use of"):
            assert word not in said, said

        # Without --partial the head that timm lacks is an error that names it.
        said = run([stemma, "import", "timm.safetensors", "--map", names, "--name=whole",
                    "--like=aides@"], folder, code=2)
        assert "6 missing (head.fc1.weight" in said, said


if __name__ == "__main__":
    main()
