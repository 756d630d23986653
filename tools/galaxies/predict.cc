#include "tools/galaxies/predict.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>

#include "lineage/graph.h"
#include "lineage/reader/state_reader.h"
#include "models/aides/augment.h"
#include "models/aides/picture.h"
#include "models/train/settings.h"
#include "ops/guard.h"

namespace stemma::galaxies {
namespace {

using lineage::Record;

constexpr int64_t kBatch = 64;

Result<models::RunSettings> SettingsOf(const lineage::Store& store, const Record& record) {
  if (record.settings.empty()) {
    return Status(Code::kInvalidArgument,
                  lineage::NameOfState(record) +
                      " was stored without settings, as imported states are: nothing says which "
                      "images its network wants");
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string toml, store.GetSettings(record.settings));
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadText(toml, "settings of " + lineage::NameOfState(record)));
  if (settings.run.workload != "aides") {
    return Status(Code::kIncompatible, lineage::NameOfState(record) + " is of workload " +
                                           settings.run.workload + ": only aides sees galaxies");
  }
  return settings;
}

Status Fill(lineage::StateReader& state, const std::string& name, at::Tensor tensor) {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, state.Read(name));
  if (bytes.size() != tensor.nbytes()) {
    return {Code::kIncompatible, "tensor '" + name + "' of the state has " +
                                     std::to_string(bytes.size()) + " bytes, the network's " +
                                     std::to_string(tensor.nbytes())};
  }
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return {};
}

// Galaxies first, first + 1, ..., a thread for each core. The first failure by number.
Status SeeAll(int64_t first, size_t values,
              const std::function<Status(int64_t, Answer*, float*)>& see,
              std::vector<Answer>* answers, float* x) {
  std::vector<Status> done(answers->size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < answers->size(); i = next++) {
      const int64_t id = first + static_cast<int64_t>(i);
      (*answers)[i].id = id;
      done[i] =
          ops::Guard("reading a galaxy", [&] { return see(id, &(*answers)[i], x + i * values); });
    }
  };
  std::vector<std::thread> threads;
  const size_t count =
      std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()), answers->size());
  for (size_t i = 1; i < count; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (Status& status : done) STEMMA_RETURN_IF_ERROR(std::move(status));
  return {};
}

at::Tensor Augmented(const at::Tensor& images, const std::vector<Answer>& answers, uint64_t seed) {
  at::Tensor changed = at::empty_like(images);
  const auto side = static_cast<size_t>(images.size(3));
  for (size_t i = 0; i < answers.size(); ++i) {
    const size_t at = i * 3 * side * side;
    models::Transform(models::DrawAugmentation({seed, 0, answers[i].object}), side, 3,
                      images.const_data_ptr<float>() + at, changed.mutable_data_ptr<float>() + at);
  }
  return changed;
}

// Probabilities of "spiral".
std::vector<double> SpiralOf(const at::Tensor& logits) {
  const at::Tensor p = at::softmax(logits.to(at::kDouble), 1).select(1, 1).contiguous();
  return {p.const_data_ptr<double>(), p.const_data_ptr<double>() + p.numel()};
}

}  // namespace

Result<std::unique_ptr<Judge>> Judge::Of(const lineage::Store& store, const Record& record,
                                         int64_t side) {
  STEMMA_ASSIGN_OR_RETURN(models::RunSettings settings, SettingsOf(store, record));
  if (side != 0) settings.aides.image = side;
  STEMMA_RETURN_IF_ERROR(models::Check(settings.aides));
  std::unique_ptr<Judge> judge;
  STEMMA_RETURN_IF_ERROR(ops::Guard("the network", [&]() -> Status {
    judge.reset(new Judge(settings.aides, 0));
    judge->network_.SetTraining(false);
    return judge->Load(store, record);
  }));
  return judge;
}

Status Judge::Load(const lineage::Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const auto state, lineage::StateReader::Open(store, record));
  for (const auto& p : network_.parameters())
    STEMMA_RETURN_IF_ERROR(Fill(*state, p.name, p.tensor));
  for (const auto& b : network_.buffers()) STEMMA_RETURN_IF_ERROR(Fill(*state, b.name, b.tensor));
  return {};
}

Result<Answers> Judge::Look(models::SurveyKind kind, models::GalaxySplit split, int64_t count,
                            const LookOptions& options) {
  const models::Survey survey(kind);
  const auto seed = static_cast<uint64_t>(settings_.data_seed);
  const models::Rescale rule = models::RescaleByName(settings_.rescale);
  const auto see = [&](int64_t id, Answer* answer, float* x) -> Status {
    answer->object = models::ObjectOf(seed, split, static_cast<uint64_t>(id));
    const models::Galaxy galaxy = models::DrawGalaxy(seed, answer->object);
    const models::Exposure exposure = survey.Expose(galaxy, {seed, answer->object});
    models::NetworkInput(models::MakePicture(exposure, rule), static_cast<size_t>(settings_.image),
                         x);
    answer->truth = static_cast<int>(galaxy.kind);
    answer->signal_to_noise = exposure.signal_to_noise;
    if (galaxy.kind == models::GalaxyClass::kSpiral) answer->inclination = 360 * galaxy.inclination;
    return {};
  };
  return LookAtAll(count, see, options);
}

Result<Answers> Judge::LookAt(const models::OwnGalaxies& pictures, const LookOptions& options) {
  const auto see = [&](int64_t id, Answer* answer, float* x) -> Status {
    float label = 0;
    answer->object = static_cast<uint64_t>(id);
    answer->truth = pictures.LabelOf(id);
    return pictures.Read(id, {}, x, &label);
  };
  return LookAtAll(pictures.Size(), see, options);
}

Result<Answers> Judge::LookAtAll(int64_t count, const See& see, const LookOptions& options) {
  Answers all;
  const auto seed = static_cast<uint64_t>(settings_.data_seed);
  Status looked = ops::Guard("a look at galaxies", [&]() -> Status {
    const c10::NoGradGuard no_gradients;
    for (int64_t first = 0; first < count; first += kBatch) {
      const int64_t rows = std::min(kBatch, count - first);
      std::vector<Answer> answers(static_cast<size_t>(rows));
      const at::Tensor images = at::empty({rows, 3, settings_.image, settings_.image}, at::kFloat);
      STEMMA_RETURN_IF_ERROR(SeeAll(first, static_cast<size_t>(images[0].numel()), see, &answers,
                                    images.mutable_data_ptr<float>()));
      const models::AidesOutput out = network_.Forward(images);
      const std::vector<double> plain = SpiralOf(out.logits);
      for (size_t i = 0; i < answers.size(); ++i) answers[i].spiral = plain[i];
      if (options.augmented) {
        const std::vector<double> changed =
            SpiralOf(network_.Forward(Augmented(images, answers, seed)).logits);
        for (size_t i = 0; i < answers.size(); ++i) answers[i].spiral_augmented = changed[i];
      }
      if (options.features) {
        const at::Tensor features = out.features.contiguous();
        const float* values = features.const_data_ptr<float>();
        all.features.insert(all.features.end(), values, values + features.numel());
      }
      for (const Answer& answer : answers) {
        if (!std::isfinite(answer.spiral)) {
          return {Code::kNotFinite, "the network's answer to object " +
                                        std::to_string(answer.object) + " is not finite"};
        }
        all.answers.push_back(answer);
      }
    }
    return {};
  });
  if (!looked.ok()) return looked;
  return all;
}

}  // namespace stemma::galaxies
