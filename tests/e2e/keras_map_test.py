"""The tensors of Keras's Xception, kernels as Keras keeps them, find their place in AI-DES by the
map that is shipped: every tensor of the base, turned into torch's order.

    keras_map_test.py STEMMA STEMMA_ENGINE MAP

The file is made here, by the structure of keras.applications.Xception without its top and by the
names that the map's first lines give. Keras itself is not asked.
"""

import json
import pathlib
import struct
import sys
import tempfile

import timm_map_test


def norm(name, channels):
    for part in ("gamma", "beta", "moving_mean", "moving_variance"):
        yield name + "/" + part, [channels]


def separable(name, before, after):
    yield name + "/depthwise_kernel", [3, 3, before, 1]
    yield name + "/pointwise_kernel", [1, 1, before, after]
    yield from norm(name + "_bn", after)


def keras_tensors():
    """Names and shapes of the layers' weights."""
    yield "block1_conv1/kernel", [3, 3, 3, 32]
    yield from norm("block1_conv1_bn", 32)
    yield "block1_conv2/kernel", [3, 3, 32, 64]
    yield from norm("block1_conv2_bn", 64)
    shortcuts = 0
    for block in range(2, 14):
        middle = 5 <= block <= 12
        widths = {2: [64, 128, 128], 3: [128, 256, 256], 4: [256, 728, 728],
                  13: [728, 728, 1024]}.get(block, [728] * 4)
        if not middle:
            shortcuts += 1
            yield "skip%d_conv/kernel" % shortcuts, [1, 1, widths[0], widths[-1]]
            yield from norm("skip%d_bn" % shortcuts, widths[-1])
        for i, (before, after) in enumerate(zip(widths, widths[1:]), 1):
            yield from separable("block%d_sepconv%d" % (block, i), before, after)
    yield from separable("block14_sepconv1", 1024, 1536)
    yield from separable("block14_sepconv2", 1536, 2048)


def fill(path, name, count):
    """Writes 0, 1, 2, ... into a tensor of float32."""
    with open(str(path), "r+b") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        begin = json.loads(file.read(length))[name]["data_offsets"][0]
        file.seek(8 + length + begin)
        file.write(struct.pack("<%df" % count, *range(count)))


def values(path, name):
    with open(str(path), "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        about = json.loads(file.read(length))[name]
        begin, end = about["data_offsets"]
        file.seek(8 + length + begin)
        return about["shape"], struct.unpack("<%df" % ((end - begin) // 4), file.read(end - begin))


def check_turned(path):
    """Element (out, in, row, column) of a kernel was (row, column, in, out)."""
    shape, got = values(path, "conv1.weight")
    assert shape == [32, 3, 3, 3], shape
    want = [((y * 3 + x) * 3 + i) * 32 + o for o in range(32) for i in range(3)
            for y in range(3) for x in range(3)]
    assert list(got) == want, got[:9]
    shape, got = values(path, "block1.rep.0.conv1.weight")
    assert shape == [64, 1, 3, 3], shape
    assert list(got) == [(y * 3 + x) * 64 + c for c in range(64) for y in range(3)
                         for x in range(3)], got[:9]


def main():
    stemma, engine, names = [pathlib.Path(p).resolve() for p in sys.argv[1:]]
    run = timm_map_test.run
    with tempfile.TemporaryDirectory(prefix="stemma.") as made:
        folder = pathlib.Path(made)
        run([engine, "sample", "aides", "keyed.pt", "--side=71", "--batch=1", "--threads=1"],
            folder)
        (folder / "keyed.map").write_text("weight/* *\ninput -\noutput -\n")
        run([stemma, "import", "keyed.pt", "--map=keyed.map", "--name=aides"], folder)
        (folder / "keyed.pt").unlink()

        tensors = list(keras_tensors())
        file = folder / "keras.safetensors"
        timm_map_test.write(file, tensors)
        fill(file, "block1_conv1/kernel", 3 * 3 * 3 * 32)
        fill(file, "block2_sepconv1/depthwise_kernel", 3 * 3 * 64)
        said = run([stemma, "import", file, "--map", names, "--name=xception", "--like=aides@",
                    "--partial"], folder)
        assert len(tensors) == 234 and "234 tensors" in said, said
        missing = [line.split()[-1] for line in said.splitlines()
                   if line.startswith(("missing", "          "))]
        heads = ["head.fc%d.%s" % (i, part) for i in (1, 2, 3) for part in ("weight", "bias")]
        assert sorted(missing) == sorted(heads), said
        for word in ("unexpected", "mismatched", "no use of"):
            assert word not in said, said
        run([stemma, "export", "xception@", "--safetensors", "out.safetensors"], folder)
        check_turned(folder / "out.safetensors")


if __name__ == "__main__":
    main()
