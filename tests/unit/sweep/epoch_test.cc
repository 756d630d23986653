#include "tools/sweep/epoch.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "lineage/memory_storage.h"
#include "lineage/store.h"
#include "tools/sweep/base.h"
#include "tools/sweep/journal.h"
#include "tools/sweep/opening.h"
#include "tools/sweep/segment.h"
#include "tools/sweep/spec.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::sweep {
namespace {

using tests::HasCode;
using tests::IsOk;

// Three images in a recipe of ResNet-50, two to a batch.
class ImageRecipe {
 public:
  explicit ImageRecipe(const std::string& length) {
    const char* scratch = std::getenv("TEST_TMPDIR");
    folder_ = std::string(scratch ? scratch : ".") + "/sweep_test_XXXXXX";
    REQUIRE(mkdtemp(folder_.data()) != nullptr);
    for (const char* image : {"cat/1.jpg", "cat/2.jpg", "dog/1.jpg"}) {
      const std::filesystem::path path = folder_ + "/train/" + image;
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path) << "x";
    }
    std::ofstream(folder_ + "/r.toml")
        << "run.workload = 'resnet50'\nimages.train = '" << folder_
        << "/train'\ntrain.global_batch = 2\ntrain.length = '" << length << "'\n";
  }
  Result<Base> Open(const std::string& rest) const {
    const Result<SweepSpec> spec =
        ParseSpec("recipe = '" + folder_ + "/r.toml'\n[sweep]\nname = 's'\n" + rest, "s.toml");
    REQUIRE_THAT(spec.status(), IsOk());
    return BaseFromRecipe(*spec);
  }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

TEST_CASE("a sweep over files counts them only where something is in epochs") {
  const std::string rates = "[knobs]\noptim.lr = { values = [0.1, 0.2] }\n";
  const ImageRecipe in_steps("10step");
  const Result<Base> plain = in_steps.Open(rates);
  REQUIRE_THAT(plain.status(), IsOk());
  CHECK((plain->end == 10 && plain->epoch == 0));
  const std::vector<Part> parts = {{0, {{"optim.lr", "0.1"}}}};
  const Result<Timeline> timeline = Timeline::Make(*plain, parts);
  REQUIRE_THAT(timeline.status(), IsOk());
  CHECK(timeline->total_steps() == 10);

  const ImageRecipe in_epochs("4ep");
  const std::string lengths = "[knobs]\ntrain.length = { values = ['2step', '3step'] }\n";
  REQUIRE_THAT(in_epochs.Open(lengths).status(), IsOk());
  CHECK(in_epochs.Open(lengths)->epoch == 3);
  const Result<Base> counted = in_epochs.Open(rates);
  REQUIRE_THAT(counted.status(), IsOk());
  CHECK((counted->end == 4 && counted->epoch == 3));
  CHECK(Timeline::Make(*counted, parts)->total_steps() == 4);
  const Result<Base> with_rest = in_epochs.Open("[settings]\ntrain.last_batch = 'short'\n" + rates);
  REQUIRE_THAT(with_rest.status(), IsOk());
  CHECK(with_rest->end == 8);

  const std::vector<std::string> needs = {
      "budget = '2ep'\n" + rates,
      "[settings]\nvalidate.every = '1ep'\n" + rates,
      "[settings]\noptim.warmup = '1epochs'\n" + rates,
      "[settings]\noptim.step_factors = '2step:0.5,1.ep:0.1'\n" + rates,
      "[settings]\ntrain.last_batch = 'short'\ntrain.length = '20samples'\n" + rates,
      "[knobs]\ntrain.length = { values = ['2step', '2ep'] }\n",
      "[knobs]\noptim.lr = { schedules = ['0: 0.1; 1ep: 0.2'] }\n",
  };
  for (const std::string& rest : needs) {
    INFO(rest);
    const Result<Base> base = in_steps.Open(rest);
    REQUIRE_THAT(base.status(), IsOk());
    CHECK(base->epoch == 3);
  }
}

TEST_CASE("a sweep whose epochs cannot be known says what asks for them, why, and the way out") {
  const ImageRecipe in_steps("10step"), in_epochs("4ep");
  const std::string other =
      "[knobs]\nimages.train = { values = ['synthetic:2x9', '" + in_steps.folder() + "/train'] }\n";
  CHECK_THAT(in_steps.Open(other).status(), IsOk());
  const auto refused = [&](const std::string& rest, const std::string& what) {
    CHECK_THAT(in_epochs.Open(rest).status(), HasCode(Code::kInvalidArgument, what));
  };
  refused(other,
          "train.length = \"4ep\" asks how many samples an epoch has, and knob images.train "
          "changes that number. Lengths in steps");
  const std::string rates = "[knobs]\noptim.lr = { values = [0.1, 0.2] }\n";
  refused("[settings]\nimages.train = '/there/is/none'\n" + rates, "cannot be counted here: ");
  const std::string waves = "run.workload = 'aigw'\naigw.file = 'w.h5'\n";
  refused("[settings]\n" + waves + rates, "HDF5");
  CHECK_THAT(in_steps.Open("[settings]\n" + waves + rates).status(), IsOk());
}

TEST_CASE("a sweep goes on only while an epoch of its data is what it was") {
  const ImageRecipe recipe("4ep");
  const std::string text = "recipe = '" + recipe.folder() +
                           "/r.toml'\n[sweep]\nname = 's'\n[knobs]\n"
                           "optim.lr = { values = [0.1, 0.2] }\n";
  lineage::MemoryStorage disk;
  const auto store = lineage::Store::Open("store", true, disk);
  REQUIRE_THAT(store.status(), IsOk());
  const auto open = [&]() -> Result<OpenedSweep> {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, (*store)->Load());
    return OpenSweep(**store, graph, text, "s.toml", {"build", 1});
  };
  Result<OpenedSweep> begun = open();
  REQUIRE_THAT(begun.status(), IsOk());
  JournalWriter writer(**store, "s");
  REQUIRE_THAT(writer.Begin(begun->begun, &begun->journal), IsOk());
  const Result<OpenedSweep> again = open();
  REQUIRE_THAT(again.status(), IsOk());
  CHECK((again->journal.begun && again->base.epoch == 3));

  std::ofstream(recipe.folder() + "/train/dog/2.jpg") << "x";
  CHECK_THAT(open().status(),
             HasCode(Code::kInvalidArgument,
                     "had 3 samples when it began, and the data now have 4: give the sweep"));
}

}  // namespace
}  // namespace stemma::sweep
