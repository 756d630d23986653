// The recipe for bandwidth: it loads, and describes a run that can be made.
#include "core/cohort.h"
#include "lineage/storage.h"
#include "models/data/images/open_images.h"
#include "models/train/course.h"
#include "models/train/fill_settings.h"
#include "models/train/settings.h"
#include "optim/schedule.h"

#include <catch2/catch.hpp>

#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::IsOk;

TEST_CASE("vgg16 recipe: 138,357,544 parameters on made images, and no state in its way") {
  RunSettings settings;
  SettingsList list = FieldsOf(settings);
  REQUIRE_THAT(list.ReadFile("models/vgg16/recipes/bandwidth.toml"), IsOk());
  REQUIRE_THAT(FillSettings(settings, &list), IsOk());
  CHECK(settings.run.name == "bandwidth");
  CHECK(settings.run.workload == "vgg16");
  CHECK(settings.vgg16.classes == 1000);
  CHECK(settings.lineage.store.empty());
  SoloCohort alone;
  const auto images =
      OpenImages(lineage::PosixStorage(), settings.images,
                 {settings.vgg16.classes, "vgg16.classes", PixelOrder::kChannelsFirst}, alone);
  REQUIRE_THAT(images.status(), IsOk());
  CHECK(images->classes == 1000);
  const auto course = CourseOf(settings, images->train->Size());
  REQUIRE_THAT(course.status(), IsOk());
  CHECK_THAT(optim::CheckSchedule(course->optim, course->total_steps), IsOk());
  CHECK(course->total_steps == 30);
}

}  // namespace
}  // namespace stemma::models
