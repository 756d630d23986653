// Rows about all-gather and broadcast.
#include <string>
#include <vector>

#include "tests/conformance/row.h"
#include "tests/conformance/values.h"
#include "tests/support/communicator_contract.h"

namespace stemma::tests {
namespace {

const DType kMoved[] = {DType::kU8,  DType::kI8,   DType::kI16, DType::kI32, DType::kI64,
                        DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

// Gathers counts[r] elements of rank r; element k of rank r is k % 7 + 10 r.
Status GatherCase(Rig& rig, DType dtype, const std::vector<int64_t>& counts, bool in_place) {
  const auto element = [](int rank, int64_t k) { return double(k % 7 + 10 * rank); };
  std::vector<int> owner;
  std::vector<int64_t> index;
  for (size_t r = 0; r < counts.size(); ++r) {
    for (int64_t k = 0; k < counts[r]; ++k) {
      owner.push_back(int(r));
      index.push_back(k);
    }
  }
  const auto total = static_cast<int64_t>(owner.size());
  const auto at = [&](int64_t i) { return static_cast<size_t>(i); };
  const auto expected = [&](int64_t i) { return element(owner[at(i)], index[at(i)]); };
  const auto before = [&](int64_t i) { return owner[at(i)] == rig.rank() ? expected(i) : 99.0; };
  Values all(
      dtype, total, in_place ? Form(before) : [](int64_t) { return 99.0; });
  const int64_t count = counts[static_cast<size_t>(rig.rank())];
  const Values own(dtype, count, [&](int64_t k) { return element(rig.rank(), k); });
  comm::ConstSpan mine = own.in();
  if (in_place) {
    size_t bytes = 0;
    for (int r = 0; r < rig.rank(); ++r) {
      bytes += static_cast<size_t>(counts[static_cast<size_t>(r)]) * SizeOf(dtype);
    }
    mine.data = static_cast<char*>(all.span().data) + bytes;
  }
  STEMMA_RETURN_IF_ERROR(Finish(rig.data().AllGather(mine, all.span(), counts, {})));
  return all.Expect(expected, "gathered");
}

CONFORMANCE_ROW(conformance_36_gather_of_equal_parts) {
  for (DType dtype : kMoved) {
    for (int64_t count : {1, 3, 64, 1000, 20001}) {
      const std::vector<int64_t> counts(static_cast<size_t>(rig.ranks()), count);
      STEMMA_RETURN_IF_ERROR(GatherCase(rig, dtype, counts, false));
      STEMMA_RETURN_IF_ERROR(GatherCase(rig, dtype, counts, true));
    }
  }
  return {};
}

CONFORMANCE_ROW(conformance_37_gather_of_unequal_and_empty_parts) {
  STEMMA_RETURN_IF_ERROR(GathersUnequalCounts(rig.data()));
  const auto n = static_cast<size_t>(rig.ranks());
  for (DType dtype : kMoved) {
    for (size_t empty = 0; empty <= n; ++empty) {  // n: nobody is empty
      for (int64_t unit : {1, 5, 3001}) {
        std::vector<int64_t> counts;
        for (size_t r = 0; r < n; ++r) counts.push_back(r == empty ? 0 : unit * int64_t(r + 1));
        STEMMA_RETURN_IF_ERROR(GatherCase(rig, dtype, counts, false));
        STEMMA_RETURN_IF_ERROR(GatherCase(rig, dtype, counts, true));
      }
    }
  }
  for (size_t only = 0; only < n; ++only) {
    std::vector<int64_t> counts(n, 0);
    counts[only] = 7;
    STEMMA_RETURN_IF_ERROR(GatherCase(rig, DType::kI64, counts, false));
  }
  return {};
}

CONFORMANCE_ROW(conformance_39_broadcast_from_every_root) {
  STEMMA_RETURN_IF_ERROR(BroadcastsFromEveryRoot(rig.data()));
  for (int root = 0; root < rig.ranks(); ++root) {
    for (DType dtype : kMoved) {
      for (int64_t count : {1, 2, 63, 1000, 40001}) {
        const auto form = [&](int rank) {
          return [rank](int64_t i) { return double(i % 9 + 20 * rank); };
        };
        Values values(dtype, count, form(rig.rank()));
        STEMMA_RETURN_IF_ERROR(Finish(rig.data().Broadcast(values.span(), root, {})));
        STEMMA_RETURN_IF_ERROR(values.Expect(form(root), "the root's"));
      }
    }
  }
  return {};
}

}  // namespace
}  // namespace stemma::tests
