#!/usr/bin/env python3
"""Writes tools/scale/embedded.cc from the machines and constants beside it.

  tools/gen/scale_data.py [ROOT]            writes the file
  tools/gen/scale_data.py --check [ROOT]    exits 1 when it would change
"""

import pathlib
import re
import sys

COLUMNS = 96


def literals(text):
    """The text as string literals that fill their lines; where its lines end does not matter."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    parts = []
    while escaped:
        part = escaped[:COLUMNS - 6]
        if (len(part) - len(part.rstrip("\\"))) % 2:  # never between a backslash and its letter
            part = part[:-1]
        parts.append('    "%s"' % part)
        escaped = escaped[len(part):]
    return parts


def constant(file):
    name = "".join(word.capitalize() for word in re.split("[-.]", file.stem))
    lines = ["constexpr char k%s[] =" % name] + literals(file.read_text())
    lines[-1] += ";"
    return "k" + name, lines + [""]


def embedded(root):
    folder = root / "tools/scale"
    lines = ["// Written by tools/gen/scale_data.py from systems/ and nccl/. Do not edit.",
             "// clang-format off",
             '#include "tools/scale/embedded.h"', "",
             "namespace stemma::scale {", "namespace {", ""]
    functions = []
    for function, kind in (("EmbeddedSystems", "systems"), ("EmbeddedNccl", "nccl")):
        files = sorted((folder / kind).glob("*.toml"))
        named = [(file.stem, constant(file)) for file in files]
        for _, (_, text) in named:
            lines += text
        entries = ", ".join('{"%s", %s}' % (stem, name) for stem, (name, _) in named)
        functions += ["const std::vector<EmbeddedFile>& %s() {" % function,
                      "  static const std::vector<EmbeddedFile> kFiles = {", "      %s};" % entries,
                      "  return kFiles;", "}", ""]
    return "\n".join(lines + ["}  // namespace", ""] + functions
                     + ["}  // namespace stemma::scale", ""])


def main(arguments):
    check = arguments[:1] == ["--check"]
    root = pathlib.Path((arguments[check:] or ["."])[0])
    path, text = root / "tools/scale/embedded.cc", embedded(root)
    if not check:
        path.write_text(text)
        return 0
    if path.read_text() == text:
        return 0
    print("%s is not what tools/gen/scale_data.py makes: run it" % path)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
