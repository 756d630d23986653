"""What FORMAT.md says is what the programs do: a reader made from it alone finds the same tree and
the same bytes in a store that the programs wrote, and finds every flipped bit.

  read_store_test.py MAKE_STORE STEMMA
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

import store_bytes
from read_store import Store
from xxh3 import xxh3_128

FLIPS = 24  # in each file; in each pack a quarter of them
STORED = pathlib.Path("tests/golden/data/lineage")

# Of the bytes (131 i + 7 (i / 256) + 3) mod 256, by the xxHash library.
VECTORS = [
    (1, "22bbb76b211a39ba13e608bc156defed"),
    (3, "a7141a4d6424893f974a8c6fa70c32a8"),
    (4, "a5a284530171a9ca0ee6722bc7d19bbe"),
    (8, "90e6eaccb9cf286bc3a3a1cc01cb8f0b"),
    (9, "41ce99dfa1057da6c0738415ca1ac039"),
    (16, "f3e407b341dfba3134dbab61519e4476"),
    (17, "1879de0d8e7d0625980d68f6d41eb28d"),
    (32, "1b8d913d4b3da7397a80e7df3b4395ec"),
    (33, "67ff4832fc6dbf4dc1043db9050dee28"),
    (64, "5a9fdc7e54436be86796c847ecbd7dcb"),
    (128, "02ce7d90c5eae3de1b06f186fe566ffc"),
    (129, "cce6effe0dedc24455387bdda5accd8f"),
    (160, "f15fafc5e7943104fb8e0041887bcfff"),
    (240, "7db5606af28958ff1b7ccd7ad717c030"),
    (241, "bcb184a76a650df6ef630bb6bb6cfe02"),
    (1024, "523bb732f3875ac646703f18d0b7abc5"),
    (1025, "581a3d82d4006465178c11ef15cb206e"),
    (4096, "48d0c9f6fccfbd5e6d254ae790a56d8b"),
    (70001, "b703f66e4ebd7241b136d8d1d40ce6f5"),
]


def test_digests():
    for length, digest in VECTORS:
        data = bytes(131 * i + 7 * (i >> 8) + 3 & 255 for i in range(length))
        assert xxh3_128(data).hex() == digest, "XXH3-128 of %d bytes" % length


def test_stored_files():
    read = lambda name: (STORED / name).read_bytes()
    kind, frames, torn = store_bytes.segment(read("segment.v1.bin"))
    assert (kind, torn, [kind for kind, _ in frames]) == (1, 0, [1, 2, 3, 4, 6, 5])
    record = store_bytes.state(frames[2][1])
    assert [parent["kind"] for parent in record["parents"]] == ["train", "fork"], record
    assert store_bytes.tag_target(read("tag.v1.bin")).startswith("2d711642")
    assert len(store_bytes.layout(read("layout.v1.bin"))) == 20


def tree(state):
    """What `stemma log --json` and the reader both say of a state."""
    keys = "id run step samples epoch parents metrics ranks incarnation capture reason audit"
    return {key: state[key] for key in keys.split() + ["attributes", "wall_ms"]}


def test_tree(store, stemma):
    listing = store.listing()
    assert (listing["problems"], listing["torn"]) == ([], []), listing
    assert listing["runs"] == {
        "laptop": ["inc-0001", "inc-0002"],
        "twig": ["inc-0001"],
        "warm": ["inc-0001", "inc-0002"],
    }
    lines = stemma("log", "--json").splitlines()
    said = {line["id"]: line for line in map(json.loads, lines)}
    assert len(said) == 6, lines
    read = {state["id"]: tree(state) for state in listing["states"]}
    assert read == {of: tree(line) for of, line in said.items()}, (read, said)
    tags = {tag: of for of, line in said.items() for tag in line["tags"]}
    assert listing["tags"] == tags and len(tags) == 1, (listing["tags"], tags)
    notes = {of: line["notes"] for of, line in said.items() if line["notes"]}
    assert listing["notes"] == notes and len(notes) == 2, (listing["notes"], notes)


def test_details(store, stemma):
    for state in store.states.values():
        said = json.loads(stemma("show", state["id"], "--json"))
        keys = ("writer", "writers", "id", "bytes")
        assert [{key: pack[key] for key in keys} for pack in said["packs"]] == state["packs"]
        assert len(state["packs"]) == 3, "not every rank wrote"
        assert said["digests"]["layout"] == state["layout"]
        spans = store.layouts[state["layout"]]
        assert [t["name"] for t in said["tensors"]] == list(spans)
        for tensor in said["tensors"]:
            span = spans[tensor["name"]]
            assert tensor["dtype"].upper() == span["dtype"], tensor
            assert (tensor["section"], tensor["shape"]) == (span["section"], span["shape"])


def test_settings(store, stemma):
    texts = []
    for state in store.states.values():
        text = store.settings(state["id"])
        if text:
            assert text == stemma("show", state["id"], "--settings"), text
            texts.append(text)
    assert sorted(texts) == [
        'decay = 0.1\nlr = 0.5\nname = "twig"\n',
        'lr = 0.5\nname = "warm"\n',
    ], texts
    assert [state["changes"] for state in store.states.values() if state["changes"]] == [
        'decay = 0.1\nname = "twig"\n'
    ]


def test_tensors(store, expected):
    compared = 0
    for file in sorted(expected.glob("*/*")):
        name, rank = file.name.replace("+", "/").split("@")
        assert store.tensor(file.parent.name, name, int(rank)) == file.read_bytes(), str(file)
        compared += 1
    assert compared == 6 * 8 * 3, compared


def is_found(store, name, data, file):
    """Whether the reader objects to a store whose file `name` has the bytes `data`."""
    if name.startswith("objects/pack/"):
        try:
            store_bytes.Pack(data, file.name)
        except (store_bytes.Bad, KeyError, ValueError, TypeError):
            return True
        return False
    file.write_bytes(data)
    again = Store(store.path, store.packs)
    return bool(again.problems or again.torn)


def test_flips(store):
    draw, flips = random.Random(7), 0
    for file in sorted(path for path in store.path.glob("**/*") if path.is_file()):
        name, data = str(file.relative_to(store.path)), file.read_bytes()
        if name.startswith("runs/") and name.endswith("/name"):
            continue  # for people
        covered = data.index(b"\n") if name == "format" else len(data)
        for _ in range(FLIPS // 4 if name.startswith("objects/pack/") else FLIPS):
            bit = draw.randrange(8 * covered)
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            assert is_found(store, name, bytes(flipped), file), "%s: bit %d" % (name, bit)
            flips += 1
        file.write_bytes(data)
    assert not Store(store.path, store.packs).problems
    return flips


def main(make_store, program):
    test_digests()
    test_stored_files()
    with tempfile.TemporaryDirectory() as folder:
        path, expected = pathlib.Path(folder, "store"), pathlib.Path(folder, "expected")
        subprocess.run([make_store, path, expected], check=True)
        ask = lambda *words: subprocess.run(
            [program, *words, "--store", path], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        store = Store(path)
        test_tree(store, ask)
        test_details(store, ask)
        test_settings(store, ask)
        test_tensors(store, expected)
        print("6 states read, %d flipped bits found" % test_flips(store))


if __name__ == "__main__":
    main(*sys.argv[1:])
