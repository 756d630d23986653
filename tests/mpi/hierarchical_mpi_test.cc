// Several nodes, told apart on one machine: where ranks are placed changes no bit.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <mpi.h>

#include "comm/world.h"

#include "tests/support/conformance_report.h"
#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using comm::CommSettings;
using comm::Op;
using comm::World;
using tests::HasCode;
using tests::IsOk;

int Ranks() {
  int ranks = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return ranks;
}

CommSettings On(const std::string& backend, const std::string& fake_nodes) {
  CommSettings settings;
  settings.backend = backend;
  settings.fake_nodes = fake_nodes;
  settings.deadline_s = 60;
  settings.chunk_bytes = 4096;  // many on their way at once, also in what a test can afford
  return settings;
}

std::vector<std::string> LayoutsOf(int ranks) {
  if (ranks == 2) return {"0,1", "0|1"};
  if (ranks == 3) return {"0,1,2", "0,1|2", "0|1,2", "0,2|1", "0|1|2"};
  return {"0,1,2,3", "0,1|2,3", "0|1,2,3", "0,1,2|3", "0|1,2|3", "0|1|2|3", "0,2|1,3", "0,3|1,2"};
}

// Bytes that, taken for numbers of any dtype, are finite and whose sum depends on its order.
std::vector<char> Values(DType dtype, int64_t count, int rank) {
  std::vector<char> bytes(static_cast<size_t>(count) * SizeOf(dtype));
  const auto value = [&](int64_t k) {
    return (k % 3 == 0 ? 1e4 : 0.1) * static_cast<double>(k % 11 - 5 * rank + 1);
  };
  for (int64_t k = 0; k < count; ++k) {
    char* const at = bytes.data() + static_cast<size_t>(k) * SizeOf(dtype);
    if (dtype == DType::kF64) {
      const double x = value(k);
      std::memcpy(at, &x, sizeof x);
    } else if (dtype == DType::kF32 || dtype == DType::kI32) {
      const auto x = static_cast<float>(value(k));
      const auto n = static_cast<int32_t>(x);
      std::memcpy(at, dtype == DType::kF32 ? static_cast<const void*>(&x) : &n, 4);
    } else {  // halves: an exponent that is not all ones
      const auto bits = static_cast<uint16_t>((k * 2654435761u + rank * 40503u) & 0xbbff);
      std::memcpy(at, &bits, SizeOf(dtype));
    }
  }
  return bytes;
}

// What all calls of this test leave on this rank, one after the other.
Result<std::vector<char>> RunAll(World& world) {
  std::vector<char> all;
  for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16, DType::kI32}) {
    const bool whole = dtype == DType::kI32;
    for (const Op op : {Op::kSum, whole ? Op::kMax : Op::kAverage, Op::kMin}) {
      for (const int64_t count : {7, 70001}) {  // over MPI alone, and along the chain
        std::vector<char> data = Values(dtype, count, world.rank());
        comm::CallOptions options;
        options.op = op;
        STEMMA_ASSIGN_OR_RETURN(auto work,
                                world.data().AllReduce({data.data(), count, dtype}, options));
        STEMMA_RETURN_IF_ERROR(work.Wait());
        all.insert(all.end(), data.begin(), data.end());
      }
    }
  }
  return all;
}

std::vector<char> BitsOn(const CommSettings& settings) {
  Result<std::unique_ptr<World>> world = World::Open(settings, {{"test", "layouts"}});
  REQUIRE_THAT(world.status(), IsOk());
  Result<std::vector<char>> bits = RunAll(**world);
  REQUIRE_THAT(bits.status(), IsOk());
  CHECK_THAT((*world)->Close(), IsOk());
  return *bits;
}

TEST_CASE("conformance_84_node_layouts_give_the_same_bits", "[nodes]") {
  const int ranks = Ranks();
  const std::vector<char> flat = BitsOn(On("mpi", ""));
  CHECK(BitsOn(On("node-shared", "")) == flat);
  for (const std::string& layout : LayoutsOf(ranks)) {
    INFO("fake_nodes " << layout);
    const bool same = BitsOn(On("hierarchical", layout)) == flat;
    CHECK(same);
    tests::RanOn("hierarchical", ranks, same);
  }
}

TEST_CASE("who shares a node is what the settings say", "[nodes]") {
  const int ranks = Ranks();
  CommSettings settings = On("auto", "");
  settings.ranks_per_node = 1;
  Result<std::unique_ptr<World>> world = World::Open(settings, {{"test", "layouts"}});
  REQUIRE_THAT(world.status(), IsOk());
  CHECK((*world)->node_rank() == 0);
  CHECK((*world)->node_ranks() == 1);
  CHECK((*world)->description() == std::to_string(ranks) + " ranks on " + std::to_string(ranks) +
                                       " hosts, backend hierarchical, order rank");
  CHECK_THAT((*world)->Close(), IsOk());
}

TEST_CASE("layouts that cannot be are the same error on every rank", "[nodes]") {
  const auto refused = [](const CommSettings& settings, const std::string& why) {
    const auto world = World::Open(settings, {{"test", "layouts"}});
    CHECK_THAT(world.status(), HasCode(Code::kInvalidArgument, why));
  };
  refused(On("auto", "0"), "comm.fake_nodes=0: rank 1 is not named");
  refused(On("node-shared", "0|1,2,3"), Ranks() == 4 ? "the ranks are on 2 hosts" : "is none of");
  CommSettings both = On("auto", "0,1");
  both.ranks_per_node = 2;
  refused(both, "comm.fake_nodes and comm.ranks_per_node both say who shares a node");
}

}  // namespace
}  // namespace stemma
