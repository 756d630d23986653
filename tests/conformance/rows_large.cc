// More than 2^31 elements, 2.2 GB for each of two ranks: a test of its own, because of its size.
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"

namespace stemma::tests {
namespace {

constexpr int64_t kCount = (int64_t{1} << 31) + 12'345;

uint8_t Element(int64_t i, int rank) {
  return static_cast<uint8_t>(i * 7 + (i >> 31) * 3 + rank);  // other beyond 2^31 than before
}

Status ExpectAll(const uint8_t* found, int factor, int add, const std::string& what) {
  for (int64_t i = 0; i < kCount; ++i) {
    const auto expected = static_cast<uint8_t>(Element(i, 0) * factor + add);
    if (found[i] != expected) return Broken(what + ": element " + std::to_string(i));
  }
  return {};
}

CONFORMANCE_ROW_FROM(2, conformance_29_more_than_two_to_the_31_elements) {
  const int n = rig.ranks(), r = rig.rank();
  const std::unique_ptr<uint8_t, decltype(&std::free)> memory(
      static_cast<uint8_t*>(std::malloc(kCount)), &std::free);
  STEMMA_RETURN_IF_ERROR(Promised(memory != nullptr, "2.2 GB of memory for each rank"));
  const comm::Span all{memory.get(), kCount, DType::kU8};
  for (int64_t i = 0; i < kCount; ++i) memory.get()[i] = Element(i, r);
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllReduce(all, {})));
  STEMMA_RETURN_IF_ERROR(ExpectAll(memory.get(), n, n * (n - 1) / 2, "all_reduce"));

  // Parts of unequal size, in place; the last rank's is beyond 2^30.
  std::vector<int64_t> counts(static_cast<size_t>(n), 1000);
  counts.back() = kCount - 1000 * (n - 1);
  const int64_t first = 1000 * r;
  uint8_t* const own = memory.get() + first;
  for (int64_t i = 0; i < kCount; ++i) memory.get()[i] = 0;
  for (int64_t i = 0; i < counts[static_cast<size_t>(r)]; ++i) own[i] = Element(first + i, 0);
  const comm::ConstSpan mine{own, counts[static_cast<size_t>(r)], DType::kU8};
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllGather(mine, all, counts, {})));
  STEMMA_RETURN_IF_ERROR(ExpectAll(memory.get(), 1, 0, "all_gather"));

  const int root = n - 1;
  if (r != root) memory.get()[kCount - 1] = memory.get()[0] = 99;
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().Broadcast(all, root, {})));
  return ExpectAll(memory.get(), 1, 0, "broadcast");
}

}  // namespace
}  // namespace stemma::tests
