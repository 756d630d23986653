// `stemma data` as people run it: from class folders to shards on a node's own disk.
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/e2e/cli_box.h"
#include "tools/bench/made_images.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {

using tests::Box;
using tests::Done;

void PutImages(const std::filesystem::path& folder) {
  for (int i = 0; i < 6; ++i) {
    const auto rgb = bench::MadePixels(40, 30, static_cast<uint64_t>(i));
    const auto path = folder / (i % 2 == 0 ? "cats" : "dogs") / (std::to_string(i) + ".jpg");
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        << bench::MadeJpeg(rgb, 40, 30, bench::JpegKind::k420, 80);
  }
}

TEST_CASE("data: folders become shards, which are checked and staged once", "[cli]") {
  const Box box("data");
  PutImages(box.dir / "in");
  const Done packed = box.Run("data pack in --out=shards --shard-size=8KiB");
  INFO(packed.text);
  CHECK(packed.code == 0);
  CHECK(packed.Says("6 images of 2 classes in "));
  CHECK(box.Run("data check shards").Says("all good"));
  const Done staged = box.Run("data stage shards --to=fast --keep-free=4");
  INFO(staged.text);
  CHECK(staged.code == 0);
  CHECK_FALSE(staged.Says(" 0 copied now"));
  const Done again = box.Run("data stage shards --to=fast --keep-free=4");
  CHECK(again.code == 0);
  CHECK(again.Says(" 0 copied now"));
  CHECK(box.Run("data stage shards --to=no/such/folder").Says("no/such/folder"));
  CHECK(box.Run("data stage shards").Says("--to=DIR is missing"));
  CHECK(box.Run("data stage nothing --to=fast").Says("nothing"));
  CHECK(box.Run("data stage shards --to=fast --keep-free=much").Says("--keep-free=much"));
}

}  // namespace
}  // namespace stemma
