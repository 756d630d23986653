"""Checks the rules of the house that a program can check.

tidy.py ROOT            prints each breach, exits 1 if there is any
tidy.py ROOT --numbers  prints the sizes that the targets are about
"""

import fnmatch
import pathlib
import re
import sys

CODE = ["core", "comm", "ops", "optim", "lineage", "models", "tools", "tests"]
TOP = CODE + ["WORKSPACE", "BUILD.bazel", "README.md", "LICENSE"]
LEFT = {  # folder -> what it may include
    "core": "core", "comm": "core comm", "ops": "core comm ops", "optim": "core ops optim",
    "lineage": "core lineage", "models": "core ops optim lineage models",
    "tools": " ".join(CODE[:7]), "tests": " ".join(CODE),
}
LIBRARIES = [  # an include that only these folders may have, in files of these kinds
    (r"<(mpi|nccl)\.h>", "comm tests", ".cc .cu .h"),  # and what is measured beside them: PEERS
    (r"<(cuda|cublas|cudnn)\w*\.h>", "comm ops tests", ".cc .cu .h"),
    (r"<(torch|ATen|c10)/", "ops optim models tools tests", ".cc .h"),
    (r"<torch/(torch|nn|types)\.h>", "ops optim models tools tests", ".cc"),
    (r"<(spdlog|fmt)/", "core tools tests", ".cc"),
]
PEERS = {"tools/bench/comm_peers.cc": "<mpi.h>"}  # a file and the include that is its purpose
BANNED = {  # in code
    r"using namespace": "name what you use",
    r"\bstd::endl\b": "'\\n'", r"\bassert\(": "STEMMA_CHECK or STEMMA_DCHECK",
    r"\bsystem\(": "no shell",
    r"TEST_CASE.*\[(\.|!hide|!mayfail)": "a test that never runs guards nothing",
    r"\bstd::(uniform|normal|bernoulli)_\w+": "core/random.h: the library's differ by compiler",
    r"\bstd::random_device\b": "core/random.h: a seed is a setting",
}
UNFINISHED = re.compile(r"\b(FIX" r"ME|TO" r"DO|XX" r"X)\b")  # in comments too
# Paths of one machine, and hosts that packages come from. Scratch folders are made by mk*temp.
ELSEWHERE = re.compile(
    r"(?<![\w.~}/)])/(?:tmp|work|root|home)/|py" r"pi\.|python" r"hosted|deb\.deb" r"ian"
    r"|archive\.ubu" r"ntu|download\.py" r"torch|anaconda\.(?:org|com)")
SCRATCH = re.compile(r"mk[sd]?temp")
COLUMNS, FILE_LINES, FUNCTION_LINES, README_LINES = 100, 400, 70, 40
FUNCTION_HEAD = re.compile(r"\)\s*(const|noexcept|override|final|->.*|:.*)*\s*$", re.S)
TYPE_HEAD = re.compile(
    r"\s*(template\s*<[^{]*>\s*)?(inline\s+)?(namespace|class|struct|enum|union)\b")
SOURCES = (".h", ".cc", ".cu")
SCRIPTS = (".py", ".sh", ".bzl", ".bazel", ".bazelrc", "")  # "": the programs in tools/
PROSE = (".md", ".toml", ".txt")


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


def check_size(lines):
    """Length of the file and its lines."""
    count = len(lines) - 1  # the last one ends too
    if count > FILE_LINES:
        yield 1, "%d lines, at most %d" % (count, FILE_LINES)
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield number, "%d columns, at most %d" % (len(line), COLUMNS)


def check_words(lines):
    """What no file may say: unfinished work, and where it was made."""
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield number, "unfinished: solve it or file it"
        if ELSEWHERE.search(line) and not SCRATCH.search(line):
            yield number, "the path of one machine, or a package host"


def check_include(folder, suffix, include):
    """Folder order, and who may see which library. `include` holds its brackets or quotes."""
    first = re.match(r'"(\w+)/', include)
    if first and first.group(1) in CODE and first.group(1) not in LEFT[folder].split():
        yield "%s may not include %s" % (folder, first.group(1))
    for pattern, folders, kinds in LIBRARIES:
        if not re.match(pattern, include):
            continue
        if folder not in folders.split():
            yield "%s belongs in: %s" % (include, folders)
        elif suffix not in kinds.split() and folder != "tests":
            yield "%s belongs in files of kind %s" % (include, kinds)


def check_source(name, lines):
    """One C++ file, by its path from the root."""
    path = pathlib.PurePosixPath(name)
    own = '"%s"' % path.with_suffix(".h")
    after_catch = False
    for number, line in enumerate(lines, 1):
        for spelling, instead in BANNED.items():
            if re.search(spelling, line.split("//")[0]):
                yield number, "%s: %s" % (spelling, instead)
        include = re.match(r'#include ([<"][^>"]+[>"])', line)
        if not include or include.group(1) in (own, PEERS.get(name)):
            continue
        for what in check_include(path.parts[0], path.suffix, include.group(1)):
            yield number, what
        testing = include.group(1) == "<catch2/catch.hpp>" or '"tests/support/' in line
        if after_catch and not testing:
            yield number, "Catch2 and tests/support come last: LibTorch has a CHECK too"
        after_catch = after_catch or testing
    for first, length in functions("\n".join(lines)):
        if length > FUNCTION_LINES:
            yield first, "a function of %d lines, at most %d" % (length, FUNCTION_LINES)


def check_build(folder, lines):
    """A BUILD file: labels go left, and only tools and data are for everybody."""
    for number, line in enumerate(lines, 1):
        for other, rest in re.findall(r'"//(\w+)([^"]*)"', line):
            if other not in CODE or rest.endswith(("__subpackages__", "__pkg__")):
                continue
            if other not in LEFT[folder].split() and not rest.startswith(("/bazel", "/support:")):
                yield number, "%s may not depend on %s" % (folder, other)
        if "//visibility:public" in line and folder not in ("tools", "tests"):
            yield number, "visible to all: use //:above_%s" % folder


def check_layers(text):
    """The package groups of the root's BUILD file say the same as LEFT."""
    said = dict(re.findall(r'^ +"(\w+)": "([a-z ]+)",', text, flags=re.M))
    for folder in CODE[:6]:
        above = {f for f in CODE if folder in LEFT[f].split()} - {folder}
        if set(said.get(folder, "").split()) != above:
            yield 1, "above_%s should be: %s" % (folder, " ".join(sorted(above)))


def is_listed(path):
    build = path.parent / "BUILD.bazel"
    text = build.read_text() if build.exists() else ""
    by_stem = path.suffix == ".py" and '%s.py' in text and '"%s"' % path.stem in text
    return '"%s"' % path.name in text or by_stem


def must_be_listed(path):
    return path.suffix in SOURCES or re.search(r"_(self)?test\.(py|sh)$", path.name)


def check_file(root, path):
    name, folder = path.relative_to(root).as_posix(), path.relative_to(root).parts[0]
    lines = path.read_text(errors="replace").split("\n")
    found = list(check_words(lines))
    if path.suffix in SOURCES + SCRIPTS:
        found += check_size(lines)
    if path.suffix in SOURCES:
        found += check_source(name, lines)
    if must_be_listed(path) and not is_listed(path):
        found.append((1, "no target lists this file"))
    if path.name == "BUILD.bazel" and folder in CODE:
        found += check_build(folder, lines)
    if path.name == "README.md" and folder in CODE and len(lines) > README_LINES + 1:
        found.append((1, "%d lines, at most %d" % (len(lines) - 1, README_LINES)))
    return [(name, number, what) for number, what in found]


def check_top(root):
    ignored = (root / ".gitignore").read_text().split() if (root / ".gitignore").exists() else []
    names = {p.name for p in root.iterdir()}
    for name in sorted(names):
        kept_out = any(fnmatch.fnmatch(name, i.rstrip("/").lstrip("/")) for i in ignored)
        if name not in TOP and not name.startswith(".") and not kept_out:
            yield name, 1, "not one of the top level's entries: " + " ".join(TOP)
    for name in TOP:
        if name not in names:
            yield name, 1, "missing from the top level"
    for folder in CODE:
        if not (root / folder / "README.md").exists():
            yield folder, 1, "a folder has a README.md"
    if (root / "BUILD.bazel").exists():
        for number, what in check_layers((root / "BUILD.bazel").read_text()):
            yield "BUILD.bazel", number, what


def files_of(root):
    """Every text file that is ours; tests/golden/data holds what was made elsewhere."""
    found = [p for f in CODE for p in sorted((root / f).rglob("*")) if p.is_file()]
    found += [root / n for n in ("BUILD.bazel", "WORKSPACE", "README.md") if (root / n).exists()]
    return [p for p in found
            if p.suffix in SOURCES + SCRIPTS + PROSE and "__pycache__" not in p.parts
            and not p.relative_to(root).as_posix().startswith("tests/golden/data/")]


def check(root):
    breaches = list(check_top(root))
    for path in files_of(root):
        breaches += check_file(root, path)
    return breaches


def numbers(root):
    def spread(values):
        values = sorted(values) or [0]
        at = lambda part: values[min(int(len(values) * part), len(values) - 1)]
        quantiles = (at(0.5), at(0.9), at(0.99), values[-1], len(values))
        return "median %d, p90 %d, p99 %d, max %d of %d" % quantiles

    def comments(texts):
        lines = [l.strip() for t in texts for l in t.split("\n") if l.strip()]
        return 100 * sum(l.startswith(("//", "/*", "*")) for l in lines) / max(len(lines), 1)

    texts = {p: p.read_text(errors="replace") for p in files_of(root) if p.suffix in SOURCES}
    code = {p: t for p, t in texts.items() if p.relative_to(root).parts[0] != "tests"}
    print("file lines:      ", spread([t.count("\n") for t in code.values()]))
    bodies = [t for p, t in code.items() if p.suffix != ".h"]
    print("function lines:  ", spread([n for t in bodies for _, n in functions(t)]))
    print("comments in .cc:  %d %% of non-blank lines" % comments(bodies))
    for folder in CODE:
        headers = [t for p, t in texts.items()
                   if p.suffix == ".h" and p.relative_to(root).parts[0] == folder]
        print("comments in %-9s %d %% of its headers (%d)"
              % (folder + "/:", comments(headers), len(headers)))


def main(root, want_numbers):
    if want_numbers:
        numbers(root)
        return 0
    breaches = check(root)
    for name, line, what in breaches:
        print("%s:%d: %s" % (name, line, what))
    count = len(files_of(root))
    print("%d files, %d breaches" % (count, len(breaches)))
    return 1 if breaches or not count else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), "--numbers" in sys.argv))
