// `stemma galaxy` as people run it: facts, pictures, and what it says to bad input.
#include <filesystem>
#include <string>

#include "tests/e2e/cli_box.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {

using tests::Box;
using tests::Done;

TEST_CASE("galaxy prints its facts and writes its picture", "[cli]") {
  const Box box("galaxy");
  const Done one = box.Run("galaxy --object=17 --class=spiral --out=17.ppm");
  CHECK(one.code == 0);
  CHECK(one.Says("of seed 1: simulated, spiral, "));
  CHECK(one.Says("17.ppm: 224 x 224 pixels\n"));
  CHECK(std::filesystem::file_size(box.dir / "17.ppm") == 15 + 3 * 224 * 224);
  const Done sheet = box.Run("galaxy --class=elliptical --sheet=3x2 --side=71 --out=s.png");
  CHECK(sheet.code == 0);
  CHECK(sheet.Says("s.png: 213 x 142 pixels\n"));
  CHECK_FALSE(sheet.Says("spiral"));
  const Done nowhere = box.Run("galaxy --out=no/such/folder.png");
  CHECK(nowhere.code == 1);
  CHECK(nowhere.Says("cannot write no/such/folder.png"));
}

TEST_CASE("galaxy says what is wrong with a command and returns 2", "[cli]") {
  const Box box("galaxy-wrong");
  const struct {
    const char *words, *message;
  } cases[] = {{"galaxy --sheet=8", "--sheet = '8' must be COLUMNSxROWS"},
               {"galaxy --sheet=17x1", "each 1 to 16"},
               {"galaxy --survey=lsst", "expected sdss|des"},
               {"galaxy --object=-1", "--object = -1 must be 0 to 2^40"},
               {"galaxy --side=9", "--side = 9 must be 71 to 1024"},
               {"galaxy --out=a.jpg", "neither in .png nor in .ppm"}};
  for (const auto& one : cases) {
    INFO(one.words);
    const Done done = box.Run(one.words);
    CHECK(done.code == 2);
    CHECK(done.Says(one.message));
  }
}

}  // namespace
}  // namespace stemma
