#include "optim/flat_optimizer.h"

#include <ATen/Functions.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "core/bytes.h"
#include "core/text.h"
#include "ops/guard.h"
#include "optim/options.h"
#include "optim/schedule.h"

namespace stemma::optim {
namespace {

constexpr uint8_t kSmallVersion = 2;
// Of records that end after the digest: no loss scale, no plateau.
constexpr uint8_t kWithoutScale = 1;
constexpr char kAverageSlot[] = "optim/ema";

// In huge pages where the kernel has them, as comm's host segments that hold parameters and
// gradients: a step goes through all of it.
at::Tensor ZeroState(int64_t count, const at::TensorOptions& options) {
  constexpr size_t kHuge = size_t{4} << 20;
  at::Tensor array = at::empty({count}, options);
  if (array.is_cpu() && array.nbytes() >= kHuge) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<uintptr_t>(array.data_ptr());
    const uintptr_t first = (begin + page - 1) / page * page;
    madvise(reinterpret_cast<void*>(first), begin + array.nbytes() - first, MADV_HUGEPAGE);
  }
  return array.zero_();
}

}  // namespace

std::vector<std::string> MomentumSlots(const OptimSettings& settings) {
  if (settings.momentum == 0) return {};
  return {"optim/momentum"};
}

FlatOptimizer::FlatOptimizer(const OptimSettings& settings, int64_t total_steps,
                             ops::Reducer& reducer, std::vector<Space> spaces,
                             std::vector<std::string> slots)
    : settings_(settings),
      total_steps_(total_steps),
      reducer_(reducer),
      spaces_(std::move(spaces)),
      kind_slots_(slots.size()),
      slots_(std::move(slots)),
      scaler_(settings),
      plateau_(settings) {
  if (settings_.ema_decay > 0) slots_.push_back(kAverageSlot);
  for (const Space& space : spaces_) {
    arrays_.emplace_back();
    for (size_t i = 0; i < slots_.size(); ++i) {
      arrays_.back().push_back(ZeroState(space.state_count, space.gradients.options()));
    }
    const bool sharded = !space.of_ranks.empty();
    exchanges_.push_back(sharded ? std::make_unique<SumExchange>(reducer, space) : nullptr);
  }
  for (size_t i = 0; i < spaces_.size(); ++i) passes_.push_back(PassesOf(i));
  excluded_.resize(reducer.parameters().size(), false);
  for (const Space& space : spaces_) {
    for (const TensorPart& part : space.tensors) excluded_[part.parameter] = part.excluded;
  }
  if (settings_.ema_decay <= 0) return;
  std::vector<at::Tensor> averages;
  for (const auto& arrays : arrays_) averages.push_back(arrays.back());
  average_ = std::make_unique<WeightAverage>(settings_.ema_decay, spaces_, std::move(averages));
  average_->Start();
}

std::unique_ptr<Passes> FlatOptimizer::PassesOf(size_t space) const {
  const auto& arrays = arrays_[space];
  FlatMemory memory;
  memory.p = spaces_[space].parameters.data_ptr();
  memory.g = spaces_[space].gradients.const_data_ptr();
  if (kind_slots_ > 0) memory.m = arrays[0].data_ptr();
  if (kind_slots_ > 1) memory.v = arrays[1].data_ptr();
  return MakePasses(spaces_[space], memory, exchanges_[space].get());
}

size_t FlatOptimizer::tensors() const {
  size_t count = 0;
  for (const Space& space : spaces_) count += space.tensors.size();
  return count;
}

// Replan() gives the parameters other memory; what this optimizer holds would be updated in vain.
Status FlatOptimizer::CheckPlan() const {
  bool same = reducer_.spaces().size() == spaces_.size();
  for (size_t i = 0; same && i < spaces_.size(); ++i) {
    same = reducer_.spaces()[i].parameters.data_ptr() == spaces_[i].parameters.data_ptr();
  }
  if (same) return {};
  return {Code::kInvalidArgument,
          "the reducer has made a new plan since this optimizer was made: make it again after "
          "Replan()"};
}

Status FlatOptimizer::Step(int64_t step, ops::Fence& fence) {
  STEMMA_RETURN_IF_ERROR(CheckPlan());
  if (swapped_) {
    return {Code::kInvalidArgument,
            "the parameters are their averages: call SwapAverage() again before the next step"};
  }
  report_ = {};
  report_.lr = LearningRate(settings_, total_steps_, step);
  if (settings_.schedule == "plateau") report_.lr = plateau_.Scaled(report_.lr);
  report_.loss_scale = scaler_.scale();
  const std::vector<double>& given = reducer_.contributions();  // empty: everybody gave something
  report_.skipped = !given.empty() && std::count(given.begin(), given.end(), 0.0) ==
                                          static_cast<std::ptrdiff_t>(given.size());
  if (report_.skipped) return {};  // the data has ended: momentum must not go on alone
  STEMMA_RETURN_IF_ERROR(ops::Guard("Optimizer::Step", [&] { return Measure(); }));
  if (report_.skipped) return {};
  STEMMA_RETURN_IF_ERROR(fence.Wait());
  skips_ = 0;
  ++t_;
  STEMMA_RETURN_IF_ERROR(ops::Guard("Optimizer::Step", [&] { return Apply(); }));
  scaler_.Updated();
  return {};
}

// The average follows this rank's parts before the others' are gathered.
Status FlatOptimizer::Apply() {
  updated_ = true;
  STEMMA_RETURN_IF_ERROR(Update());
  if (average_ != nullptr) average_->Follow(t_);
  return reducer_.GatherParameters();
}

void FlatOptimizer::Observe(double loss, double samples, bool epoch_ends) {
  if (settings_.schedule != "plateau" || settings_.plateau_on != "loss") return;
  plateau_.Observe(loss, samples, epoch_ends);
}

void FlatOptimizer::ObserveEvaluation(double val_loss) {
  if (settings_.schedule != "plateau" || settings_.plateau_on != "val_loss") return;
  plateau_.EndEpoch(val_loss);
}

Status FlatOptimizer::SwapAverage(ops::Fence& fence) {
  if (average_ == nullptr) {
    return {Code::kInvalidArgument,
            "there is no average of the parameters: set optim.ema_decay, such as 0.9999"};
  }
  STEMMA_RETURN_IF_ERROR(CheckPlan());
  STEMMA_RETURN_IF_ERROR(fence.Wait());
  swapped_ = !swapped_;
  return ops::Guard("Optimizer::SwapAverage", [&]() -> Status {
    average_->Swap();
    return reducer_.GatherParameters();
  });
}

Status FlatOptimizer::SumGradients(std::vector<double>* by_parameter) {
  std::vector<double> by_tensor;
  for (size_t i = 0; i < spaces_.size(); ++i) {
    STEMMA_RETURN_IF_ERROR(passes_[i]->SumGradients(&by_tensor));
    for (size_t t = 0; t < by_tensor.size(); ++t) {
      (*by_parameter)[spaces_[i].tensors[t].parameter] = by_tensor[t];
    }
  }
  return {};
}

Status FlatOptimizer::Measure() {
  const auto& parameters = reducer_.parameters();
  std::vector<double> sums(parameters.size(), 0.0);
  STEMMA_RETURN_IF_ERROR(SumGradients(&sums));
  double total = 0;
  for (double sum : sums) total += sum;
  report_.grad_norm = std::sqrt(total) / scaler_.scale();
  for (size_t i = 0; i < sums.size(); ++i) {
    if (!std::isfinite(sums[i])) return NonFinite("\"" + parameters[i].name + "\"");
  }
  if (!std::isfinite(total)) return NonFinite("all parameters together");
  Clip(sums);
  return {};
}

void FlatOptimizer::Clip(const std::vector<double>& sums) {
  const auto divisor = [this](double norm) {
    return settings_.max_grad_norm > 0 ? std::max(norm / settings_.max_grad_norm, 1.0) : 1.0;
  };
  excluded_divisor_ = other_divisor_ = divisor(report_.grad_norm);
  if (settings_.clip_scope == "group") {
    double excluded = 0, other = 0;
    for (size_t i = 0; i < sums.size(); ++i) (excluded_[i] ? excluded : other) += sums[i];
    excluded_divisor_ = divisor(std::sqrt(excluded) / report_.loss_scale);
    other_divisor_ = divisor(std::sqrt(other) / report_.loss_scale);
  }
  report_.clip_divisor = std::max(excluded_divisor_, other_divisor_);
}

Status FlatOptimizer::AddRatios(size_t space, std::vector<TensorRatio>* all) {
  std::vector<TrustRatio> by_tensor;
  STEMMA_RETURN_IF_ERROR(passes_[space]->Ratios(&by_tensor));
  for (size_t t = 0; t < by_tensor.size(); ++t) {
    const TensorPart& part = spaces_[space].tensors[t];
    const TrustRatio& of = by_tensor[t];
    if (part.adapt) all->push_back({part.parameter, of.p_norm, of.u_norm, of.ratio});
  }
  return {};
}

Result<std::vector<TensorRatio>> FlatOptimizer::Ratios() {
  std::vector<TensorRatio> all;
  for (size_t i = 0; updated_ && i < spaces_.size(); ++i) {
    STEMMA_RETURN_IF_ERROR(ops::Guard("Optimizer::Ratios", [&] { return AddRatios(i, &all); }));
  }
  return all;
}

Status FlatOptimizer::NonFinite(const std::string& what) {
  const bool skip = scaler_.dynamic() || settings_.on_nonfinite == "skip";
  if (!skip || skips_ >= kMaxSkips) {
    return Refuse("the gradient of " + what + " is not finite (its norm is not)");
  }
  ++skips_;
  scaler_.Overflowed();
  report_.skipped = true;
  return {};
}

Status FlatOptimizer::Refuse(const std::string& text) const {
  if (skips_ < kMaxSkips) {
    return {Code::kNotFinite,
            text +
                "; nothing was changed. Lower optim.lr, clip with optim.max_grad_norm, or leave "
                "such steps out with optim.on_nonfinite = \"skip\""};
  }
  std::string after = ", after " + std::to_string(skips_) + " skipped steps in a row";
  if (scaler_.dynamic()) {
    char scale[32];
    std::snprintf(scale, sizeof scale, "%.3g", scaler_.scale());
    after += std::string(" and with the loss scale down to ") + scale;
  }
  return {Code::kNotFinite, text + after +
                                "; nothing was changed. Fork the last good state with a lower "
                                "optim.lr"};
}

std::vector<NamedState> FlatOptimizer::State() {
  struct Place {
    size_t space;
    const TensorPart* part;
  };
  std::vector<Place> places;
  for (size_t s = 0; s < spaces_.size(); ++s) {
    for (const TensorPart& part : spaces_[s].tensors) places.push_back({s, &part});
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.part->parameter < b.part->parameter; });
  std::vector<NamedState> state;
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    for (const Place& place : places) state.push_back(StateOf(slot, place.space, *place.part));
  }
  return state;
}

NamedState FlatOptimizer::StateOf(size_t slot, size_t space, const TensorPart& part) const {
  const ops::Parameter& parameter = reducer_.parameters()[part.parameter];
  NamedState state;
  state.slot = slots_[slot];
  state.parameter = parameter.name;
  state.whole = parameter.tensor.sizes().vec();
  state.sharded = exchanges_[space] != nullptr;
  state.first = part.first;
  // A part that holds nothing of the tensor may lie past the array's end.
  const at::Tensor& array = arrays_[space][slot];
  state.tensor = part.held == 0 ? array.narrow(0, 0, 0) : array.narrow(0, part.state, part.held);
  if (!state.sharded) state.tensor = state.tensor.view(state.whole);
  return state;
}

std::string FlatOptimizer::EncodeSmall() const {
  Encoder out;
  out.U8(kSmallVersion);
  out.String(settings_.name);
  out.I64(t_);
  out.I64(skips_);
  out.U64(DigestOfOptions(settings_));
  scaler_.Encode(&out);
  plateau_.Encode(&out);
  return out.Take();
}

Status FlatOptimizer::DecodeSmall(std::string_view bytes) {
  Decoder in(bytes);
  const uint8_t version = in.U8();
  if (in.ok() && version != kSmallVersion && version != kWithoutScale) {
    return {Code::kIncompatible, "the optimizer's record has version " + std::to_string(version) +
                                     ", this program reads " + std::to_string(kWithoutScale) +
                                     " and " + std::to_string(kSmallVersion)};
  }
  const std::string name = in.String();
  const int64_t t = in.I64();
  const int64_t skips = in.I64();
  in.U64();  // options may differ: a fork changes them on purpose
  LossScaler scaler(settings_);
  Plateau plateau(settings_);
  const bool whole = version == kWithoutScale || (scaler.Decode(&in) && plateau.Decode(&in));
  if (!whole || !in.ok() || in.remaining() != 0 || t < 0 || skips < 0) {
    return {Code::kCorruption,
            "the optimizer's record of " + std::to_string(bytes.size()) + " bytes is damaged"};
  }
  if (name != settings_.name) {
    return {Code::kIncompatible, "the state was trained with optim.name = \"" + name +
                                     "\", the settings say \"" + settings_.name +
                                     "\": their moments do not mean the same. Set optim.name = \"" +
                                     name + "\", or start a new run"};
  }
  t_ = t;
  skips_ = skips;
  scaler_ = scaler;
  plateau_ = plateau;
  return {};
}

Scalars<double> FlatOptimizer::CommonScalars() const {
  Scalars<double> k;
  k.grad_scale = 1 / (other_divisor_ * report_.loss_scale);
  k.excluded_scale = 1 / (excluded_divisor_ * report_.loss_scale);
  if (settings_.max_grad_value > 0) k.grad_limit = settings_.max_grad_value;
  k.beta1 = settings_.beta1;
  k.rest1 = 1 - settings_.beta1;
  k.beta2 = settings_.beta2;
  k.rest2 = 1 - settings_.beta2;
  k.eps = settings_.eps;
  k.momentum = settings_.momentum;
  k.nesterov = settings_.nesterov;
  return k;
}

}  // namespace stemma::optim
