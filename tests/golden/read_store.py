"""Reads a store after lineage/FORMAT.md alone, and checks every digest in it.

  read_store.py STORE                      the family tree and what is wrong, as JSON; 1 if any is
  read_store.py STORE STATE SPAN [RANK]    the bytes of a tensor of the state with this id

No line of it shares anything with the C++ programs: what both say alike, FORMAT.md says.
"""

import hashlib
import json
import math
import pathlib
import re
import sys

import store_bytes
from store_bytes import Bad, need


class Store:
    """`packs`: those found to be right before, which are not read again."""

    def __init__(self, path, packs=None):
        self.path = pathlib.Path(path)
        self.problems, self.torn = [], []
        self.states, self.runs, self.tags, self.notes = {}, {}, {}, {}
        self.layouts, self.packs = {}, packs or {}
        self.check("format", self.read_format)
        for kind, read in (("layout", self.read_layout), ("blob", None), ("pack", None)):
            for file in self.files("objects/%s/??/*" % kind):
                self.check(file, lambda f=file, k=kind, r=read: self.read_object(f, k, r))
        for file in self.files("runs/*/inc-*/log.*.seg"):
            self.check(file, lambda f=file: self.read_log(f))
        for file in self.files("names/*/run"):
            self.check(file, lambda f=file: self.read_name(f))
        for file in self.files("notes/*.seg"):
            self.check(file, lambda f=file: self.read_notes(f))
        for file in self.files("tags/*/v*/target"):
            self.check(file, lambda f=file: self.read_tag(f))
        for of in list(self.states):
            self.check("state " + of, lambda s=of: self.check_state(self.states[s]))

    def files(self, pattern):
        return sorted(str(p.relative_to(self.path)) for p in self.path.glob(pattern))

    def bytes_of(self, name):
        return (self.path / name).read_bytes()

    def check(self, name, read):
        try:
            read()
        except (Bad, KeyError, ValueError, TypeError, AttributeError) as wrong:
            self.problems.append("%s: %s" % (name, wrong or type(wrong).__name__))

    def read_format(self):
        need(self.bytes_of("format").split(b"\n")[0] == b"stemma store 1", "not a store")

    def read_object(self, file, kind, read):
        data, name = self.bytes_of(file), pathlib.Path(file).name
        named = re.fullmatch("[0-9a-f]{64}", name) and file.split("/")[2] == name[:2]
        need(named, "not an object's name")
        if kind == "pack":
            if name not in self.packs:
                self.packs[name] = store_bytes.Pack(data, name)
            return
        need(hashlib.sha256(data).hexdigest() == name, "other bytes than its name says")
        if read:
            read(name, data)

    def read_layout(self, name, data):
        self.layouts[name] = store_bytes.layout(data)

    def frames(self, file, kind):
        found, frames, torn = store_bytes.segment(self.bytes_of(file))
        need(found in (0, kind), "a segment of another kind")
        if torn:
            self.torn.append("%s: %d bytes" % (file, torn))
        return frames

    def read_log(self, file):
        ulid, incarnation = file.split("/")[1:3]
        withdrawn = set()
        for kind, payload in self.frames(file, 1):
            if kind == 1:
                f = store_bytes.known(store_bytes.fields(payload), 7)
                run = self.runs.setdefault(store_bytes.text(f[2]), {"incarnations": set()})
                need(store_bytes.text(f[1]) == ulid, "opens another run")
                need(incarnation == "inc-%04d" % store_bytes.only(f[3], "I"), "another incarnation")
                run["ulid"] = ulid
                run["incarnations"].add(incarnation)
            elif kind == 3:
                state = store_bytes.state(payload)
                need(state["ulid"] == ulid, "a state of another run")
                self.states[state["id"]] = state
            elif kind == 4:
                withdrawn.add(store_bytes.fields(payload)[1].hex())
        for of in withdrawn:
            self.states.pop(of, None)

    def read_name(self, file):
        name, said = file.split("/")[1], self.bytes_of(file)
        need(name in self.runs, "no run of this name")
        need(said == self.runs[name]["ulid"].encode() + b"\n", "names another run")

    def read_notes(self, file):
        for kind, payload in self.frames(file, 2):
            if kind != 6:
                continue
            note = store_bytes.note(payload)
            of = self.notes.setdefault(note["state"], {})
            held = of.get(note["key"])
            if held is None or held["order"] < note["order"]:
                of[note["key"]] = note

    def read_tag(self, file):
        tag, version = file.split("/")[1], int(file.split("/")[2][1:])
        target = store_bytes.tag_target(self.bytes_of(file))
        if version > self.tags.get(tag, (0, ""))[0]:
            self.tags[tag] = (version, target)

    def check_state(self, state):
        need(state["layout"] in self.layouts, "its layout is not there")
        for pack in state["packs"]:
            need(pack["id"] in self.packs, "a pack is not there, or damaged")
            about = self.packs[pack["id"]].about
            need(about["stemma.layout"] == state["layout"], "a pack of another layout")
            writer = "%d/%d" % (pack["writer"], pack["writers"])
            need(about["stemma.writer"] == writer, "a pack of another writer")
        for blob in (state["settings"], state["environment"]):
            path = self.path / "objects/blob" / blob[:2] / blob
            need(not blob or path.exists(), "a blob is not there")
        for parent in state["parents"]:
            need(parent["id"] in self.states, "its parent is not there")

    def settings(self, of):
        """The text; "" where the state has none."""
        state = self.states[of]
        if not state["settings"]:
            return ""
        blob = self.path / "objects/blob" / state["settings"][:2] / state["settings"]
        if not state["changes"]:
            return blob.read_text()
        lines = (blob.read_text() + state["changes"]).split("\n")[:-1]
        by_key = {line.split(" = ")[0]: line + "\n" for line in lines}
        return "".join(by_key[key] for key in sorted(by_key, key=str.encode))

    def tensor(self, of, span, rank=0):
        """The bytes of one span, put together from all packs of the state."""
        state = self.states[of]
        about = self.layouts[state["layout"]][span]
        count, size = math.prod(about["shape"]), store_bytes.SIZES[about["dtype"]]
        name = "__stemma.rank/%d/%s" % (rank, span) if about["role"] == "per_rank" else span
        bytes_of, seen = bytearray(count * size), 0
        cut = re.compile(re.escape(name) + r"\[(\d+):(\d+)\]")
        for pack in (self.packs[p["id"]] for p in state["packs"]):
            for entry in pack.entries:
                piece = cut.fullmatch(entry)
                if entry != name and not piece:
                    continue
                first, last = map(int, piece.groups()) if piece else (0, count)
                data = pack.piece(entry, about["dtype"])
                need(len(data) == (last - first) * size, entry + " has another length")
                bytes_of[first * size : last * size] = data
                seen += last - first
        need(seen == count, "%d of %d elements of %s" % (seen, count, span))
        return bytes(bytes_of)

    def listing(self):
        notes = {s: {k: n["value"] for k, n in of.items()} for s, of in self.notes.items()}
        return {
            "runs": {n: sorted(run["incarnations"]) for n, run in sorted(self.runs.items())},
            "states": [self.states[s] for s in sorted(self.states)],
            "tags": {t: target for t, (_, target) in sorted(self.tags.items()) if target},
            "notes": notes,
            "torn": self.torn,
            "problems": self.problems,
        }


def main(arguments):
    store = Store(arguments[0])
    if len(arguments) > 1:
        rank = int(arguments[3]) if len(arguments) > 3 else 0
        sys.stdout.buffer.write(store.tensor(arguments[1], arguments[2], rank))
        return 0
    print(json.dumps(store.listing(), indent=1))
    return 1 if store.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
