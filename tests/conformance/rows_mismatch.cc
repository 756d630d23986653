// Gathers and broadcasts that one rank alone can see to be wrong: refused before anything is sent.
#include <string>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"

namespace stemma::tests {
namespace {

CONFORMANCE_ROW(conformance_38_gathers_that_do_not_fit) {
  const int n = rig.ranks(), r = rig.rank();
  std::vector<float> own(8), whole(64);
  std::vector<int64_t> counts(static_cast<size_t>(n), 2), fewer(static_cast<size_t>(n) - 1, 2);
  const auto refused = [&](int64_t mine, DType dtype, int64_t all,
                           const std::vector<int64_t>& sizes, const std::string& text) {
    const Status found =
        rig.data()
            .AllGather({own.data(), mine, dtype}, {whole.data(), all, DType::kF32}, sizes, {})
            .status();
    return FailsWith(found, Code::kInvalidArgument, text);
  };
  const DType f32 = DType::kF32;
  STEMMA_RETURN_IF_ERROR(refused(2, DType::kI32, 2 * n, counts, "different dtypes"));
  STEMMA_RETURN_IF_ERROR(refused(3, f32, 2 * n, counts,
                                 "mine has 3 elements, counts[" + std::to_string(r) + "] says 2"));
  STEMMA_RETURN_IF_ERROR(
      refused(2, f32, 2 * n + 1, counts, "the counts add up to " + std::to_string(2 * n)));
  STEMMA_RETURN_IF_ERROR(
      refused(2, f32, 2 * n, fewer, std::to_string(n - 1) + " counts for " + std::to_string(n)));
  counts[0] = -1;
  STEMMA_RETURN_IF_ERROR(refused(2, f32, 2 * n, counts, "below zero"));
  return Finish(rig.data().Barrier({}));  // nothing was sent
}

CONFORMANCE_ROW(conformance_40_a_root_out_of_range) {
  const int n = rig.ranks();
  std::vector<float> values(4, 1);
  for (int root : {-1, n, n + 7}) {
    const Status found = rig.data().Broadcast({values.data(), 4, DType::kF32}, root, {}).status();
    const std::string text = "root " + std::to_string(root) + " of " + std::to_string(n) + " ranks";
    STEMMA_RETURN_IF_ERROR(FailsWith(found, Code::kInvalidArgument, text));
  }
  return Finish(rig.data().Barrier({}));
}

}  // namespace
}  // namespace stemma::tests
