"""The table of the failure matrix in README.md must name cases that exist: each row 1 to 27 at
least one, each case by its file and the first words of its name. A row may say "not built", which
is printed; nothing else may be without a case.

    rows_test.py FOLDER     the folder of README.md; paths in it start there
"""

import pathlib
import re
import sys

ROWS = 27
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$")
CASE = re.compile(r'^([\w./]+) "([^"]+)"$')


def cases_in(path):
    """The names of the test cases in a C++ or Python file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.findall(r"^def (test_\w+)", text, flags=re.M)
    return re.findall(r'^TEST_CASE\("([^"]+)"', text, flags=re.M)


def check(folder, text):
    """What is wrong with the table, and the rows that say "not built"."""
    wrong, unbuilt, numbers = [], [], []
    for line in text.splitlines():
        row = ROW.match(line)
        if not row:
            continue
        numbers.append(int(row[1]))
        if row[3].startswith("not built: "):
            unbuilt.append("%s %s" % (row[1], row[3]))
            continue
        for word in row[3].split("; "):
            case = CASE.match(word.strip())
            path = pathlib.Path(folder, case[1]) if case else None
            if not case:
                wrong.append("row %s: not `file \"words\"`: %s" % (row[1], word))
            elif not path.is_file():
                wrong.append("row %s: there is no file %s" % (row[1], case[1]))
            elif not any(name.startswith(case[2]) for name in cases_in(path)):
                wrong.append("row %s: no case of %s begins with '%s'" % (row[1], case[1], case[2]))
    if numbers != list(range(1, ROWS + 1)):
        wrong.append("the rows are not 1 to %d: %s" % (ROWS, numbers))
    return wrong, unbuilt


def check_itself(folder, text):
    """Each way to be wrong is seen."""
    bad = [text.replace("| 19 | ", "| 20 | "),
           text.replace('many_runs_test.cc "row 19"', 'many_runs_test.cc "row 20"'),
           text.replace('many_runs_test.cc "row 19"', 'no_such_test.cc "row 19"'),
           text.replace('many_runs_test.cc "row 19"', "by hand")]
    return ["a table that is wrong was passed (%d)" % i for i, one in enumerate(bad)
            if one == text or not check(folder, one)[0]]


def main(folder):
    text = pathlib.Path(folder, "README.md").read_text(encoding="utf-8")
    wrong, unbuilt = check(folder, text)
    wrong += check_itself(folder, text)
    for line in unbuilt:
        print("row " + line)
    for line in wrong:
        print(line)
    print("%d rows, %d not built, %d wrong" % (ROWS, len(unbuilt), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
