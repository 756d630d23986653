"""The table of the engine's conformance rows: which test proved which row, where, and how it ended.

    table.py --logs .bazel/testlogs --targets SUMMARY [--rows rows.txt]

Every test of a row prints, whatever language it is written in, one line for each place it ran on:

    conformance row 09 conformance_09_sums_of_every_dtype_are_exact threads 3 pass

SUMMARY is what `bazel test` printed: only the logs of targets that it names are read, so that an
old log speaks for nobody. rows.txt says what a row needs. A row passes when nothing that it ran on
failed and all places that it needs are there; otherwise it is failed, partial or missing. The exit
code is 0 only when all rows pass. Python 3.9, nothing else.
"""

import argparse
import collections
import pathlib
import re
import sys

LINE = re.compile(r"(?:^|>:)conformance row (\d\d) (\S+) (\S+) (\d+) (pass|fail)\s*$")
TARGET = re.compile(r"^//(\S*):(\S+) +(?:\(cached\) )?(?:PASSED|FLAKY|FAILED|TIMEOUT|NO STATUS)")
# On which rows of all backends must have run.
BACKENDS = ("threads", "mpi", "node-shared", "hierarchical")

Row = collections.namedtuple("Row", "number where gpu what")
Note = collections.namedtuple("Note", "row test backend ranks passed")


def read_rows(text):
    """rows.txt as a list of Row."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|", 2)]
        if len(parts) != 3 or not re.fullmatch(r"(any|all:[12]-4)(\+gpu)?", parts[1]):
            raise ValueError("rows.txt:%d: not `row | where | behaviour`: %s" % (number, line))
        rows.append(Row(int(parts[0]), parts[1].split("+")[0], "+gpu" in parts[1], parts[2]))
    if [row.number for row in rows] != list(range(1, len(rows) + 1)):
        raise ValueError("rows.txt: rows are not numbered 01, 02, ... without a gap")
    return rows


def read_notes(text):
    """The notes in one log."""
    return [Note(int(m[1]), m[2], m[3], int(m[4]), m[5] == "pass")
            for m in map(LINE.search, text.splitlines()) if m]


def logs_of(folder, summary):
    """The logs of the targets that bazel's summary names, shards included."""
    for match in filter(None, map(TARGET.match, summary.splitlines())):
        place = pathlib.Path(folder, match[1], match[2])
        yield from sorted(place.rglob("test.log"))


def needed(row):
    """The (backend, ranks) that a row must have run on."""
    if row.where == "any":
        return set()
    least = int(row.where[4])
    return {(backend, ranks) for backend in BACKENDS for ranks in range(least, 5)}


def verdict(row, notes):
    """What the table says about one row: (result, what lacks)."""
    if not notes:
        return "missing", "no test"
    failed = sorted({"%s x%d" % (n.backend, n.ranks) for n in notes if not n.passed})
    if failed:
        return "FAIL", "on " + ", ".join(failed)
    lacking = needed(row) - {(n.backend, n.ranks) for n in notes}
    if lacking:
        return "partial", "not on " + places(lacking)
    return "pass", "its GPU part needs a GPU" if row.gpu else ""


def spans(numbers):
    """[1, 2, 3, 5] as 1-3,5."""
    out = []
    for number in sorted(numbers):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ",".join(str(a) if a == b else "%d-%d" % (a, b) for a, b in out)


def places(pairs):
    """{("mpi", 1), ("mpi", 2)} as mpi x1-2."""
    by_backend = collections.defaultdict(set)
    for backend, ranks in pairs:
        by_backend[backend].add(ranks)
    order = sorted(by_backend, key=lambda b: (BACKENDS + (b,)).index(b))
    return ", ".join("%s x%s" % (b, spans(by_backend[b])) for b in order)


def table(rows, notes):
    """The lines to print, and how many rows did not pass."""
    unknown = sorted({n.test for n in notes if not 1 <= n.row <= len(rows)})
    lines, counts = [], collections.Counter()
    for row in rows:
        own = [n for n in notes if n.row == row.number]
        result, why = verdict(row, own)
        counts[result] += 1
        why = " (%s)" % why if why else ""
        lines.append("%02d %-7s %s%s" % (row.number, result, row.what, why))
        for test in sorted({n.test for n in own}):
            ran = places({(n.backend, n.ranks) for n in own if n.test == test})
            lines.append("           %s: %s" % (test, ran))
    for test in unknown:
        lines.append("%s: there is no such row" % test)
    bad = len(rows) - counts["pass"] + len(unknown)
    lines.append("conformance: %d rows: %s" % (len(rows), ", ".join(
        "%d %s" % (counts[k], k) for k in ("pass", "FAIL", "partial", "missing") if counts[k])))
    return lines, bad


def main(arguments):
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", required=True, help=".bazel/testlogs")
    parser.add_argument("--targets", required=True, help="what bazel test printed")
    parser.add_argument("--rows", default=str(here / "rows.txt"))
    options = parser.parse_args(arguments)
    rows = read_rows(pathlib.Path(options.rows).read_text(encoding="utf-8"))
    summary = pathlib.Path(options.targets).read_text(encoding="utf-8", errors="replace")
    notes = []
    for log in logs_of(options.logs, summary):
        notes += read_notes(log.read_text(encoding="utf-8", errors="replace"))
    lines, bad = table(rows, notes)
    print("\n".join(lines))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
