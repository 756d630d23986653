// Presets, recipes, and which options go together.
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "core/bytes.h"
#include "models/train/fill_settings.h"
#include "optim/loss_scaler.h"
#include "optim/options.h"
#include "optim/plateau.h"
#include "optim/presets.h"
#include "optim/recipe.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::optim {
namespace {

using tests::HasCode;
using tests::IsOk;

TEST_CASE("every preset but the one that cannot be done is a valid set of options") {
  for (const char* name : {"paper", "apex", "nvlamb", "timm", "timm-clip", "tfa", "optax",
                           "deepspeed", "cybertronai", "nus"}) {
    INFO(name);
    OptimSettings s;
    REQUIRE_THAT(ApplyPreset(name, &s), IsOk());
    CHECK(s.preset == name);
    CHECK_THAT(CheckOptions(s), IsOk());
  }
  OptimSettings s;
  CHECK_THAT(ApplyPreset("nvlamp", &s), HasCode(Code::kInvalidArgument, "did you mean nvlamb?"));
  REQUIRE_THAT(ApplyPreset("author", &s), IsOk());
  CHECK_THAT(CheckOptions(s), HasCode(Code::kInvalidArgument, "(of preset author)"));
  s.clip_scope = "reduced";
  CHECK_THAT(CheckOptions(s), IsOk());
}

TEST_CASE("options that nobody would look at, and those that exclude each other") {
  const struct {
    std::function<void(OptimSettings*)> change;
    const char* says;
  } cases[] = {
      {[](auto* s) { s->clip_scope = "local"; }, "Set optim.clip_scope = \"reduced\""},
      {[](auto* s) { s->clip_scope = "globl"; }, "optim.clip_scope is 'globl'"},
      {[](auto* s) { s->decay = "decupled"; }, "did you mean decoupled?"},
      {[](auto* s) { s->preset = "apec"; }, "did you mean apex?"},
      {[](auto* s) { s->recipe = "tuned"; }, "optim.recipe is 'tuned'"},
      {[](auto* s) { s->adapt = "list", s->adapt_roles = " ,"; }, "adapt_roles is empty"},
      {[](auto* s) { s->adapt = "list", s->adapt_roles = "weigth"; }, "did you mean weight?"},
      {[](auto* s) { s->name = "sgd", s->preset = "apex"; }, "presets are variants of lamb"},
      {[](auto* s) { s->name = "adamw", s->decay = "l2"; }, "adamw's is decoupled"},
      {[](auto* s) { s->name = "adam", s->adapt = "list"; }, "adam has no trust ratio"},
      {[](auto* s) { s->name = "sgd", s->adapt = "all"; }, "sgd has no trust ratio"},
      {[](auto* s) { s->name = "adam", s->ratio_max = 10; }, "optim.ratio_max is set, but adam"},
      {[](auto* s) { s->name = "adamw", s->phi_max = 10; }, "optim.phi_max is set"},
      {[](auto* s) { s->nesterov = true; }, "set optim.name = \"sgd\""},
      {[](auto* s) { s->momentum = 0; }, "optim.momentum is set, but optim.name is 'lamb'"},
      {[](auto* s) { s->name = "adamw", s->momentum = 0.5; }, "or set optim.beta1, which is what"},
      {[](auto* s) { s->name = "sgd", s->beta1 = 0.8; },
       "or set optim.momentum, which is what sgd"},
      {[](auto* s) { s->name = "lars", s->beta2 = 0.99; }, "only lamb, adam and adamw look at it"},
      {[](auto* s) { s->name = "adam", s->grad_averaging = false; }, "only lamb looks at it"},
      {[](auto* s) { s->clip_to_lr = true; }, "set optim.name = \"lars\""},
      {[](auto* s) { s->name = "lars", s->nesterov = true; }, "optim.nesterov"},
      {[](auto* s) { s->name = "lars", s->lars_variant = "in"; }, "expected inside"},
      {[](auto* s) { s->name = "lars", s->trust_coefficient = 0; }, "trust_coefficient is 0"},
      {[](auto* s) { s->name = "lars", s->lars_clamp = std::nan(""); }, "optim.lars_clamp"},
      {[](auto* s) { s->name = "lars", s->phi_max = 2; }, "are lamb's"},
      {[](auto* s) { s->name = "lars", s->bias_correction = "none"; }, "no moments"},
      {[](auto* s) { s->eps = 0; }, "optim.eps is 0"},
  };
  for (const auto& one : cases) {
    OptimSettings s;
    one.change(&s);
    CHECK_THAT(CheckOptions(s), HasCode(Code::kInvalidArgument, one.says));
  }
  OptimSettings lars;
  lars.name = "lars";
  lars.eps = 0;
  CHECK_THAT(CheckOptions(lars), IsOk());
  CHECK(DigestOfOptions(lars) != DigestOfOptions(OptimSettings()));
  lars.clip_to_lr = true;
  const uint64_t clipped = DigestOfOptions(lars);
  lars.clip_to_lr = false;
  CHECK(DigestOfOptions(lars) != clipped);
}

TEST_CASE("what a fork finds in its parent's small record") {
  OptimSettings s;  // no scale
  Encoder parent;
  LossScaler(s).Encode(&parent);
  s.loss_scaling = "dynamic";
  s.loss_scale = 1024;
  LossScaler child(s);
  Decoder in(parent.bytes());
  REQUIRE(child.Decode(&in));
  CHECK(child.scale() == 1024);  // not from 1 up
  child.Overflowed();
  Encoder out;
  child.Encode(&out);
  LossScaler grandchild(s);
  Decoder again(out.bytes());
  REQUIRE(grandchild.Decode(&again));
  CHECK(grandchild.scale() == 512);
}

TEST_CASE("a mean loss of minus infinity is no better one, for ever") {
  Plateau plateau{OptimSettings()};
  for (int epoch = 0; epoch < 3; ++epoch) {
    plateau.EndEpoch(-std::numeric_limits<double>::infinity());
  }
  CHECK(plateau.factor() == 0.5);
}

TEST_CASE("the untuned rule fits every published batch") {
  const struct {
    int64_t batch;
    double lr, epochs;
  } rows[] = {
      {512, .005, .3125}, {1024, .005 * std::sqrt(2.0), .625}, {4096, .04 / std::sqrt(8.0), 2.5},
      {8192, .02, 5},     {16384, .04 / std::sqrt(2.0), 10},   {32768, .04, 20}};
  for (const auto& row : rows) {
    CHECK(UntunedRate(row.batch) == Approx(row.lr).epsilon(1e-12));
    OptimSettings s;
    s.recipe = "untuned-resnet50";
    s.lr = UntunedRate(row.batch);
    const auto filled = WithRecipe(s, 1281167, 3519);
    REQUIRE_THAT(filled.status(), IsOk());
    CHECK(filled->warmup_steps == 782);
    CHECK(782.0 * static_cast<double>(row.batch) / 1281167 == Approx(row.epochs).epsilon(1e-3));
  }
  OptimSettings s;
  s.recipe = "untuned-resnet50";
  s.lr = UntunedRate(8192);
  CHECK_THAT(WithRecipe(s, 800, 100).status(),
             HasCode(Code::kInvalidArgument, "800 samples, which is 0 of this run's 100 steps"));
  CHECK_THAT(WithRecipe(s, 1281167, 782).status(), HasCode(Code::kInvalidArgument, "train longer"));
  s.warmup_steps = 7;
  CHECK(WithRecipe(s, 800, 100)->warmup_steps == 7);
  s.warmup_steps = 782;
  CHECK(DescribeRecipe(s, 8192, 1281167) ==
        "untuned-resnet50 for a global batch of 8192: lr 0.02, warm-up 782 steps (5 epochs)");
  CHECK(DescribeRecipe(OptimSettings(), 8192, 1281167).empty());
}

TEST_CASE("a preset and a recipe fill what nobody has set, and saved settings stay as they are") {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  REQUIRE_THAT(list.ReadText("[train]\nglobal_batch = 2048\n[optim]\npreset = \"timm-clip\"\n"
                             "recipe = \"untuned-resnet50\"\nmax_grad_norm = 0.25\n",
                             "r.toml"),
               IsOk());
  REQUIRE_THAT(models::FillSettings(settings, &list), IsOk());
  CHECK(settings.optim.ratio_max == 1);
  CHECK(settings.optim.max_grad_norm == 0.25);
  CHECK(settings.optim.lr == UntunedRate(2048));
  CHECK(list.Find("optim.ratio_max")->origin == "preset timm-clip");
  CHECK(list.Find("optim.lr")->origin == "recipe untuned-resnet50");
  // What a later program's preset would say changes nothing: everything is set.
  models::RunSettings again;
  SettingsList saved = models::FieldsOf(again);
  REQUIRE_THAT(saved.ReadText(list.ToToml(), "saved"), IsOk());
  REQUIRE_THAT(saved.Set("optim.ratio_max=0"), IsOk());
  REQUIRE_THAT(saved.Set("optim.lr=0.5"), IsOk());
  REQUIRE_THAT(models::FillSettings(again, &saved), IsOk());
  CHECK(again.optim.ratio_max == 0);
  CHECK(again.optim.lr == 0.5);
  // A preset whose list is empty fills that too.
  models::RunSettings deep;
  SettingsList of_deep = models::FieldsOf(deep);
  REQUIRE_THAT(of_deep.Set("optim.preset=deepspeed"), IsOk());
  REQUIRE_THAT(models::FillSettings(deep, &of_deep), IsOk());
  CHECK(deep.optim.exclude.empty());
  CHECK(deep.optim.bias_correction == "step_size");
}

}  // namespace
}  // namespace stemma::optim
