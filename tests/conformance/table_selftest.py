"""The table must not pass what was not proved: each case is one way in which that could happen."""

import pathlib
import sys
import tempfile
import unittest

import table

ROWS = table.read_rows("""# comment
01 | any | opens
02 | all:1-4 | adds
03 | all:2-4+gpu | differs
""")


def note(row, backend="threads", ranks=2, passed=True):
    return table.Note(row, "conformance_%02d_x" % row, backend, ranks, passed)


def everywhere(row, least=1):
    return [note(row, b, r) for b in table.BACKENDS for r in range(least, 5)]


def results(notes):
    lines, bad = table.table(ROWS, notes)
    return [line.split()[1] for line in lines if line[:2].isdigit()], bad, "\n".join(lines)


class TableTest(unittest.TestCase):
    def test_all_is_well(self):
        words, bad, text = results([note(1)] + everywhere(2) + everywhere(3, 2))
        self.assertEqual(words, ["pass", "pass", "pass"])
        self.assertEqual(bad, 0)
        self.assertIn("3 rows: 3 pass", text)
        self.assertIn("needs a GPU", text)
        self.assertIn("threads x1-4, mpi x1-4, node-shared x1-4, hierarchical x1-4", text)

    def test_a_row_without_a_test_is_missing(self):
        words, bad, text = results(everywhere(2) + everywhere(3, 2))
        self.assertEqual(words, ["missing", "pass", "pass"])
        self.assertEqual(bad, 1)
        self.assertIn("1 missing", text)

    def test_one_failure_fails_the_row(self):
        words, bad, text = results([note(1)] + everywhere(2) + everywhere(3, 2) +
                                   [note(2, "mpi", 3, False)])
        self.assertEqual((words, bad), (["pass", "FAIL", "pass"], 1))
        self.assertIn("(on mpi x3)", text)

    def test_a_backend_that_is_left_out_is_noticed(self):
        some = [n for n in everywhere(2) if (n.backend, n.ranks) != ("node-shared", 4)]
        words, bad, text = results([note(1)] + some + everywhere(3, 2))
        self.assertEqual((words, bad), (["pass", "partial", "pass"], 1))
        self.assertIn("(not on node-shared x4)", text)

    def test_a_row_that_does_not_exist_is_an_error(self):
        _, bad, text = results([note(1), note(91)] + everywhere(2) + everywhere(3, 2))
        self.assertEqual(bad, 1)
        self.assertIn("conformance_91_x: there is no such row", text)

    def test_lines_of_a_log(self):
        text = ("[1,0]<stdout>:conformance row 09 conformance_09_sums mpi 3 pass\n"
                "conformance row 10 conformance_10_x threads 4 fail\n"
                "he said: conformance row 11 conformance_11_x threads 4 pass\n")
        self.assertEqual(table.read_notes(text),
                         [table.Note(9, "conformance_09_sums", "mpi", 3, True),
                          table.Note(10, "conformance_10_x", "threads", 4, False)])

    def test_only_logs_of_this_run_count(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("now", "old", "cached"):
                place = pathlib.Path(folder, "tests", "a", name)
                place.mkdir(parents=True)
                (place / "test.log").write_text("x")
            summary = ("//tests/a:now      PASSED in 1.2s\n//tests/a:cached (cached) PASSED in 1s\n"
                       "INFO: //tests/a:old is not mentioned as a target\n")
            found = [log.parent.name for log in table.logs_of(folder, summary)]
            self.assertEqual(found, ["now", "cached"])

    def test_a_list_with_a_gap_is_refused(self):
        for text in ("01 | any | a\n03 | any | b\n", "01 | every | a\n", "01 | any\n"):
            with self.assertRaises(ValueError):
                table.read_rows(text)

    def test_the_list_has_ninety_rows(self):
        text = pathlib.Path(table.__file__).with_name("rows.txt").read_text()
        self.assertEqual(len(table.read_rows(text)), 90)


if __name__ == "__main__":
    sys.exit(unittest.main())
