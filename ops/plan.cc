#include "ops/plan.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "core/digest.h"

namespace stemma::ops {
namespace {

constexpr int64_t kTensorAlign = 64;    // bytes: one cache line
constexpr int64_t kBucketAlign = 4096;  // bytes: one page

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

Status Invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

Status CheckSettings(const OpsSettings& s) {
  const struct {
    const char* name;
    double value;
  } caps[] = {{"bucket_mb", s.bucket_mb}, {"first_mb", s.first_mb}, {"last_mb", s.last_mb}};
  for (const auto& cap : caps) {
    if (cap.value > 0) continue;  // also refuses NaN
    return Invalid("ops." + std::string(cap.name) + " is " + std::to_string(cap.value) +
                   ": a bucket's size in MiB must be greater than 0");
  }
  const struct {
    const char* name;
    const std::string& value;
    std::vector<std::string> known;
  } words[] = {{"unused", s.unused, {"zero", "keep_none", "error"}},
               {"compress", s.compress, {"none", "bf16", "fp16"}},
               {"divisor", s.divisor, {"samples", "counted", "world", "active"}},
               {"lost_alias", s.lost_alias, {"error", "copy"}},
               {"zero_gradients", s.zero_gradients, {"arrival", "begin"}},
               {"check_finite", s.check_finite, {"off", "loss", "bucket"}},
               {"shard", s.shard, {"none", "optimizer"}}};
  for (const auto& word : words) {
    if (std::count(word.known.begin(), word.known.end(), word.value) > 0) continue;
    std::string expected;
    for (const std::string& k : word.known) {
      const bool last = &k == &word.known.back();
      expected += (expected.empty() ? "" : last ? " or " : ", ") + k;
    }
    return Invalid("ops." + std::string(word.name) + " is '" + word.value + "': expected " +
                   expected);
  }
  if (s.shard == "optimizer" && s.compress != "none") {
    return Invalid(
        "ops.shard = optimizer reduces buckets by a reduce-scatter, which ops.compress = " +
        s.compress + " is not made for: set one of the two to none");
  }
  return {};
}

Status CheckParameters(const std::vector<ParameterInfo>& parameters) {
  std::set<std::string> names;
  bool any_trainable = false;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const ParameterInfo& p = parameters[i];
    if (p.name.empty()) return Invalid("parameter " + std::to_string(i) + " has no name");
    if (!names.insert(p.name).second) {
      return Invalid("two parameters are called \"" + p.name + "\": give each a name of its own");
    }
    if (!p.trainable) continue;
    any_trainable = true;
    if (p.count() <= 0) {
      return Invalid("\"" + p.name + "\" " + p.Describe() +
                     " has no elements: leave it out or freeze it");
    }
    if (!IsFloat(p.dtype)) {
      return Invalid("\"" + p.name + "\" is " + std::string(NameOf(p.dtype)) +
                     ": only f64, f32, bf16 and f16 have gradients; make it a buffer");
    }
  }
  if (any_trainable) return {};
  return Invalid("none of " + std::to_string(parameters.size()) +
                 " parameters is trainable: nothing to reduce");
}

// A run of parameters (indices) that will be one bucket.
using Members = std::vector<size_t>;

// Cuts one dtype's tensors, in launch order, into buckets.
class Cutter {
 public:
  Cutter(const std::vector<ParameterInfo>& parameters, Members order)
      : parameters_(parameters), order_(std::move(order)) {}

  std::vector<Members> Cut(const OpsSettings& settings) const {
    const size_t first_end = Forward(0, order_.size(), settings.first_mb);
    const size_t last_begin = Backward(first_end, settings.last_mb);
    std::vector<Members> buckets = {Part(0, first_end)};
    for (size_t begin = first_end; begin < last_begin;) {
      const size_t end = Forward(begin, last_begin, settings.bucket_mb);
      buckets.push_back(Part(begin, end));
      begin = end;
    }
    if (last_begin < order_.size()) buckets.push_back(Part(last_begin, order_.size()));
    return buckets;
  }

 private:
  double Mib(size_t i) const {
    const ParameterInfo& p = parameters_[order_[i]];
    return static_cast<double>(p.count()) * static_cast<double>(SizeOf(p.dtype)) / (1 << 20);
  }
  // The end of the bucket that starts at `begin`: at least one tensor, then as many as fit.
  size_t Forward(size_t begin, size_t end, double cap) const {
    double sum = 0;
    size_t i = begin;
    while (i < end && (i == begin || sum + Mib(i) <= cap)) sum += Mib(i++);
    return i;
  }
  // The begin of the bucket that ends with the last tensor.
  size_t Backward(size_t begin, double cap) const {
    double sum = 0;
    size_t i = order_.size();
    while (i > begin && (i == order_.size() || sum + Mib(i - 1) <= cap)) sum += Mib(--i);
    return i;
  }
  Members Part(size_t begin, size_t end) const {
    return {order_.begin() + static_cast<std::ptrdiff_t>(begin),
            order_.begin() + static_cast<std::ptrdiff_t>(end)};
  }

  const std::vector<ParameterInfo>& parameters_;
  const Members order_;
};

// Where a tensor of `count` elements goes when `used` elements of the segment are taken.
int64_t Place(int64_t used, int64_t count, int64_t element_bytes) {
  const int64_t offset = RoundUp(used, kTensorAlign / element_bytes);
  const bool straddles = offset / kChunk != (offset + count - 1) / kChunk;
  return count >= kChunk || straddles ? RoundUp(offset, kChunk) : offset;
}

void AddBucket(const std::vector<ParameterInfo>& parameters, const Members& members, Plan* plan) {
  const DType dtype = parameters[members.front()].dtype;
  size_t segment = 0;
  while (plan->segments[segment].dtype != dtype) ++segment;
  const auto size = static_cast<int64_t>(SizeOf(dtype));
  const bool sharded = plan->shards > 1;
  const int64_t align = sharded ? kChunk : kBucketAlign / size;  // kChunk elements are whole pages
  int64_t used = RoundUp(plan->segments[segment].count, align);

  BucketInfo bucket;
  bucket.dtype = dtype;
  bucket.segment = segment;
  for (size_t parameter : members) {
    Slot slot;
    slot.parameter = parameter;
    slot.bucket = plan->buckets.size();
    slot.count = parameters[parameter].count();
    slot.offset = Place(used, slot.count, size);
    used = slot.offset + slot.count;
    if (bucket.slots.empty()) bucket.offset = slot.offset;
    bucket.slots.push_back(plan->slots.size());
    plan->slots.push_back(slot);
  }
  bucket.count =
      RoundUp(used - bucket.offset, sharded ? kChunk * plan->shards : kTensorAlign / size);
  used = bucket.offset + bucket.count;
  plan->segments[segment].count = RoundUp(used, kBucketAlign / size);
  plan->buckets.push_back(std::move(bucket));
}

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string Text(const std::vector<ParameterInfo>& parameters, const OpsSettings& settings,
                 const Plan& plan) {
  std::string text = "plan 1 chunk " + std::to_string(kChunk) + " bucket_mb " +
                     Number(settings.bucket_mb) + " first_mb " + Number(settings.first_mb) +
                     " last_mb " + Number(settings.last_mb) + " unused " + settings.unused +
                     " compress " + settings.compress + " divisor " + settings.divisor +
                     " lost_alias " + settings.lost_alias;
  if (plan.shards > 1) text += " shards " + std::to_string(plan.shards);
  text += "\n";
  for (const SegmentInfo& s : plan.segments) {
    text += "segment " + std::string(NameOf(s.dtype)) + " count " + std::to_string(s.count) + "\n";
  }
  for (size_t b = 0; b < plan.buckets.size(); ++b) {
    const BucketInfo& bucket = plan.buckets[b];
    text += "bucket " + std::to_string(b) + " " + std::string(NameOf(bucket.dtype)) + " offset " +
            std::to_string(bucket.offset) + " count " + std::to_string(bucket.count) + "\n";
    for (size_t s : bucket.slots) {
      const Slot& slot = plan.slots[s];
      const ParameterInfo& p = parameters[slot.parameter];
      text += "  " + std::to_string(slot.offset) + " #" + std::to_string(slot.parameter) + " \"" +
              p.name + "\" " + p.Describe() + "\n";
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].trainable) continue;
    text += "frozen #" + std::to_string(i) + " \"" + parameters[i].name + "\" " +
            parameters[i].Describe() + "\n";
  }
  return text;
}

}  // namespace

int64_t ParameterInfo::count() const {
  int64_t product = 1;
  for (int64_t n : shape) product *= n;
  return product;
}

std::string ParameterInfo::Describe() const {
  std::string text(NameOf(dtype));
  text += '[';
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + (trainable ? "]" : "] frozen");
}

Result<Plan> MakePlan(const std::vector<ParameterInfo>& parameters, const OpsSettings& settings,
                      int ranks) {
  STEMMA_RETURN_IF_ERROR(CheckSettings(settings));
  STEMMA_RETURN_IF_ERROR(CheckParameters(parameters));
  Plan plan;
  plan.shards = settings.shard == "optimizer" ? ranks : 1;
  std::vector<Members> by_segment;
  for (size_t i = parameters.size(); i-- > 0;) {
    if (!parameters[i].trainable) continue;
    size_t s = 0;
    while (s < plan.segments.size() && plan.segments[s].dtype != parameters[i].dtype) ++s;
    if (s == plan.segments.size()) {
      plan.segments.push_back({parameters[i].dtype, 0});
      by_segment.emplace_back();
    }
    by_segment[s].push_back(i);
  }
  std::vector<Members> buckets;
  for (Members& order : by_segment) {
    for (Members& b : Cutter(parameters, std::move(order)).Cut(settings)) {
      buckets.push_back(std::move(b));
    }
  }
  // A bucket is full when its last tensor, the smallest index, has come.
  std::sort(buckets.begin(), buckets.end(),
            [](const Members& a, const Members& b) { return a.back() > b.back(); });
  for (const Members& members : buckets) AddBucket(parameters, members, &plan);
  plan.settings = settings;
  plan.text = Text(parameters, settings, plan);
  plan.digest = Sha256(plan.text);
  return plan;
}

}  // namespace stemma::ops
