#include "tests/conformance/values.h"

#include <cstring>
#include <utility>

#include "comm/reduce_kernels.h"
#include "core/cohort.h"

namespace stemma::tests {
namespace {

void Write(DType dtype, double value, char* at) {
  const auto put = [at](auto typed) { std::memcpy(at, &typed, sizeof typed); };
  switch (dtype) {
    case DType::kU8:
      return put(static_cast<uint8_t>(value));
    case DType::kI8:
      return put(static_cast<int8_t>(value));
    case DType::kI16:
      return put(static_cast<int16_t>(value));
    case DType::kI32:
      return put(static_cast<int32_t>(value));
    case DType::kI64:
      return put(static_cast<int64_t>(value));
    case DType::kF16:
      return put(comm::HalfFromFloat(static_cast<float>(value)));
    case DType::kBF16:
      return put(comm::BfloatFromFloat(static_cast<float>(value)));
    case DType::kF32:
      return put(static_cast<float>(value));
    default:
      return put(value);
  }
}

template <typename T>
T Get(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

double Read(DType dtype, const char* at) {
  switch (dtype) {
    case DType::kU8:
      return Get<uint8_t>(at);
    case DType::kI8:
      return Get<int8_t>(at);
    case DType::kI16:
      return Get<int16_t>(at);
    case DType::kI32:
      return Get<int32_t>(at);
    case DType::kI64:
      return static_cast<double>(Get<int64_t>(at));
    case DType::kF16:
      return comm::FloatFromHalf(Get<uint16_t>(at));
    case DType::kBF16:
      return comm::FloatFromBfloat(Get<uint16_t>(at));
    case DType::kF32:
      return Get<float>(at);
    default:
      return Get<double>(at);
  }
}

}  // namespace

Values::Values(DType dtype, int64_t count, const Form& form)
    : dtype_(dtype), count_(count), bytes_(static_cast<size_t>(count) * SizeOf(dtype)) {
  for (int64_t i = 0; i < count; ++i) {
    Write(dtype, form(i), bytes_.data() + static_cast<size_t>(i) * SizeOf(dtype));
  }
}

double Values::at(int64_t i) const {
  return Read(dtype_, bytes_.data() + static_cast<size_t>(i) * SizeOf(dtype_));
}

Status Values::Expect(const Form& form, const std::string& what) const {
  for (int64_t i = 0; i < count_; ++i) {
    if (at(i) == form(i)) continue;
    return Broken(what + ": element " + std::to_string(i) + " of " + std::string(NameOf(dtype_)) +
                  "[" + std::to_string(count_) + "] is " + std::to_string(at(i)) + ", not " +
                  std::to_string(form(i)));
  }
  return {};
}

Status Broken(const std::string& what) { return {Code::kInternal, "promise broken: " + what}; }

Status Finish(Result<comm::Work> work) { return work.ok() ? work->Wait() : work.status(); }

Status ExpectError(const Status& found, Code code, const std::string& text) {
  if (found.code() == code && found.message().find(text) != std::string::npos) return {};
  return Broken(std::string("expected ") + CodeName(code) + " with '" + text + "', found " +
                CodeName(found.code()) + " '" + found.message() + "'");
}

std::string LastDiffers(int ranks, const std::string& first, const std::string& last) {
  std::vector<std::string> by_rank(static_cast<size_t>(ranks), first);
  by_rank.back() = last;
  return GroupByValue(by_rank);
}

std::vector<float> Gradients(int rank, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    const auto mixed = static_cast<uint32_t>((i + 1) * 2654435761u + rank * 40503u);
    const float magnitude = (mixed & 8u) != 0 ? 1e-3f : 1e4f;
    values.push_back(magnitude * (static_cast<float>(mixed >> 8) / 16777216.0f - 0.5f));
  }
  return values;
}

std::vector<float> AverageInRankOrder(int ranks, int64_t count) {
  std::vector<float> sum = Gradients(0, count);
  for (int r = 1; r < ranks; ++r) {
    const std::vector<float> more = Gradients(r, count);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] + more[i];
  }
  for (float& value : sum) value = value * static_cast<float>(1.0 / ranks);
  return sum;
}

}  // namespace stemma::tests
