#include "tools/bench/collective.h"

#include <algorithm>

#include "core/text.h"

namespace stemma::bench {
namespace {

constexpr int64_t kChecked = 4096;  // elements looked at in a result

// What rank `rank` holds at element `i` before call `k`: 1 .. 8, times the rank's number.
float Value(int64_t i, int rank, int64_t k) {
  return static_cast<float>(((i + k) % 8 + 1) * (rank + 1));
}

class Base : public Collective {
 public:
  Base(comm::Communicator& c, std::string name) : c_(c), name_(std::move(name)) {}

  Status Allocate(int64_t in_bytes, int64_t out_bytes) {
    STEMMA_ASSIGN_OR_RETURN(in_, c_.Allocate(in_bytes, "benchmark"));
    STEMMA_ASSIGN_OR_RETURN(out_, c_.Allocate(out_bytes, "benchmark"));
    in_count_ = in_bytes / 4;
    out_count_ = out_bytes / 4;
    return {};
  }
  void Rewrite(int64_t k) override {
    float* in = In();
    for (int64_t i = 0; i < in_count_; ++i) in[i] = Value(i, c_.rank(), k);
    std::fill(Out(), Out() + out_count_, -1.0f);
  }
  Status Check(int64_t k) const override {
    const int64_t count = out_count_ > 0 ? out_count_ : in_count_;
    const auto* result = static_cast<const float*>(out_count_ > 0 ? out_->data() : in_->data());
    const int64_t step = std::max<int64_t>(1, count / kChecked);
    for (int64_t i = 0; i < count; i += step) {
      const float wanted = Expected(i, k);
      if (result[i] == wanted) continue;
      return {Code::kInternal, name_ + " of " + std::to_string(4 * count) + " bytes: element " +
                                   std::to_string(i) + " on rank " + std::to_string(c_.rank()) +
                                   " is " + std::to_string(result[i]) + ", not " +
                                   std::to_string(wanted)};
    }
    return {};
  }

 protected:
  virtual float Expected(int64_t i, int64_t k) const = 0;
  float* In() const { return static_cast<float*>(in_->data()); }
  float* Out() const { return static_cast<float*>(out_->data()); }
  comm::ConstSpan InSpan() const { return {in_->data(), in_count_, DType::kF32}; }
  comm::Span OutSpan() const { return {out_->data(), out_count_, DType::kF32}; }
  static Status Finish(Result<comm::Work> work) { return work.ok() ? work->Wait() : work.status(); }
  int n() const { return c_.ranks(); }
  std::vector<int64_t> Equal(int64_t each) const {
    return std::vector<int64_t>(static_cast<size_t>(n()), each);
  }
  // Of all ranks' values at an element.
  float Sum(int64_t i, int64_t k) const { return Value(i, 0, k) * n() * (n() + 1) / 2; }
  double Share() const { return (n() - 1.0) / n(); }

  comm::Communicator& c_;
  const std::string name_;
  int64_t in_count_ = 0, out_count_ = 0;

 private:
  std::unique_ptr<comm::Segment> in_, out_;
};

class AllReduce final : public Base {
 public:
  using Base::Base;
  Status Run() override { return Finish(c_.AllReduce({In(), in_count_, DType::kF32}, {})); }
  double BusFactor() const override { return 2 * Share(); }

 protected:
  float Expected(int64_t i, int64_t k) const override { return Sum(i, k); }
};

class ReduceScatter final : public Base {
 public:
  using Base::Base;
  Status Run() override {
    return Finish(c_.ReduceScatter(InSpan(), OutSpan(), Equal(out_count_), {}));
  }
  double BusFactor() const override { return Share(); }

 protected:
  float Expected(int64_t i, int64_t k) const override { return Sum(c_.rank() * out_count_ + i, k); }
};

class AllGather final : public Base {
 public:
  using Base::Base;
  Status Run() override { return Finish(c_.AllGather(InSpan(), OutSpan(), Equal(in_count_), {})); }
  double BusFactor() const override { return Share(); }

 protected:
  float Expected(int64_t i, int64_t k) const override {
    return Value(i % in_count_, static_cast<int>(i / in_count_), k);
  }
};

class AllToAll final : public Base {
 public:
  using Base::Base;
  Status Run() override {
    const std::vector<int64_t> each = Equal(in_count_ / n());
    return Finish(c_.AllToAll(InSpan(), each, OutSpan(), each, {}));
  }
  double BusFactor() const override { return Share(); }

 protected:
  float Expected(int64_t i, int64_t k) const override {
    const int64_t each = in_count_ / n();
    return Value(c_.rank() * each + i % each, static_cast<int>(i / each), k);
  }
};

class Broadcast final : public Base {
 public:
  using Base::Base;
  Status Run() override { return Finish(c_.Broadcast({In(), in_count_, DType::kF32}, 0, {})); }
  double BusFactor() const override { return 1; }

 protected:
  float Expected(int64_t i, int64_t k) const override { return Value(i, 0, k); }
};

class Barrier final : public Base {
 public:
  using Base::Base;
  Status Run() override { return Finish(c_.Barrier({})); }
  double BusFactor() const override { return 0; }

 protected:
  float Expected(int64_t i, int64_t k) const override { return Value(i, c_.rank(), k); }
};

enum class Part { kNone, kWhole, kOwn };  // which buffer an operation has

struct Entry {
  const char* name;
  Part in, out;
  std::unique_ptr<Base> (*make)(comm::Communicator& c, const std::string& name);
};

template <typename T>
std::unique_ptr<Base> Make(comm::Communicator& c, const std::string& name) {
  return std::make_unique<T>(c, name);
}

constexpr Entry kEntries[] = {
    {"all_reduce", Part::kWhole, Part::kNone, Make<AllReduce>},
    {"reduce_scatter", Part::kWhole, Part::kOwn, Make<ReduceScatter>},
    {"all_gather", Part::kOwn, Part::kWhole, Make<AllGather>},
    {"all_to_all", Part::kWhole, Part::kWhole, Make<AllToAll>},
    {"broadcast", Part::kWhole, Part::kNone, Make<Broadcast>},
    {"barrier", Part::kNone, Part::kNone, Make<Barrier>},
};

}  // namespace

std::vector<std::string> CollectiveNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

Result<std::unique_ptr<Collective>> MakeCollective(const std::string& name,
                                                   comm::Communicator& communicator,
                                                   int64_t bytes) {
  // Parts are equal: what a size lacks to a multiple of 4 bytes per rank is added.
  const int64_t own = (bytes / 4 + communicator.ranks() - 1) / communicator.ranks() * 4;
  for (const Entry& entry : kEntries) {
    if (name != entry.name) continue;
    const bool parts = entry.in == Part::kOwn || entry.out != Part::kNone;
    const auto bytes_of = [&](Part part) -> int64_t {
      if (part == Part::kNone) return 0;
      if (part == Part::kOwn) return own;
      return parts ? own * communicator.ranks() : bytes;
    };
    std::unique_ptr<Base> made = entry.make(communicator, name);
    STEMMA_RETURN_IF_ERROR(made->Allocate(bytes_of(entry.in), bytes_of(entry.out)));
    return std::unique_ptr<Collective>(std::move(made));
  }
  const std::string near = Nearest(name, CollectiveNames());
  return Status(Code::kInvalidArgument, "--ops: no collective call is named \"" + name + "\"" +
                                            (near.empty() ? "" : "; did you mean " + near + "?"));
}

}  // namespace stemma::bench
