"""Checks the rules of the house that a program can check.

tidy.py ROOT            prints each breach, exits 1 if there is any
tidy.py ROOT --numbers  prints the sizes that the targets are about
"""

import pathlib
import re
import sys

CODE = ["core", "comm", "ops", "optim", "lineage", "models", "tools", "tests"]
LEFT = {  # folder -> what it may include
    "core": "core", "comm": "core comm", "ops": "core comm ops", "optim": "core ops optim",
    "lineage": "core lineage", "models": "core ops optim lineage models",
    "tools": " ".join(CODE[:7]), "tests": " ".join(CODE),
}
LIBRARIES = {  # an include that only these folders may have
    r"<(mpi|nccl)\.h>": "comm tests", r"<(torch|ATen|c10)/": "ops optim models tools tests",
}
BANNED = {
    r"\bFIXME\b": "solve it or file it", r"using namespace": "name what you use",
    r"\bstd::endl\b": "'\\n'", r"\bassert\(": "STEMMA_CHECK or STEMMA_DCHECK",
    r"\bsystem\(": "no shell",
    r"TEST_CASE.*\[(\.|!hide|!mayfail)": "a test that never runs guards nothing",
}
COLUMNS, FILE_LINES, FUNCTION_LINES = 100, 400, 70
FUNCTION_HEAD = re.compile(r"\)\s*(const|noexcept|override|final|->.*|:.*)*\s*$", re.S)
TYPE_HEAD = re.compile(
    r"\s*(template\s*<[^{]*>\s*)?(inline\s+)?(namespace|class|struct|enum|union)\b")


def functions(text):
    """Yields (first line, length) of each outermost function body; rough, enough for a limit."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    text = re.sub(r"//.*|^\s*#.*|\"(\\.|[^\"\\\n])*\"|'(\\.|[^'\\\n])'", "", text, flags=re.M)
    stack, head = [], ""
    for number, line in enumerate(text.split("\n"), 1):
        for char in line + "\n":
            if char == "{":
                is_function = bool(FUNCTION_HEAD.search(head)) and not TYPE_HEAD.match(head)
                stack.append((is_function and not any(f for f, _ in stack), number))
            elif char == "}" and stack:
                is_function, first = stack.pop()
                if is_function:
                    yield first, number - first + 1
            head = "" if char in "{};" else head + char


def check(root, path):
    name, folder = path.relative_to(root).as_posix(), path.relative_to(root).parts[0]
    text = path.read_text(errors="replace")
    lines = text.split("\n")
    build = path.parent / "BUILD.bazel"
    if not build.exists() or '"%s"' % path.name not in build.read_text():
        yield name, 1, "no target lists this file"
    if len(lines) > FILE_LINES + 1:
        yield name, 1, "%d lines, at most %d" % (len(lines), FILE_LINES)
    after_catch = False
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield name, number, "%d columns, at most %d" % (len(line), COLUMNS)
        for spelling, instead in BANNED.items():
            if re.search(spelling, line.split("//")[0]):
                yield name, number, "%s: %s" % (spelling, instead)
        include = re.match(r'#include ([<"](\w+)[^>"]*[>"])', line)
        if not include:
            continue
        target, first = include.group(1), include.group(2)
        if target[0] == '"' and first in CODE and first not in LEFT[folder].split():
            yield name, number, "%s may not include %s" % (folder, first)
        for pattern, folders in LIBRARIES.items():
            if re.match(pattern, target) and folder not in folders.split():
                yield name, number, "%s belongs in: %s" % (target, folders)
        testing = target == "<catch2/catch.hpp>" or target.startswith('"tests/support/')
        if after_catch and not testing:
            yield name, number, "Catch2 and tests/support come last: LibTorch has a CHECK too"
        after_catch = after_catch or testing
    for first, length in functions(text):
        if length > FUNCTION_LINES:
            yield name, first, "a function of %d lines, at most %d" % (length, FUNCTION_LINES)


def numbers(root, files):
    def spread(values):
        values = sorted(values) or [0]
        at = lambda part: values[min(int(len(values) * part), len(values) - 1)]
        quantiles = (at(0.5), at(0.9), at(0.99), values[-1], len(values))
        return "median %d, p90 %d, p99 %d, max %d of %d" % quantiles

    code = [p for p in files if p.relative_to(root).parts[0] != "tests"]
    texts = {p: p.read_text(errors="replace") for p in code}
    print("file lines:     ", spread([t.count("\n") for t in texts.values()]))
    bodies = [t for p, t in texts.items() if p.suffix != ".h"]
    print("function lines: ", spread([n for t in bodies for _, n in functions(t)]))
    headers = [t for p, t in texts.items() if p.suffix == ".h"]
    lines = [l.strip() for t in headers for l in t.split("\n") if l.strip()]
    comments = sum(l.startswith(("//", "/*", "*")) for l in lines)
    print("header comments: %d %% of non-blank lines" % (100 * comments / max(len(lines), 1)))


def main(root, want_numbers):
    files = [p for f in CODE for p in sorted((root / f).rglob("*"))]
    files = [p for p in files if p.suffix in (".h", ".cc", ".cu")]
    if want_numbers:
        numbers(root, files)
        return 0
    breaches = [b for path in files for b in check(root, path)]
    for name, line, what in breaches:
        print("%s:%d: %s" % (name, line, what))
    print("%d files, %d breaches" % (len(files), len(breaches)))
    return 1 if breaches or not files else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), "--numbers" in sys.argv))
