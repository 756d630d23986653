#include "models/train/binding.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "core/bytes.h"
#include "core/check.h"
#include "ops/guard.h"
#include "ops/tensor_bytes.h"

namespace stemma::models {
namespace {

constexpr char kAverageSlot[] = "optim/ema";  // begins as the parameter itself; others with zeros

lineage::Span Named(const std::string& name, const std::string& section, bool eager) {
  lineage::Span span;
  span.name = name;
  span.section = section;
  span.eager = eager;
  return span;
}

}  // namespace

std::string EncodeSmall(const SmallState& small) {
  Encoder out;
  out.U16(1);  // version
  out.I64(small.step);
  out.U64(small.cursor.seed);
  out.U64(small.cursor.epoch);
  out.U64(small.cursor.sample);
  out.String(small.optimizer);
  if (small.patience) {  // absent: the zeros up to kSmallBytes say so
    out.U8(1);
    out.F64(small.patience->best);
    out.I64(small.patience->waited);
  }
  std::string bytes = out.Take();
  STEMMA_CHECK(bytes.size() <= kSmallBytes, std::to_string(bytes.size()) + " bytes of small state");
  bytes.resize(kSmallBytes, '\0');
  return bytes;
}

Result<SmallState> DecodeSmall(std::string_view bytes) {
  Decoder in(bytes);
  const uint16_t version = in.U16();
  SmallState small;
  small.step = in.I64();
  small.cursor.seed = in.U64();
  small.cursor.epoch = in.U64();
  small.cursor.sample = in.U64();
  small.optimizer = in.String();
  if (in.ok() && in.remaining() > 0 && in.U8() == 1) {
    small.patience.emplace();
    small.patience->best = in.F64();
    small.patience->waited = in.I64();
  }
  if (!in.ok() || version != 1 || small.step < 0) {
    return Status(Code::kCorruption, "the small record of the state cannot be read (version " +
                                         std::to_string(version) + ")");
  }
  return small;
}

Status CheckBinding(const std::vector<ops::Parameter>& parameters,
                    const std::vector<ops::Buffer>& buffers) {
  const auto check = [](const std::string& name, const at::Tensor& tensor) -> Status {
    STEMMA_RETURN_IF_ERROR(Status(ops::DTypeOf(tensor).status()).Within(name));
    if (tensor.is_contiguous()) return {};
    return {Code::kInvalidArgument,
            name +
                " is not contiguous, so its bytes have no order that a state could keep: give "
                "the trainer tensor.contiguous(), and change the layout of activations instead"};
  };
  for (const auto& p : parameters) STEMMA_RETURN_IF_ERROR(check(p.name, p.tensor));
  for (const auto& b : buffers) STEMMA_RETURN_IF_ERROR(check(b.name, b.tensor));
  return {};
}

Binding::Binding(const std::vector<ops::Parameter>& parameters,
                 const std::vector<ops::Buffer>& buffers,
                 const std::vector<optim::NamedState>& slots) {
  for (const auto& p : parameters) {
    Add(Named(p.name, "params", false), p.tensor);
    if (!p.tensor.requires_grad()) spans_.back().role = lineage::Role::kFrozen;
  }
  AddSlots(parameters, slots);
  for (const auto& b : buffers) Add(Named(b.name, "buffers", true), b.tensor);
  lineage::Span small = Named("train", "small", true);
  small.dtype = DType::kU8;
  small.shape = {static_cast<int64_t>(kSmallBytes)};
  spans_.push_back(small);
  small_.assign(kSmallBytes, '\0');
  memory_.push_back(small_.data());
  begins_.push_back(0);
}

std::vector<lineage::Span> Binding::Thawed() {
  bool changed = false;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (spans_[i].role != lineage::Role::kFrozen || !tensors_[i].requires_grad()) continue;
    spans_[i].role = lineage::Role::kReplicated;
    changed = true;
  }
  return changed ? spans_ : std::vector<lineage::Span>();
}

// By kind, then by parameter. The optimizer keeps nothing for a frozen one: a state has what it
// would keep before the first update, so that it has the same tensors whatever was frozen.
void Binding::AddSlots(const std::vector<ops::Parameter>& parameters,
                       const std::vector<optim::NamedState>& slots) {
  std::vector<std::string> kinds;
  std::map<std::string, const optim::NamedState*> kept;
  for (const auto& s : slots) {
    if (std::find(kinds.begin(), kinds.end(), s.slot) == kinds.end()) kinds.push_back(s.slot);
    kept[s.slot + "/" + s.parameter] = &s;
  }
  for (const std::string& kind : kinds) {
    for (const auto& p : parameters) {
      const auto found = kept.find(kind + "/" + p.name);
      if (found != kept.end()) {
        AddSlot(*found->second);
      } else if (!p.tensor.requires_grad()) {
        const at::Tensor values = p.tensor.detach();
        Add(Named(kind + "/" + p.name, kind, false),
            kind == kAverageSlot ? values.clone() : at::zeros_like(values));
        spans_.back().late = true;
        spans_.back().role = lineage::Role::kFrozen;
      }
    }
  }
}

void Binding::AddSlot(const optim::NamedState& slot) {
  Add(Named(slot.slot + "/" + slot.parameter, slot.slot, false), slot.tensor);
  lineage::Span& span = spans_.back();
  span.late = true;
  if (!slot.sharded) return;
  span.role = lineage::Role::kSharded;
  span.shape = slot.whole;
  if (slot.tensor.numel() > 0) span.held = {{slot.first, slot.tensor.numel()}};
  begins_.back() = static_cast<uint64_t>(slot.first) * slot.tensor.element_size();
}

void Binding::Add(lineage::Span span, const at::Tensor& tensor) {
  STEMMA_CHECK(tensor.is_contiguous(), span.name + " is not contiguous: its bytes have no C order");
  const Result<DType> dtype = ops::DTypeOf(tensor);
  STEMMA_CHECK(dtype.ok(), span.name + ": " + dtype.status().message());
  span.dtype = *dtype;
  span.shape = tensor.sizes().vec();
  spans_.push_back(std::move(span));
  tensors_.push_back(tensor);
  memory_.push_back(tensor.is_cpu() ? static_cast<char*>(tensor.data_ptr()) : nullptr);
  begins_.push_back(0);
}

at::Tensor Binding::BytesOf(size_t span, uint64_t offset, uint64_t bytes) const {
  return tensors_.at(span).detach().view(-1).view(at::kByte).narrow(
      0, static_cast<int64_t>(offset - begins_.at(span)), static_cast<int64_t>(bytes));
}

double Binding::PatienceSeconds() const {
  uint64_t bytes = 0;
  for (const lineage::Span& span : spans_) bytes += span.bytes();
  return 600 + static_cast<double>(bytes) / 1e7;
}

void Binding::SetSmall(const SmallState& small) {
  const std::string bytes = EncodeSmall(small);
  std::memcpy(small_.data(), bytes.data(), kSmallBytes);
}

Result<SmallState> Binding::TakeSmall() const { return DecodeSmall(small_); }

Status Binding::Read(size_t span, uint64_t offset, uint64_t bytes, char* out) {
  if (memory_.at(span) != nullptr) {
    std::memcpy(out, memory_[span] + offset - begins_[span], bytes);
    return {};
  }
  return ops::Guard("copy of a state from the device", [&]() -> Status {
    at::from_blob(out, {static_cast<int64_t>(bytes)}, at::kByte)
        .copy_(BytesOf(span, offset, bytes));
    return {};
  });
}

char* Binding::Room(size_t span, uint64_t offset, uint64_t) {
  return memory_.at(span) == nullptr ? nullptr : memory_[span] + offset - begins_[span];
}

Status Binding::Write(size_t span, uint64_t offset, std::string_view bytes) {
  if (memory_.at(span) != nullptr) {
    std::memcpy(memory_[span] + offset - begins_[span], bytes.data(), bytes.size());
    return {};
  }
  return ops::Guard("copy of a state to the device", [&]() -> Status {
    BytesOf(span, offset, bytes.size())
        .copy_(at::from_blob(const_cast<char*>(bytes.data()), {static_cast<int64_t>(bytes.size())},
                             at::kByte));
    return {};
  });
}

Status Binding::WriteLow(size_t span, uint64_t first, std::string_view low) {
  const uint64_t offset = first * sizeof(float);
  std::string values(2 * low.size(), '\0');
  STEMMA_RETURN_IF_ERROR(Read(span, offset, values.size(), values.data()));
  for (size_t i = 0; i < low.size() / 2; ++i) {
    std::memcpy(values.data() + 4 * i, low.data() + 2 * i, 2);
  }
  return Write(span, offset, values);
}

}  // namespace stemma::models
