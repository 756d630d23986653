// make_images FOLDER CLASSES IMAGES SIDE: class folders of JPEG with made images in them, for tests
// of the programs: FOLDER/class00/0000.jpg, ....
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "lineage/storage.h"
#include "models/data/images/synthetic.h"
#include "tools/bench/made_images.h"

namespace stemma {
namespace {

// Two units of a made image span all levels.
uint8_t LevelOf(float value) {
  return static_cast<uint8_t>(std::clamp(128.f + 60.f * value, 0.f, 255.f));
}

Status Make(const std::string& folder, const models::SyntheticSpec& spec, int side) {
  lineage::Storage& disk = lineage::PosixStorage();
  const models::SyntheticImages images(spec, side, models::ImageUse::kTrain,
                                       models::PixelOrder::kChannelsLast);
  STEMMA_RETURN_IF_ERROR(disk.MakeDir(folder));
  for (const std::string& name : images.Classes()) {
    STEMMA_RETURN_IF_ERROR(disk.MakeDir(folder + "/" + name));
  }
  std::vector<float> x(static_cast<size_t>(images.Shape().XCount()));
  std::vector<uint8_t> levels(x.size());
  for (int64_t id = 0; id < images.Size(); ++id) {
    float label = 0;
    STEMMA_RETURN_IF_ERROR(images.Read(id, {}, x.data(), &label));
    std::transform(x.begin(), x.end(), levels.begin(), LevelOf);
    char name[16];
    std::snprintf(name, sizeof name, "/%04d.jpg", static_cast<int>(id / spec.classes));
    STEMMA_RETURN_IF_ERROR(lineage::WriteDurable(
        disk, folder + "/" + images.Classes()[static_cast<size_t>(label)] + name,
        bench::MadeJpeg(levels, side, side, bench::JpegKind::k444, 95)));
  }
  return {};
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "make_images FOLDER CLASSES IMAGES SIDE\n");
    return 2;
  }
  const auto spec =
      stemma::models::ParseSynthetic(std::string("synthetic:") + argv[2] + "x" + argv[3]);
  const stemma::Status made =
      spec.ok() ? stemma::Make(argv[1], *spec, std::atoi(argv[4])) : spec.status();
  if (made.ok()) return 0;
  std::fprintf(stderr, "make_images: %s\n", made.message().c_str());
  return 1;
}
