"""Prints what a safetensors file holds, read with json and struct alone: exported_file.py FILE.

One line a tensor, in file order: name, dtype, shape, number of distinct elements, the first one in
hexadecimal, lowest byte first. Exits 1 where the file breaks the format's rules."""

import json
import struct
import sys

WIDTH = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "F16": 2, "BF16": 2, "I32": 4, "F32": 4, "I64": 8,
         "F64": 8}


def main():
    with open(sys.argv[1], "rb") as file:
        raw = file.read()
    size, = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    metadata, at = header.pop("__metadata__"), 0
    if size % 8 or not all(isinstance(v, str) for v in metadata.values()):
        sys.exit("header length or metadata")
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        count, width = 1, WIDTH[entry["dtype"]]
        for dim in entry["shape"]:
            count *= dim
        if begin != at or end - begin != count * width or begin % width:
            sys.exit("offsets of " + name)
        at = end
        elements = [data[i:i + width] for i in range(begin, end, width)]
        first = elements[0].hex() if elements else "-"
        print(name, entry["dtype"], entry["shape"], len(set(elements)), first)
    if at != len(data):
        sys.exit("%d bytes of data, %d named" % (len(data), at))
    print("format", metadata["format"], "run", metadata["stemma.run"], "step",
          metadata["stemma.step"])


if __name__ == "__main__":
    main()
