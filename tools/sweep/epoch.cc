#include "tools/sweep/epoch.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/settings.h"
#include "lineage/storage.h"
#include "models/epoch.h"

namespace stemma::sweep {
namespace {

bool InEpochs(const std::string& text) {  // "3ep", "2.5epochs", "30ep:0.1,60ep:0.01"; no "3step"
  for (size_t at = text.find("ep"); at != std::string::npos; at = text.find("ep", at + 1)) {
    if (at == 0) continue;
    const char before = text[at - 1];
    if (before == '.' || std::isdigit(static_cast<unsigned char>(before)) != 0) return true;
  }
  return false;
}

// The first thing that asks how long an epoch is, as somebody wrote it; "": nothing does.
class Need {
 public:
  Need(const SweepSpec& spec, const models::RunSettings& settings) : spec_(spec) {
    short_ = settings.train.last_batch == "short" || Varies("train.last_batch");
  }

  std::string Find(const models::RunSettings& s) const {
    const std::vector<std::pair<std::string, std::string>> lengths = {
        {"sweep.budget", spec_.budget},
        {"train.length", s.train.length},
        {"validate.every", s.validate.every},
        {"optim.warmup", s.optim.warmup},
        {"optim.step_factors", s.optim.step_factors},
        {"optim.cycle", s.optim.cycle}};
    for (const auto& [key, value] : lengths) {
      // A knob stands in its place, but a base has an end of its own.
      const bool replaced = Varies(key) && key != "train.length";
      if (!replaced && Asks(value)) return key + " = \"" + value + "\"";
    }
    for (const Knob& knob : spec_.knobs) {
      const bool is_length =
          knob.kind == Knob::Kind::kSchedules ||
          std::any_of(lengths.begin(), lengths.end(),
                      [&knob](const auto& length) { return length.first == knob.key; });
      for (const std::string& choice : knob.choices) {
        if (is_length && Asks(choice)) return knob.key + " = \"" + choice + "\"";
      }
    }
    const bool may_warm_up = s.optim.warmup_steps == 0 || Varies("optim.warmup_steps");
    if (may_warm_up && (s.optim.recipe != "none" || Varies("optim.recipe"))) return "optim.recipe";
    return "";
  }

  bool Varies(const std::string& key) const {
    return std::any_of(spec_.knobs.begin(), spec_.knobs.end(),
                       [&key](const Knob& knob) { return knob.key == key; });
  }

 private:
  bool Asks(const std::string& text) const {
    return InEpochs(text) || (short_ && text.find("samples") != std::string::npos);
  }

  const SweepSpec& spec_;
  bool short_ = false;  // the samples of a step depend on where in its epoch it is
};

// The knob that gives trials epochs of different lengths, where one trains on files; "": none.
// Computed data have their length among their settings, whatever trial it is.
Result<std::string> OtherData(const SweepSpec& spec, const models::RunSettings& settings) {
  static const std::set<std::string> kKeys = {"run.workload", "images.train", "aides.train",
                                              "aides.labels", "aides.train_size"};
  for (const Knob& knob : spec.knobs) {
    if (kKeys.count(knob.key) == 0) continue;
    if (!models::IsComputed(settings)) return knob.key;
    for (const std::string& choice : knob.choices) {
      models::RunSettings trial = settings;
      SettingsList list = models::FieldsOf(trial);
      STEMMA_RETURN_IF_ERROR(list.Set(knob.key + "=" + choice, knob.place));
      if (!models::IsComputed(trial)) return knob.key;
    }
  }
  return std::string();
}

Status Unknown(const SweepSpec& spec, const std::string& need, const std::string& why) {
  return {Code::kInvalidArgument,
          spec.file + ": " + need + " asks how many samples an epoch has, and " + why +
              ". Lengths in steps, and in samples with train.last_batch = drop, ask for nothing"};
}

}  // namespace

Result<int64_t> EpochOfFiles(const SweepSpec& spec, const models::RunSettings& settings) {
  const std::string need = Need(spec, settings).Find(settings);
  if (need.empty()) return 0;
  STEMMA_ASSIGN_OR_RETURN(const std::string knob, OtherData(spec, settings));
  if (!knob.empty()) return Unknown(spec, need, "knob " + knob + " changes that number");
  if (models::IsComputed(settings)) return 0;
  const Result<int64_t> samples = models::SamplesOfEpoch(lineage::PosixStorage(), settings);
  if (samples.ok()) return *samples;
  return Unknown(spec, need, "they cannot be counted here: " + samples.status().message());
}

int64_t EpochOf(const Base& base, const models::RunSettings& settings) {
  if (!models::IsComputed(settings)) return base.epoch;
  return settings.run.workload == "aides" ? settings.aides.train_size : settings.aigw.train_size;
}

}  // namespace stemma::sweep
