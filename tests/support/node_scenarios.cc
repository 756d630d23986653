#include "tests/support/node_scenarios.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "comm/reduce_kernels.h"

#include "tests/support/communicator_contract.h"
#include "tests/support/promise.h"

namespace stemma::tests {
namespace {

using comm::CallOptions;
using comm::Communicator;
using comm::ConstSpan;
using comm::NodePeers;
using comm::NodeSharedCommunicator;
using comm::Op;
using comm::Span;
using comm::Work;
using std::chrono::milliseconds;

Status Expect(const Status& found, Code code, const std::string& text) {
  if (found.code() == code && found.message().find(text) != std::string::npos) return {};
  return Broken(std::string("expected ") + CodeName(code) + " '" + text + "', found " +
                CodeName(found.code()) + " '" + found.message() + "'");
}

// Of many magnitudes and both signs: another order gives other bits.
float Value(int rank, int64_t i) {
  const auto mixed = static_cast<uint32_t>((i + 1) * 2654435761u + rank * 40503u);
  const float magnitude = (mixed & 8u) != 0 ? 1e-3f : 1e4f;
  return magnitude * (static_cast<float>(mixed >> 8) / 16777216.0f - 0.5f);
}

float Rounded(DType dtype, float value) {
  return dtype == DType::kF32 ? value : comm::FloatFromBfloat(comm::BfloatFromFloat(value));
}

void Put(DType dtype, float value, char* at) {
  const uint16_t half = comm::BfloatFromFloat(value);
  if (dtype == DType::kF32) {
    std::memcpy(at, &value, sizeof value);
  } else {
    std::memcpy(at, &half, sizeof half);
  }
}

// What every rank's memory holds after the average, by the formula.
std::vector<char> Average(DType dtype, int64_t count, int ranks) {
  std::vector<char> bytes(static_cast<size_t>(count) * SizeOf(dtype));
  for (int64_t i = 0; i < count; ++i) {
    float sum = Rounded(dtype, Value(0, i));
    for (int r = 1; r < ranks; ++r) sum += Rounded(dtype, Value(r, i));
    Put(dtype, sum * static_cast<float>(1.0 / ranks), bytes.data() + i * SizeOf(dtype));
  }
  return bytes;
}

// Where this rank's span lies: bit r of `seen` says whether rank r uses the segment.
struct Memory {
  std::unique_ptr<comm::Segment> segment;
  std::vector<char> own;
  char* At(bool seen, int64_t offset) {
    char* const data = seen ? static_cast<char*>(segment->data()) : own.data();
    return data + offset;
  }
};

Result<Memory> MakeMemory(Communicator& comm, int64_t bytes) {
  Memory memory;
  STEMMA_ASSIGN_OR_RETURN(memory.segment, comm.Allocate(bytes, "scenario"));
  memory.own.resize(static_cast<size_t>(bytes));
  return memory;
}

Status AverageCase(Communicator& comm, Memory& memory, DType dtype, int64_t count, unsigned seen,
                   int64_t offset) {
  char* const data = memory.At((seen >> comm.rank() & 1u) != 0, offset);
  for (int64_t i = 0; i < count; ++i) {
    Put(dtype, Value(comm.rank(), i), data + i * SizeOf(dtype));
  }
  CallOptions options;
  options.op = Op::kAverage;
  STEMMA_RETURN_IF_ERROR(Finish(comm.AllReduce({data, count, dtype}, options)));
  const std::vector<char> expected = Average(dtype, count, comm.ranks());
  if (std::memcmp(data, expected.data(), expected.size()) == 0) return {};
  return Broken(std::to_string(count) + " elements of " + std::string(NameOf(dtype)) +
                ", ranks by memory " + std::to_string(seen));
}

Status MoveCase(Communicator& comm, Memory& in, Memory& out, int64_t unit, unsigned seen) {
  const int n = comm.ranks(), me = comm.rank();
  const bool in_seen = (seen >> me & 1u) != 0, out_seen = (seen >> (me + 1) & 1u) != 0;
  // Rank r gives r * unit elements; block (r, d) has (r + 2 d) * unit.
  std::vector<int64_t> counts, send, receive;
  int64_t total = 0, sent = 0, received = 0;
  for (int r = 0; r < n; ++r) {
    counts.push_back((r + (n == 1)) * unit), total += counts.back();
    send.push_back((me + 2 * r) * unit), sent += send.back();
    receive.push_back((r + 2 * me) * unit), received += receive.back();
  }
  auto* mine = reinterpret_cast<int32_t*>(in.At(in_seen, 0));
  auto* all = reinterpret_cast<int32_t*>(out.At(out_seen, 0));
  for (int64_t k = 0; k < counts[me]; ++k) mine[k] = static_cast<int32_t>(1000 * me + k);
  STEMMA_RETURN_IF_ERROR(Finish(
      comm.AllGather({mine, counts[me], DType::kI32}, {all, total, DType::kI32}, counts, {})));
  for (int r = 0; r < n; ++r) {
    for (int64_t k = 0; k < counts[r]; ++k) {
      if (*all++ != 1000 * r + k) return Broken("all_gather of " + std::to_string(unit));
    }
  }
  int64_t at = 0;
  for (int d = 0; d < n; ++d) {
    for (int64_t k = 0; k < send[d]; ++k) mine[at++] = static_cast<int32_t>(me * 7 + d * 100 + k);
  }
  all = reinterpret_cast<int32_t*>(out.At(out_seen, 0));
  STEMMA_RETURN_IF_ERROR(Finish(
      comm.AllToAll({mine, sent, DType::kI32}, send, {all, received, DType::kI32}, receive, {})));
  for (int r = 0; r < n; ++r) {
    for (int64_t k = 0; k < receive[r]; ++k) {
      if (*all++ != r * 7 + me * 100 + k) return Broken("all_to_all of " + std::to_string(unit));
    }
  }
  for (int root = 0; root < n; ++root) {
    for (int64_t k = 0; k < unit; ++k) mine[k] = static_cast<int32_t>(me == root ? root + k : -1);
    STEMMA_RETURN_IF_ERROR(Finish(comm.Broadcast({mine, unit, DType::kI32}, root, {})));
    for (int64_t k = 0; k < unit; ++k) {
      if (mine[k] != root + k) return Broken("broadcast of " + std::to_string(unit));
    }
  }
  return {};
}

// The same on all ranks: does `body` keep its promise with every setup? Where it moves megabytes,
// pieces should be longer.
template <typename Body>
Status WithEverySetup(Cohort& node, int64_t longer, Body body) {
  int number = 0;
  for (NodeSetup setup : NodeSetups()) {
    setup.options.stage_bytes = std::min<int64_t>(1 << 20, setup.options.stage_bytes * longer);
    STEMMA_ASSIGN_OR_RETURN(const auto comm, OpenNode(node, setup));
    const std::string name = "setup " + std::to_string(number++);
    STEMMA_RETURN_IF_ERROR(Agree(node, Status(body(*comm)).Within(name)));
  }
  return {};
}

NodeSetup Patient(int64_t deadline_ms) {
  NodeSetup setup;
  setup.options.deadline = milliseconds(deadline_ms);
  return setup;
}

}  // namespace

std::vector<NodeSetup> NodeSetups() {
  std::vector<NodeSetup> setups(5);
  setups[1].options.driver = NodeSharedCommunicator::Driver::kThread;
  setups[2].options.inline_bytes = 0;
  setups[2].options.stage_bytes = 4096;
  setups[2].waiting.crowded = true;
  setups[3].options.inline_bytes = 8000;
  setups[3].options.stage_bytes = 65536;
  setups[3].waiting.spin_us = 0;
  setups[4].options.driver = NodeSharedCommunicator::Driver::kThread;
  setups[4].options.inline_bytes = 64;
  setups[4].options.stage_bytes = 1000;  // no multiple of anything
  for (NodeSetup& setup : setups) setup.options.deadline = milliseconds(60000);
  return setups;
}

Result<std::unique_ptr<NodeSharedCommunicator>> OpenNode(Cohort& node, const NodeSetup& setup) {
  STEMMA_ASSIGN_OR_RETURN(auto peers, NodePeers::Create(node, setup.waiting));
  return NodeSharedCommunicator::Create(node, std::move(peers), setup.options);
}

Status KeepsTheContract(Cohort& node) {
  using Promise = Status (*)(Communicator&);
  const Promise promises[] = {&SumsEveryDType,
                              &AveragesMinimaMaximaProducts,
                              &SumsInRankOrder,
                              &GathersUnequalCounts,
                              &BroadcastsFromEveryRoot,
                              &ScattersReducedParts,
                              &ScatterThenGatherIsAllReduce,
                              &ExchangesBlocks,
                              &RefusesMistakesOfParts,
                              &KeepsTheOrderOfCalls,
                              &AcceptsNothing,
                              &RefusesMistakes,
                              &AllocatesAlignedZeros};
  return WithEverySetup(node, 32, [&](Communicator& comm) -> Status {
    for (Promise promise : promises) STEMMA_RETURN_IF_ERROR(promise(comm));
    return {};
  });
}

Status GivesTheSameBitsFromAnyMemory(Cohort& node) {
  const unsigned all = (1u << node.size()) - 1;
  return WithEverySetup(node, 1, [&](Communicator& comm) -> Status {
    STEMMA_ASSIGN_OR_RETURN(Memory memory, MakeMemory(comm, 1 << 20));
    for (unsigned seen : {all, 0u, 1u, all & 0xau}) {
      for (DType dtype : {DType::kF32, DType::kBF16}) {
        for (int64_t count : {1, 15, 16, 17, 127, 128, 129, 256, 257, 1023, 2047, 2049, 8191}) {
          STEMMA_RETURN_IF_ERROR(AverageCase(comm, memory, dtype, count, seen, 0));
        }
      }
      // A page per slice from here on; and memory that begins anywhere.
      for (int64_t count : {16384 * comm.ranks() - 1, 16384 * comm.ranks(), 70001}) {
        STEMMA_RETURN_IF_ERROR(AverageCase(comm, memory, DType::kF32, count, seen, 0));
        const int64_t offset = 4 * (1 + comm.rank());
        STEMMA_RETURN_IF_ERROR(AverageCase(comm, memory, DType::kF32, count, seen, offset));
      }
    }
    return {};
  });
}

Status MovesFromAnyMemory(Cohort& node) {
  const unsigned all = (1u << (node.size() + 1)) - 1;
  return WithEverySetup(node, 1, [&](Communicator& comm) -> Status {
    STEMMA_ASSIGN_OR_RETURN(Memory in, MakeMemory(comm, 1 << 20));
    STEMMA_ASSIGN_OR_RETURN(Memory out, MakeMemory(comm, 1 << 20));
    for (unsigned seen : {all, 0u, 1u, 0xau}) {
      for (int64_t unit : {1, 16, 128, 1000, 5000}) {
        STEMMA_RETURN_IF_ERROR(MoveCase(comm, in, out, unit, seen));
      }
    }
    return {};
  });
}

Status ProgressServesPeers(Cohort& node) {
  STEMMA_ASSIGN_OR_RETURN(auto comm, OpenNode(node, Patient(60000)));
  STEMMA_ASSIGN_OR_RETURN(auto segment, comm->Allocate(400000, "bucket"));
  auto* const values = static_cast<float*>(segment->data());
  for (int k = 0; k < 100000; ++k) values[k] = 1;
  STEMMA_ASSIGN_OR_RETURN(Work work, comm->AllReduce({values, 100000, DType::kF32}, {}));
  // Rank 0 never waits: only Progress may carry its share out.
  while (comm->rank() == 0 && !work.Done()) STEMMA_RETURN_IF_ERROR(comm->Progress());
  STEMMA_RETURN_IF_ERROR(work.Wait());
  if (values[99999] != static_cast<float>(comm->ranks())) return Broken("a sum by progress");

  // Ranks that wait elsewhere, in a communicator of their own, still serve this one.
  STEMMA_ASSIGN_OR_RETURN(auto other, OpenNode(node, Patient(60000)));
  other->ServeAlso(*comm);
  for (int k = 0; k < 100000; ++k) values[k] = 2;
  STEMMA_ASSIGN_OR_RETURN(work, comm->AllReduce({values, 100000, DType::kF32}, {}));
  if (comm->rank() == 0) STEMMA_RETURN_IF_ERROR(work.Wait());
  STEMMA_RETURN_IF_ERROR(Finish(other->Barrier({})));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  return values[0] == 2.0f * static_cast<float>(comm->ranks()) ? Status() : Broken("idle serves");
}

Status OutgrowsTheRing(Cohort& node) {
  return WithEverySetup(node, 1, [](Communicator& comm) -> Status {
    constexpr int kCalls = 300;
    std::vector<std::vector<float>> data(kCalls);
    std::vector<Work> works;
    // Rank 0 is far ahead before the others begin.
    if (comm.rank() > 0) std::this_thread::sleep_for(milliseconds(20));
    for (int k = 0; k < kCalls; ++k) {
      data[k].assign(k % 3 == 0 ? 3000 : 2, static_cast<float>(k + comm.rank()));
      const Span span{data[k].data(), static_cast<int64_t>(data[k].size()), DType::kF32};
      STEMMA_ASSIGN_OR_RETURN(Work work, comm.AllReduce(span, {}));
      works.push_back(std::move(work));
    }
    const int n = comm.ranks();
    for (int k = kCalls - 1; k >= 0; --k) {
      STEMMA_RETURN_IF_ERROR(works[k].Wait());
      const auto sum = static_cast<float>(n * k + n * (n - 1) / 2);
      if (data[k].front() != sum || data[k].back() != sum)
        return Broken("call " + std::to_string(k));
    }
    return {};
  });
}

Status FreesSegments(Cohort& node) {
  STEMMA_ASSIGN_OR_RETURN(auto comm, OpenNode(node, Patient(60000)));
  for (int round = 0; round < 4; ++round) {
    STEMMA_ASSIGN_OR_RETURN(Memory first, MakeMemory(*comm, 40000));
    STEMMA_ASSIGN_OR_RETURN(Memory second, MakeMemory(*comm, 40000));
    if (comm->rank() == round % comm->ranks()) first.segment.reset();
    // The others still call with what this one has freed.
    const unsigned seen = ~(1u << (round % comm->ranks()));
    STEMMA_RETURN_IF_ERROR(AverageCase(*comm, first, DType::kF32, 9000, seen, 0));
    STEMMA_RETURN_IF_ERROR(AverageCase(*comm, second, DType::kF32, 9000, ~0u, 0));
    STEMMA_RETURN_IF_ERROR(AllocatesAlignedZeros(*comm));
  }
  return {};
}

Status NamesMismatchedCalls(Cohort& node) {
  if (node.size() == 1) return {};
  const bool odd = node.rank() == node.size() - 1;
  const std::string others = node.size() == 2 ? "rank {0}" : node.size() == 3 ? "ranks {0,1}" : "";
  float values[4096] = {};
  for (int variant = 0; variant < 5; ++variant) {
    STEMMA_ASSIGN_OR_RETURN(auto comm, OpenNode(node, Patient(60000)));
    CallOptions options;
    options.what = "bucket 4";
    const std::vector<int64_t> counts(static_cast<size_t>(node.size()), 8);
    Result<Work> work = comm->Barrier({});
    STEMMA_RETURN_IF_ERROR(Finish(std::move(work)));
    std::string text = others + " all_reduce \"bucket 4\" f32[4096] sum, rank {" +
                       std::to_string(node.size() - 1) + "} ";
    if (variant == 0) {
      text += "all_reduce \"bucket 4\" f32[4095] sum";
      work = comm->AllReduce({values, 4096 - odd, DType::kF32}, options);
    } else if (variant == 1) {
      text += "all_reduce \"bucket 4\" i32[4096] sum";
      work = comm->AllReduce({values, 4096, odd ? DType::kI32 : DType::kF32}, options);
    } else if (variant == 2) {
      text += "all_reduce \"bucket 4\" f32[4096] max";
      if (odd) options.op = Op::kMax;
      work = comm->AllReduce({values, 4096, DType::kF32}, options);
    } else if (variant == 3) {
      text += "broadcast \"bucket 4\" f32[4096] from 1";
      work = odd ? comm->Broadcast({values, 4096, DType::kF32}, 1, options)
                 : comm->AllReduce({values, 4096, DType::kF32}, options);
    } else {
      text += "all_reduce \"bucket 4\" f32[4096] sum scaled by 2";
      if (odd) options.scale = 2;
      work = comm->AllReduce({values, 4096, DType::kF32}, options);
    }
    const Status found = Finish(std::move(work));
    STEMMA_RETURN_IF_ERROR(Agree(node, Expect(found, Code::kIncompatible, text)));
    STEMMA_RETURN_IF_ERROR(
        Agree(node, Expect(comm->Barrier({}).status(), Code::kIncompatible, text)));
  }
  return {};
}

Status NamesLateRanks(Cohort& node) {
  if (node.size() == 1) return {};
  STEMMA_ASSIGN_OR_RETURN(auto comm, OpenNode(node, Patient(200)));
  const std::string last = std::to_string(node.size() - 1);
  float values[4096] = {};
  CallOptions options;
  options.what = "bucket 4";
  Status found;
  if (node.rank() != node.size() - 1) {
    found = Finish(comm->AllReduce({values, 4096, DType::kF32}, options));
    found = Expect(
        found, Code::kTimeout,
        "all_reduce \"bucket 4\" f32[4096] sum: rank {" + last + "} did not come within 200 ms");
  }
  STEMMA_RETURN_IF_ERROR(Agree(node, found));
  // Who comes too late learns why nobody is there any more.
  if (node.rank() == node.size() - 1) {
    found = Finish(comm->AllReduce({values, 4096, DType::kF32}, options));
    found = Expect(found, Code::kTimeout, "rank {" + last + "} did not come");
  }
  return Agree(node, found);
}

Status AbortWakesSleepers(Cohort& node) {
  if (node.size() == 1) return {};
  for (const NodeSetup& setup : NodeSetups()) {
    STEMMA_ASSIGN_OR_RETURN(auto comm, OpenNode(node, setup));
    Status found;
    if (node.rank() == 0) {
      std::this_thread::sleep_for(milliseconds(20));
      comm->Abort({Code::kIo, "the disk is full"});
      found = Expect(comm->Barrier({}).status(), Code::kIo, "the disk is full");
    } else {
      found = Expect(Finish(comm->Barrier({})), Code::kIo, "the disk is full");
    }
    STEMMA_RETURN_IF_ERROR(Agree(node, found));
  }
  return {};
}

}  // namespace stemma::tests
