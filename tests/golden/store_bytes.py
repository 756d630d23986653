"""The bytes of a store's files, after lineage/FORMAT.md: segments, fields, layouts, packs."""

import hashlib
import json
import math
import struct

from xxh3 import xxh3_128

CHUNK = 1 << 20
SIZES = {"U8": 1, "I8": 1, "I32": 4, "I64": 8, "F16": 2, "BF16": 2, "F32": 4, "F64": 8}
SIZES |= {"BOOL": 1, "I16": 2}
DTYPES = dict(enumerate("U8 I8 I32 I64 F16 BF16 F32 F64 BOOL I16".split(), 1))
ROLES = {1: "replicated", 2: "per_rank", 3: "sharded", 4: "frozen"}


class Bad(Exception):
    """What a file says is not so."""


def need(truth, what):
    if not truth:
        raise Bad(what)


class Bytes:
    """Reads little-endian values one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, count):
        need(self.at + count <= len(self.data), "ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.raw(struct.calcsize("<" + form)))[0]

    def text(self):
        return self.raw(self.number("I")).decode("utf-8", "replace")

    def more(self):
        return self.at < len(self.data)


def only(data, form):
    """The one number that `data` is; of a missing field 0."""
    if data is None:
        return 0
    need(len(data) == struct.calcsize("<" + form), "a number of another size")
    return struct.unpack("<" + form, data)[0]


def fields(data):
    """Tagged fields: {tag: bytes}."""
    found, reader, last = {}, Bytes(data), -1
    while reader.more():
        tag = reader.number("H")
        need(tag > last, "tags do not ascend")
        last, found[tag] = tag, reader.raw(reader.number("I"))
    return found


def known(found, most, critical=()):
    newer = [t for t in found if t >= 0x8000 and t not in critical]
    need(not newer, "a critical field of a newer version")
    return {tag: value for tag, value in found.items() if tag <= most or tag in critical}


def value_of(reader):
    kind = reader.number("B")
    need(1 <= kind <= 4, "an unknown kind of value")
    if kind == 1:
        flag = reader.number("B")
        need(flag < 2, "a truth value that is neither")
        return flag == 1
    return (lambda: reader.number("q"), lambda: reader.number("d"), reader.text)[kind - 2]()


def pairs(data, value):
    reader, found, last = Bytes(data or b""), {}, None
    while reader.more():
        key = reader.text()
        need(last is None or last < key, "keys do not ascend")
        last, found[key] = key, value(reader)
    return found


def text(data):
    return (data or b"").decode("utf-8", "replace")


KINDS = {1: "train", 2: "fork", 3: "reshape", 4: "import"}
REASONS = {1: "periodic", 2: "requested", 3: "signal", 4: "final", 5: "fork"}


def state(payload):
    """A record; its id is checked."""
    need(len(payload) >= 32, "a record without id")
    need(hashlib.sha256(payload[32:]).digest() == payload[:32], "a record under another id")
    f = known(fields(payload[32:]), 23, (0x8000, 0x8001))
    reader, parents, packs = Bytes(f.get(1, b"")), [], []
    while reader.more():
        parents.append({"id": reader.raw(32).hex(), "kind": KINDS[reader.number("B")]})
    reader = Bytes(f.get(7, b""))
    while reader.more():
        pack = {"writer": reader.number("I"), "writers": reader.number("I")}
        pack |= {"id": reader.raw(32).hex(), "bytes": reader.number("Q")}
        packs.append(pack)
    return {
        "id": payload[:32].hex(),
        "parents": parents,
        "ulid": text(f.get(2)),
        "run": text(f.get(3)),
        "incarnation": only(f.get(4), "I"),
        "capture": only(f.get(5), "Q"),
        "layout": f[6].hex(),
        "packs": packs,
        "logical": only(f.get(8), "Q"),
        "step": only(f.get(9), "q"),
        "samples": only(f.get(10), "Q"),
        "epoch": only(f.get(11), "d"),
        "settings": f.get(13, b"").hex(),
        "changes": text(f.get(0x8001, b"")),
        "environment": f.get(14, b"").hex(),
        "plan": f.get(15, b"").hex(),
        "ranks": only(f.get(16), "I"),
        "reason": REASONS[only(f.get(17), "B")],
        "metrics": pairs(f.get(18), lambda reader: reader.number("d")),
        "attributes": pairs(f.get(19), value_of),
        "audit": text(f.get(21)),
        "wall_ms": only(f.get(22), "q"),
    }


def note(payload):
    f = known(fields(payload), 6)
    return {
        "state": f[1].hex(),
        "key": text(f.get(2)),
        "value": value_of(Bytes(f[3])),
        "order": (only(f.get(4), "Q"), text(f.get(5))),
    }


def tag_target(data):
    """The hex id, or "" where the tag was taken away."""
    need(data[:8] == b"STMTAG1\n", "not a tag")
    need(xxh3_128(data[:-16]) == data[-16:], "a tag's digest does not match")
    return known(fields(data[8:-16]), 4).get(1, b"").hex()


def segment(data):
    """(kind, [(type, payload)], bytes behind the last whole frame)."""
    begins = len(data) >= 44 and data[:8] == b"STMLOG1\n"
    if not begins or xxh3_128(data[:28]) != data[28:44]:
        need(len(data) <= 44, "a segment's header is damaged")
        return 0, [], len(data)
    kind, version = struct.unpack_from("<HH", data, 24)
    need(version == 1, "a segment of version %d" % version)
    frames, at = [], 44
    while (frame := frame_at(data, at)) is not None:
        frames.append(frame[:2])
        at = frame[2]
    for behind in range(at + 1, len(data) - 23):
        need(frame_at(data, behind) is None, "a whole frame lies behind a damaged one")
    return kind, frames, len(data) - at


def frame_at(data, at):
    if at + 24 > len(data):
        return None
    length, kind, version = struct.unpack_from("<IHH", data, at)
    end = at + 24 + length
    if length > 1 << 24 or end > len(data):
        return None
    if xxh3_128(data[8:24] + data[at : end - 16]) != data[end - 16 : end]:
        return None
    need(version == 1 or not 1 <= kind <= 6, "a frame of version %d" % version)
    return kind, data[at + 8 : end - 16], end


def layout(data):
    """The spans, by name."""
    need(data[:8] == b"STMLAY1\n", "not a layout")
    reader = Bytes(data[8:])
    need(reader.number("H") == 1, "a layout of another version")
    sections = [(reader.text(), reader.number("Q")) for _ in range(reader.number("I"))]
    spans = {}
    for _ in range(reader.number("I")):
        name, section = reader.text(), reader.number("I")
        dtype, role, reshape, dims = (reader.number("B") for _ in range(4))
        shape = [reader.number("q") for _ in range(dims)]
        offset = reader.number("Q")
        need(name not in spans and section < len(sections), "a span that cannot be")
        spans[name] = {
            "section": sections[section][0],
            "dtype": DTYPES[dtype],
            "role": ROLES[role],
            "reshape": reshape,
            "shape": shape,
            "offset": offset,
        }
    need(not reader.more(), "bytes behind the layout")
    return spans


def no_twice(found):
    need(len({key for key, _ in found}) == len(found), "a key twice")
    return dict(found)


class Pack:
    """A pack whose header, table, padding and every chunk were found to be right."""

    def __init__(self, data, name):
        need(len(data) >= 8, "ends early")
        head = 8 + struct.unpack_from("<Q", data)[0]
        need(head <= len(data) and head <= 100_000_000, "a header longer than the file")
        entries = json.loads(data[8:head].decode("utf-8"), object_pairs_hook=no_twice)
        self.about = entries.pop("__metadata__")
        self.data, self.entries, end = data[head:], entries, 0
        for key, entry in entries.items():
            need(set(entry) == {"dtype", "shape", "data_offsets"}, "an entry of another form")
            begin, stop = entry["data_offsets"]
            bytes_of = math.prod(entry["shape"]) * SIZES[entry["dtype"]]
            need(begin == end and stop - begin == bytes_of, "a hole before " + key)
            end = stop
        need(end == len(self.data), "bytes that no entry covers")
        need(len(data) % 4096 == 0 and head % 4096 == 0, "not a multiple of 4096")
        table = self.part("__stemma.chunks")
        need(hashlib.sha256(data[:head] + table).hexdigest() == name, "a pack under another id")
        covered = entries["__stemma.chunks"]["data_offsets"][0]
        need(len(table) == 16 * -(-covered // CHUNK), "a table of another length")
        for i in range(0, covered, CHUNK):
            digest = xxh3_128(self.data[i : min(i + CHUNK, covered)])
            need(digest == table[i // CHUNK * 16 :][:16], "chunk %d is damaged" % (i // CHUNK))
        behind = self.data[covered + len(table) :]
        need(not any(behind), "the padding behind the table is not zero")

    def part(self, name):
        begin, end = self.entries[name]["data_offsets"]
        return self.data[begin:end]

    def piece(self, name, dtype):
        """The bytes of an entry of a span, both planes merged."""
        high = self.part(name)
        low = "__stemma.lo/" + name
        if dtype != "F32" or low not in self.entries:
            need(self.entries[name]["dtype"] == dtype, name + " has another dtype")
            return high
        need(self.entries[name]["dtype"] == "BF16", name + " has another dtype")
        both = bytearray(2 * len(high))
        both[0::4], both[1::4] = (self.part(low)[i::2] for i in (0, 1))
        both[2::4], both[3::4] = (high[i::2] for i in (0, 1))
        return bytes(both)
