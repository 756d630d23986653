#include "tests/ranks/tensor_rows.h"

#include <string>
#include <utility>
#include <vector>

#include "ops/tensor_collectives.h"

#include "tests/ranks/reducer_fixture.h"

namespace stemma::tests {
namespace {

using comm::Communicator;
using comm::Op;

// Rows r * 100 + 0, r * 100 + 1, ... of `columns` equal elements.
at::Tensor RowsOf(int rank, int64_t rows, int64_t columns, at::ScalarType type = at::kFloat) {
  const at::Tensor first = at::arange(rows, at::kLong) + rank * 100;
  return first.reshape({rows, 1}).expand({rows, columns}).to(type).contiguous();
}

// Which scalar types every row that moves elements is run with.
const at::ScalarType kTypes[] = {at::kByte,     at::kInt,   at::kLong,  at::kHalf,
                                 at::kBFloat16, at::kFloat, at::kDouble};

}  // namespace

Status Row25OtherDevice(Communicator& c) {
  const at::Tensor elsewhere = at::empty({3}, at::TensorOptions(at::kMeta));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::AllReduce(c, elsewhere), Code::kInvalidArgument,
                                     "the tensor is on meta, the communicator ("));
  return ExpectError(ops::AllGather(c, elsewhere).status(), Code::kInvalidArgument, "on meta");
}

Status Row28NoElements(Communicator& c) {
  const at::Tensor none = at::empty({0, 4});
  STEMMA_RETURN_IF_ERROR(ops::AllReduce(c, none));
  STEMMA_RETURN_IF_ERROR(ops::Broadcast(c, {none, none}, 0));
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor all, ops::AllGather(c, none));
  STEMMA_RETURN_IF_ERROR(Expect(all.sizes() == none.sizes(), "no rows from nobody"));
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor mine, ops::ReduceScatter(c, none));
  STEMMA_RETURN_IF_ERROR(Expect(mine.sizes() == none.sizes(), "a part of nothing"));
  STEMMA_ASSIGN_OR_RETURN(const ops::Rows rows, ops::AllToAll(c, none));
  return Expect(rows.data.sizes() == none.sizes(), "nothing for everybody");
}

Status Row30NonContiguous(Communicator& c) {
  const int n = c.ranks();
  const at::Tensor gaps = at::ones({4, 4}).slice(1, 0, 2);
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::AllReduce(c, gaps), Code::kInvalidArgument,
                                     "does not fill one piece of memory: pass"));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::Broadcast(c, gaps, 0), Code::kInvalidArgument, "piece"));
  // What returns a new tensor copies.
  const at::Tensor turned = (at::arange(2 * n * 3).reshape({3, 2 * n}) + c.rank()).t();
  const at::Tensor before = turned.clone();
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor all, ops::AllGather(c, turned));
  const at::Tensor block = turned - c.rank();
  for (int r = 0; r < n; ++r) {
    STEMMA_RETURN_IF_ERROR(ExpectEqual(all.slice(0, 2 * n * r, 2 * n * (r + 1)), block + r, "all"));
  }
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor mine, ops::ReduceScatter(c, turned));
  const at::Tensor sum = block * n + n * (n - 1) / 2;
  STEMMA_RETURN_IF_ERROR(
      ExpectEqual(mine, sum.slice(0, 2 * c.rank(), 2 * c.rank() + 2), "the part"));
  STEMMA_ASSIGN_OR_RETURN(const ops::Rows rows, ops::AllToAll(c, turned));
  STEMMA_RETURN_IF_ERROR(ExpectEqual(rows.data.slice(0, 0, 2),
                                     block.slice(0, 2 * c.rank(), 2 * c.rank() + 2), "rows"));
  return ExpectEqual(turned, before, "the input");
}

Status Row31UnsupportedTypes(Communicator& c) {
  const at::Tensor flags = at::ones({3}, at::kBool);
  const at::Tensor complex = at::ones({3}, at::kComplexFloat);
  STEMMA_RETURN_IF_ERROR(
      ExpectError(ops::AllReduce(c, flags), Code::kInvalidArgument, "bool cannot be reduced"));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::ReduceScatter(c, flags).status(), Code::kInvalidArgument,
                                     "bool cannot be reduced"));
  const std::string refused = "element type ComplexFloat cannot be moved between ranks";
  const Status found[] = {ops::AllReduce(c, complex), ops::Broadcast(c, complex, 0),
                          ops::AllGather(c, complex).status(), ops::AllToAll(c, complex).status(),
                          ops::ReduceScatter(c, complex).status()};
  for (const Status& status : found) {
    STEMMA_RETURN_IF_ERROR(ExpectError(status, Code::kInvalidArgument, refused));
  }
  return ExpectError(ops::AllReduce(c, at::ones({3}, at::kInt), Op::kAverage),
                     Code::kInvalidArgument, "the average of i32 would be rounded");
}

Status Row36GatherEqual(Communicator& c) {
  for (at::ScalarType type : kTypes) {
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor all,
                            ops::AllGather(c, RowsOf(c.rank() % 2, 2, 3, type)));
    std::vector<at::Tensor> expected;
    for (int r = 0; r < c.ranks(); ++r) expected.push_back(RowsOf(r % 2, 2, 3, type));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(all, at::cat(expected), "the rows"));
  }
  const at::Tensor flags = at::full({2}, c.rank() % 2, at::kBool);
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor all, ops::AllGather(c, flags));
  return Expect(all.scalar_type() == at::kBool && all[0].item<bool>() == false, "flags are moved");
}

Status Row37GatherUnequal(Communicator& c) {
  std::vector<at::Tensor> expected;  // rank 0 has no rows when there are several
  const auto rows = [&](int r) { return c.ranks() == 1 ? 3 : 2 * r; };
  for (int r = 0; r < c.ranks(); ++r) expected.push_back(RowsOf(r, rows(r), 5));
  STEMMA_ASSIGN_OR_RETURN(const at::Tensor all, ops::AllGather(c, expected[c.rank()]));
  return ExpectEqual(all, at::cat(expected), "the rows");
}

Status Row38GatherErrors(Communicator& c) {
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::AllGather(c, at::ones({})).status(),
                                     Code::kInvalidArgument, "a scalar has no rows"));
  if (c.ranks() == 1) return {};
  const int n = c.ranks(), last = n - 1;
  const std::string others = n == 2 ? "rank {0}" : n == 3 ? "ranks {0,1}" : "ranks {0,1,2}";
  const std::string mine = ", rank {" + std::to_string(last) + "} ";
  const bool odd = c.rank() == last;
  STEMMA_RETURN_IF_ERROR(
      ExpectError(ops::AllGather(c, at::ones({2, odd ? 4 : 3})).status(), Code::kIncompatible,
                  "AllGather: " + others + " f32[rows,3]" + mine + "f32[rows,4]"));
  STEMMA_RETURN_IF_ERROR(
      ExpectError(ops::AllGather(c, at::ones({2, 3}, odd ? at::kDouble : at::kFloat)).status(),
                  Code::kIncompatible, others + " f32[rows,3]" + mine + "f64[rows,3]"));
  const at::Tensor deep = odd ? at::ones({2, 3, 1}) : at::ones({2, 3});
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::AllGather(c, deep).status(), Code::kIncompatible,
                                     others + " f32[rows,3]" + mine + "f32[rows,3,1]"));
  return ops::AllGather(c, at::ones({1})).status();  // nothing is broken
}

Status Row39BroadcastEveryRoot(Communicator& c) {
  for (int root = 0; root < c.ranks(); ++root) {
    for (at::ScalarType type : kTypes) {
      const at::Tensor mine = RowsOf(0, 4, 3, type) + c.rank();
      const at::Tensor before = mine.clone();
      STEMMA_RETURN_IF_ERROR(ops::Broadcast(c, mine, root));
      STEMMA_RETURN_IF_ERROR(ExpectEqual(mine, RowsOf(0, 4, 3, type) + root, "the root's data"));
      if (c.rank() == root) STEMMA_RETURN_IF_ERROR(ExpectEqual(mine, before, "the root's own"));
    }
  }
  return {};
}

Status Row40BroadcastInvalidRoot(Communicator& c) {
  const std::string end = " of " + std::to_string(c.ranks()) + " ranks";
  for (int root : {-1, c.ranks()}) {
    STEMMA_RETURN_IF_ERROR(ExpectError(ops::Broadcast(c, at::ones({2}), root),
                                       Code::kInvalidArgument,
                                       "root " + std::to_string(root) + end));
  }
  return {};
}

Status Row41BroadcastManyTensors(Communicator& c) {
  const int root = c.ranks() - 1;
  const auto value = [](int rank, int k) {
    const at::ScalarType type = kTypes[k % 7];
    return k % 11 == 0 ? at::full({}, rank + k % 50, type)
                       : at::full({k % 5, 1 + k % 3}, rank + k % 50, type);
  };
  std::vector<at::Tensor> tensors;
  for (int k = 0; k < 300; ++k) tensors.push_back(value(c.rank(), k));
  tensors.push_back(at::full({ops::kBroadcastBytesMax / 4 + 1}, c.rank()));  // too large to join
  tensors.push_back(at::full({2, 3, 4, 4}, c.rank()).contiguous(at::MemoryFormat::ChannelsLast));
  STEMMA_RETURN_IF_ERROR(ops::Broadcast(c, tensors, root));
  for (int k = 0; k < 300; ++k) {
    STEMMA_RETURN_IF_ERROR(ExpectEqual(tensors[k], value(root, k), "tensor " + std::to_string(k)));
  }
  STEMMA_RETURN_IF_ERROR(ExpectEqual(tensors[301], at::full({2, 3, 4, 4}, root), "the last"));
  return Expect((tensors[300] == root).all().item<bool>(), "the large one");
}

Status Row42ReduceScatter(Communicator& c) {
  const int n = c.ranks();
  for (at::ScalarType type : kTypes) {
    for (int64_t rows : {2 * n, 2 * n + 1, 3 * n - 1, 1}) {
      const at::Tensor whole = at::arange(rows, at::kLong).reshape({rows, 1}).expand({rows, 3});
      const int64_t more = rows % n, part = rows / n;
      const int64_t begin = c.rank() * part + std::min<int64_t>(c.rank(), more);
      const int64_t own = part + (c.rank() < more ? 1 : 0);
      const at::Tensor input = (whole + c.rank()).to(type);
      STEMMA_ASSIGN_OR_RETURN(const at::Tensor mine, ops::ReduceScatter(c, input));
      const at::Tensor sum = (whole * n + n * (n - 1) / 2).to(type);
      STEMMA_RETURN_IF_ERROR(Expect(mine.size(0) == own, "the first ranks get one row more"));
      STEMMA_RETURN_IF_ERROR(ExpectEqual(mine, sum.slice(0, begin, begin + own), "the part"));
      STEMMA_RETURN_IF_ERROR(ExpectEqual(input, (whole + c.rank()).to(type), "the input"));
    }
  }
  return {};
}

Status Row43ReduceScatterErrors(Communicator& c) {
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::ReduceScatter(c, at::ones({})).status(),
                                     Code::kInvalidArgument,
                                     "ReduceScatter: a scalar has no rows; pass"));
  for (Op op : {Op::kMin, Op::kMax, Op::kProduct}) {
    STEMMA_RETURN_IF_ERROR(ExpectError(ops::ReduceScatter(c, at::ones({4}), op).status(),
                                       Code::kInvalidArgument,
                                       std::string(NameOf(op)) + " is not offered; use sum"));
  }
  return {};
}

Status Row44ScatterGatherIsAllReduce(Communicator& c) {
  for (at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const at::Tensor whole = Drawn(40 + c.rank(), {7 * c.ranks() + 2, 31}, type);
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor mine, ops::ReduceScatter(c, whole, Op::kAverage));
    STEMMA_ASSIGN_OR_RETURN(const at::Tensor all, ops::AllGather(c, mine));
    STEMMA_RETURN_IF_ERROR(ops::AllReduce(c, whole, Op::kAverage));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(all, whole, "the whole, bit by bit"));
  }
  return {};
}

Status Row45EqualSplitNotDivisible(Communicator& c) {
  const int64_t rows = 2 * c.ranks() + 1;
  return ExpectError(ops::AllToAll(c, at::ones({rows, 2})).status(), Code::kInvalidArgument,
                     std::to_string(rows) + " rows cannot be split evenly over " +
                         std::to_string(c.ranks()) + " ranks; pass splits");
}

Status Row46AllToAllSplits(Communicator& c) {
  const int n = c.ranks(), me = c.rank();
  // Rank a sends (a + b) % 3 rows to rank b; rank 1 has and gets nothing.
  const auto rows = [](int a, int b) { return a == 1 || b == 1 ? 0 : (a + b) % 3; };
  for (at::ScalarType type : kTypes) {
    std::vector<int64_t> splits, expected_splits;
    std::vector<at::Tensor> blocks, expected;
    for (int r = 0; r < n; ++r) {
      splits.push_back(rows(me, r));
      blocks.push_back(at::full({rows(me, r), 4}, 10 * me + r, type));
      expected_splits.push_back(rows(r, me));
      expected.push_back(at::full({rows(r, me), 4}, 10 * r + me, type));
    }
    STEMMA_ASSIGN_OR_RETURN(const ops::Rows got, ops::AllToAll(c, at::cat(blocks), splits));
    STEMMA_RETURN_IF_ERROR(Expect(got.splits == expected_splits, "the received splits"));
    STEMMA_RETURN_IF_ERROR(ExpectEqual(got.data, at::cat(expected), "the blocks"));
  }
  return {};
}

Status Row47AllToAllErrors(Communicator& c) {
  const at::Tensor rows = at::ones({6, 2});
  const auto expect = [&](std::vector<int64_t> splits, const std::string& text) {
    return ExpectError(ops::AllToAll(c, rows, splits).status(), Code::kInvalidArgument, text);
  };
  std::vector<int64_t> exceeding(c.ranks(), 0), leaving(c.ranks(), 0), negative(c.ranks(), 0);
  exceeding[0] = 7;
  leaving[0] = 4;
  negative[0] = -1;
  STEMMA_RETURN_IF_ERROR(expect(exceeding, "exceed the 6 rows"));
  STEMMA_RETURN_IF_ERROR(expect(leaving, "leave 2 of 6 rows"));
  STEMMA_RETURN_IF_ERROR(expect(negative, "a split below zero: [-1"));
  STEMMA_RETURN_IF_ERROR(expect(std::vector<int64_t>(c.ranks() + 1, 1),
                                std::to_string(c.ranks() + 1) + " splits for "));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::SplitsOf(at::ones({2})).status(), Code::kInvalidArgument,
                                     "int32 or int64 are needed, not Float"));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::SplitsOf(at::ones({2, 2}, at::kLong)).status(),
                                     Code::kInvalidArgument, "one dimension"));
  STEMMA_ASSIGN_OR_RETURN(const auto good, ops::SplitsOf(at::full({3}, 2, at::kInt)));
  STEMMA_RETURN_IF_ERROR(Expect(good == std::vector<int64_t>{2, 2, 2}, "splits of a tensor"));
  STEMMA_RETURN_IF_ERROR(ExpectError(ops::AllToAll(c, at::ones({})).status(),
                                     Code::kInvalidArgument, "a scalar has no rows"));
  if (c.ranks() == 1) return {};
  // Told to each other before anything is moved.
  const at::Tensor odd = at::ones({2 * c.ranks(), c.rank() == 0 ? 2 : 3});
  return ExpectError(ops::AllToAll(c, odd).status(), Code::kIncompatible,
                     "AllToAll: rank {0} f32[rows,2], rank");
}

Status AsyncHoldsItsTensor(Communicator& c) {
  std::vector<double> memory(5000, c.rank() + 1.);
  bool freed = false;
  comm::Work work;
  {
    const auto free = [&freed](void*) { freed = true; };
    const at::Tensor values = at::from_blob(memory.data(), {5000}, free, at::kDouble);
    STEMMA_ASSIGN_OR_RETURN(work, ops::AllReduceAsync(c, values, {}));
  }
  STEMMA_RETURN_IF_ERROR(Expect(!freed, "the Work holds the tensor"));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  STEMMA_RETURN_IF_ERROR(work.Wait());  // idempotent
  STEMMA_RETURN_IF_ERROR(Expect(freed, "and lets it go"));
  const int n = c.ranks();
  return Expect(memory[4999] == n * (n + 1) / 2., "the sum");
}

}  // namespace stemma::tests
