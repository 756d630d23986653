"""A figure that is short must never be printed as passed, whichever way its target points."""

import importlib.machinery
import importlib.util
import sys
import unittest

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("figures", "tools/bench/figures")
figures = importlib.util.module_from_spec(importlib.util.spec_from_loader("figures", loader))
loader.exec_module(figures)
Figure = figures.figure_list.Figure


def result(target, at_most, values):
    return figures.result_of(Figure("f", "ms", target, at_most, "", None), (values, None))


class Figures(unittest.TestCase):
    def test_at_most(self):
        self.assertTrue(result(10, True, [9, 10, 99])["pass"])
        self.assertFalse(result(10, True, [9, 11, 11])["pass"])

    def test_at_least(self):
        self.assertTrue(result(10, False, [1, 10, 10])["pass"])
        self.assertFalse(result(10, False, [9, 9, 99])["pass"])

    def test_keys_of_the_json(self):
        keys = ["name", "value", "unit", "target", "reference", "spread", "pass"]
        self.assertEqual(keys, list(result(1, True, [1])))

    def test_spread_is_half_the_quartile_range(self):
        self.assertEqual(0.0, result(1, True, [5])["spread"])
        self.assertAlmostEqual(0.5, result(1, True, [1, 2, 3])["spread"])
        self.assertAlmostEqual(0.5, result(1, True, [1, 3, 4, 5, 7])["spread"])  # 2 .. 6 around 4

    def test_names_are_unique_and_described(self):
        names = [f.name for f in figures.figure_list.FIGURES]
        self.assertEqual(len(set(names)), len(names))
        self.assertTrue(all(f.what and f.unit for f in figures.figure_list.FIGURES))


if __name__ == "__main__":
    unittest.main()
