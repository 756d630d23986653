"""Unpacks one wheel into a folder, after its SHA-256 was found right.

unpack_wheel.py WHEEL SHA256 DIR

A file is replaced whole, so programs that run from DIR are not disturbed; the mark
DIR/.unpacked/NAME-VERSION is written last, so a wheel without it was not unpacked whole.
"""

import hashlib
import os
import pathlib
import shutil
import sys
import tempfile
import zipfile


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            sha.update(block)
    return sha.hexdigest()


def unpack(wheel, folder):
    folder.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=".part.", dir=str(folder)))
    try:
        with zipfile.ZipFile(str(wheel)) as archive:
            archive.extractall(str(part))
        for path in sorted(p for p in part.rglob("*") if p.is_file()):
            target = folder / path.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(str(path), str(target))
    finally:
        shutil.rmtree(str(part), ignore_errors=True)


def main(wheel, wanted, folder):
    found = digest(wheel)
    if found != wanted:
        print("%s: SHA-256 is %s, wanted %s; nothing was unpacked." % (wheel.name, found, wanted),
              file=sys.stderr)
        return 1
    unpack(wheel, folder)
    marks = folder / ".unpacked"
    marks.mkdir(exist_ok=True)
    name, version = wheel.name.split("-")[:2]
    (marks / ("%s-%s" % (name, version))).write_text(wanted + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])))
