"""What `stemma export` writes, opened by the safetensors package itself; and what that package
writes, imported. Tagged manual: it needs the package, which safetensors_install.py puts into a
cache of its own. `bazel test //tests/e2e:safetensors_test`, or safetensors_test.py STEMMA."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import safetensors_install

# Written by numpy: each dtype that numpy has, a scalar, an empty tensor, NaNs with every payload.
MAKE = """
import numpy, safetensors.numpy, sys
r = numpy.random.default_rng(1)
bits = r.integers(0, 2**32, 4099, dtype=numpy.uint64).astype(numpy.uint32)
bits[:3] = [0x7f800001, 0xff80ffff, 0x7f800000]
t = {"net.fc.weight": bits.view(numpy.float32).reshape(4099, 1),
     "scalar": numpy.array(2.5, dtype=numpy.float32), "none": numpy.zeros((0, 3), numpy.float32)}
for kind in ("uint8", "int8", "int16", "int32", "int64", "float16", "float64", "bool"):
    t["b." + kind] = r.integers(0, 2, 17).astype(kind)
safetensors.numpy.save_file(t, sys.argv[1], metadata={"from": "numpy"})
"""

# The exported file against the first one; bf16, which numpy lacks, by its bits.
CHECK = """
import json, numpy, safetensors, safetensors.numpy, struct, sys
first = safetensors.numpy.load_file(sys.argv[1])
with safetensors.safe_open(sys.argv[2], framework="numpy") as opened:
    names, metadata = list(opened.keys()), opened.metadata()
    assert sorted(names) == sorted(first), names
    for name in names:
        got = opened.get_tensor(name)
        assert got.dtype == first[name].dtype and got.shape == first[name].shape, name
        assert got.tobytes() == first[name].tobytes(), name
assert metadata["format"] == "pt" and metadata["stemma.run"] == "w", metadata
data = open(sys.argv[3], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
begin, end = header["net.fc.weight"]["data_offsets"]
assert header["net.fc.weight"]["dtype"] == "BF16"
got = numpy.frombuffer(data[8 + size + begin:8 + size + end], numpy.uint16)
want = first["net.fc.weight"].view(numpy.uint32).ravel()
high = (want >> 16).astype(numpy.uint16)
lost = ((high & 0x7fff) == 0x7f80) & ((want & 0xffff) != 0)
assert lost.sum() >= 2
assert (got == numpy.where(lost, high | 0x40, high)).all()
with safetensors.safe_open(sys.argv[3], framework="numpy") as opened:
    assert sorted(opened.keys()) == sorted(first)
print("safetensors", safetensors.__version__, "opened", len(names), "tensors")
"""


def run(command, folder):
    done = subprocess.run([str(c) for c in command], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, "%s left with %d:\n%s" % (command[:3], done.returncode,
                                                           done.stdout)
    return done.stdout


def main():
    stemma = pathlib.Path(sys.argv[1]).resolve()
    python = os.environ.get("SAFETENSORS_PYTHON") or safetensors_install.python()
    with tempfile.TemporaryDirectory(prefix="stemma.") as folder:
        run([python, "-c", MAKE, "in.safetensors"], folder)
        said = json.loads(run([stemma, "import", "in.safetensors", "--name=w", "--json"], folder))
        assert said["attributes"]["import.file"] == "in.safetensors", said
        run([stemma, "verify", "--all"], folder)
        run([stemma, "export", "w@0", "--safetensors=out"], folder)
        run([stemma, "export", "w@0", "--safetensors=half.safetensors", "--bf16"], folder)
        print(run([python, "-c", CHECK, "in.safetensors", "out/model.safetensors",
                   "half.safetensors"], folder), end="")


if __name__ == "__main__":
    main()
