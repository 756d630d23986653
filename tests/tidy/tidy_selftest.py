"""Each rule of tidy.py is shown one bad example, which it must refuse, and a good one."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy  # noqa: E402

LAYERS = """
        "core": "comm ops optim lineage models tools tests",
        "comm": "ops tools tests",
        "ops": "optim models tools tests",
        "optim": "models tools tests",
        "lineage": "models tools tests",
        "models": "tools tests",
"""


class Tree(unittest.TestCase):
    """A small tree without a breach, to which each test adds one."""

    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.scratch.name)
        for folder in tidy.CODE:
            self.write(folder + "/README.md", "# %s\n" % folder)
        for name in ("WORKSPACE", "README.md", "LICENSE"):
            self.write(name, "\n")
        self.write("BUILD.bazel", LAYERS)
        self.write(".gitignore", "bazel-*\n")

    def tearDown(self):
        self.scratch.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self, name, text):
        """Writes a source file and a BUILD file that lists it."""
        self.write(name, text)
        path = pathlib.PurePosixPath(name)
        self.write(str(path.parent / "BUILD.bazel"), 'srcs = ["%s"]\n' % path.name)

    def breaches(self):
        return ["%s:%d: %s" % breach for breach in tidy.check(self.root)]

    def refused(self, part):
        found = self.breaches()
        self.assertEqual(1, len(found), found)
        self.assertIn(part, found[0])

    def accepted(self):
        self.assertEqual([], self.breaches())


class Sizes(Tree):
    def test_a_clean_tree(self):
        self.accepted()

    def test_long_line(self):
        self.source("core/a.cc", "// %s\n" % ("x" * 97))
        self.accepted()
        self.source("core/a.cc", "// %s\n" % ("x" * 98))
        self.refused("core/a.cc:1: 101 columns")

    def test_long_script_line(self):
        self.write("tools/run", "# %s\n" % ("x" * 99))
        self.refused("101 columns")

    def test_long_file(self):
        self.source("core/a.cc", "int a;\n" * 400)
        self.accepted()
        self.source("core/a.cc", "int a;\n" * 401)
        self.refused("401 lines")

    def test_long_function(self):
        body = "int F() {\n%s}\n"
        self.source("core/a.cc", body % ("  g();\n" * 68))
        self.accepted()
        self.source("core/a.cc", body % ("  g();\n" * 69))
        self.refused("a function of 71 lines")

    def test_long_class_is_no_function(self):
        self.source("core/a.cc", "class A {\n%s};\n" % ("  int b;\n" * 90))
        self.accepted()

    def test_long_readme(self):
        self.write("core/README.md", "word\n" * 41)
        self.refused("core/README.md:1: 41 lines")


class Layers(Tree):
    def test_every_forbidden_include(self):
        for folder in tidy.CODE:
            for other in set(tidy.CODE) - set(tidy.LEFT[folder].split()):
                found = list(tidy.check_include(folder, ".cc", '"%s/x.h"' % other))
                self.assertEqual(["%s may not include %s" % (folder, other)], found)

    def test_upward_include(self):
        self.source("lineage/a.cc", '#include "comm/world.h"\n')
        self.refused("lineage may not include comm")

    def test_upward_dependency(self):
        self.write("lineage/BUILD.bazel", 'deps = ["//core", "//comm:world"]\n')
        self.refused("lineage may not depend on comm")

    def test_visible_to_all(self):
        self.write("ops/BUILD.bazel", 'visibility = ["//visibility:public"]\n')
        self.refused("visible to all")

    def test_layer_group_that_was_widened(self):
        self.write("BUILD.bazel", LAYERS.replace('"comm": "ops', '"comm": "lineage ops'))
        self.refused("above_comm should be: ops tests tools")

    def test_mpi_outside_comm(self):
        self.source("lineage/a.cc", "#include <mpi.h>\n")
        self.refused("<mpi.h> belongs in: comm tests")

    def test_mpi_where_it_is_what_is_measured(self):
        for name, found in (("tools/bench/comm_peers.cc", 0), ("tools/bench/other.cc", 1)):
            self.assertEqual(found, len(list(tidy.check_source(name, ["#include <mpi.h>"]))))

    def test_libtorch_in_the_engine_without_it(self):
        for folder in ("core", "comm", "lineage"):
            found = list(tidy.check_include(folder, ".cc", "<ATen/core/Tensor.h>"))
            self.assertEqual(1, len(found))

    def test_all_of_libtorch_in_a_header(self):
        self.source("optim/a.h", "#include <torch/torch.h>\n")
        self.refused("belongs in files of kind .cc")

    def test_log_library_in_a_header(self):
        self.source("core/a.h", "#include <spdlog/spdlog.h>\n")
        self.refused("belongs in files of kind .cc")


class Words(Tree):
    def test_banned_spellings(self):
        for code in ("using namespace std;", "std::cout << std::endl;", "assert(a);",
                     "std::system(\"ls\");", "std::normal_distribution<> d;",
                     "std::random_device seed;"):
            self.source("core/a.cc", code + "\n")
            self.refused("core/a.cc:1")

    def test_static_assert(self):
        self.source("core/a.cc", "static_assert(sizeof(int) == 4);\n")
        self.accepted()

    def test_unfinished(self):
        for word in ("FIX" "ME", "TO" "DO", "XX" "X"):
            self.source("core/a.cc", "// %s later\n" % word)
            self.refused("unfinished")

    def test_hidden_tests(self):
        for tag in ("[.]", "[!hide]", "[!mayfail]", "[.slow]"):
            self.source("tests/a.cc", 'TEST_CASE("a danger", "%s") {\n}\n' % tag)
            self.refused("guards nothing")

    def test_paths_of_one_machine(self):
        for path in ("/tm" "p/x", "/wor" "k/x", "/roo" "t/x", "/hom" "e/x"):
            self.write("tools/run", "cat %s\n" % path)
            self.refused("the path of one machine")

    def test_scratch_folder(self):
        self.write("tools/run", "mktemp -d /tm" "p/x.XXXX\ncat $D/tmp/x\n")
        self.accepted()

    def test_package_host(self):
        self.write("core/README.md", "from https://py" "pi.org/simple\n")
        self.refused("a package host")


class Order(Tree):
    def test_catch_before_others(self):
        self.source("tests/a.cc", "#include <catch2/catch.hpp>\n#include <vector>\n")
        self.refused("come last")

    def test_catch_last(self):
        self.source("tests/a.cc", "#include <vector>\n#include <catch2/catch.hpp>\n")
        self.accepted()

    def test_own_header_first(self):
        self.source("tests/support/a.cc", '#include "tests/support/a.h"\n\n#include <vector>\n')
        self.accepted()


class Entries(Tree):
    def test_source_that_no_target_lists(self):
        self.write("core/a.cc", "int a;\n")
        self.refused("no target lists this file")

    def test_test_that_no_target_lists(self):
        self.write("tests/e2e/a_test.py", "pass\n")
        self.refused("no target lists this file")

    def test_extra_entry(self):
        self.write("docs/a.md", "\n")
        self.refused("not one of the top level's entries")

    def test_ignored_entry(self):
        self.write("bazel-out/a.md", "\n")
        self.accepted()

    def test_missing_entry(self):
        (self.root / "LICENSE").unlink()
        self.refused("missing from the top level")

    def test_folder_without_readme(self):
        (self.root / "ops/README.md").unlink()
        self.refused("a folder has a README.md")


if __name__ == "__main__":
    unittest.main()
