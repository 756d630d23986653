#include "tests/support/check_contract.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/promise.h"

namespace stemma::tests {
namespace {

using comm::CallOptions;
using comm::Communicator;
using comm::Op;
using comm::Work;
using comm::World;

Status Expect(const Status& found, Code code, const std::string& text) {
  if (found.code() == code && found.message() == text) return {};
  return Broken(std::string("expected ") + CodeName(code) + " '" + text + "', found " +
                CodeName(found.code()) + " '" + found.message() + "'");
}

Status ExpectPart(const Status& found, Code code, const std::string& text) {
  const bool good = found.code() == code && found.message().find(text) != std::string::npos;
  return good ? Status() : Expect(found, code, "... " + text + " ...");
}

CallOptions Named(const std::string& what, const std::string& shape = "") {
  CallOptions options;
  options.what = what;
  options.shape = shape;
  return options;
}

// The last rank says `odd`, all others `most`.
std::string Grouped(int ranks, const std::string& most, const std::string& odd) {
  const std::string others[] = {"", "", "rank {0}", "ranks {0,1}", "ranks {0,1,2}"};
  return others[ranks] + " " + most + ", rank {" + std::to_string(ranks - 1) + "} " + odd;
}

// After one call that matches, the last rank makes another second call than the rest. Every rank
// gets the same error, also from later calls, and nobody's memory has changed.
using Call = std::function<Result<Work>(Communicator&, float*)>;
Status Differ(World& world, const Call& most, const Call& odd, const std::string& name,
              const std::string& most_text, const std::string& odd_text) {
  Communicator& data = world.data();
  STEMMA_RETURN_IF_ERROR(Finish(data.Barrier({})));
  std::vector<float> values(64, 1 + world.rank());
  const std::vector<float> before = values;
  const bool last = world.rank() == world.ranks() - 1;
  const std::string text = "call 1" + name + ": " + Grouped(world.ranks(), most_text, odd_text);
  STEMMA_RETURN_IF_ERROR(
      Expect(Finish((last ? odd : most)(data, values.data())), Code::kIncompatible, text));
  if (values != before) return Broken("nothing is sent when calls differ");
  STEMMA_RETURN_IF_ERROR(Expect(data.Barrier({}).status(), Code::kIncompatible, text));
  return Expect(data.Health(), Code::kIncompatible, text);
}

Call Sum(int64_t count, const CallOptions& options, DType dtype = DType::kF32) {
  return [=](Communicator& data, float* values) {
    return data.AllReduce({values, count, dtype}, options);
  };
}

Call Bcast(int root, int64_t count, DType dtype = DType::kF32) {
  return [=](Communicator& data, float* values) {
    return data.Broadcast({values, count, dtype}, root, Named("table"));
  };
}

Call Gather(int64_t unit, DType dtype = DType::kF32) {
  return [=](Communicator& data, float* values) {
    const std::vector<int64_t> counts(data.ranks(), unit);
    char* const mine = reinterpret_cast<char*>(values) + data.rank() * unit * SizeOf(dtype);
    return data.AllGather({mine, unit, dtype}, {values, unit * data.ranks(), dtype}, counts,
                          Named("bucket 4"));
  };
}

}  // namespace

Status Row19ScalesDiffer(World& world) {
  CallOptions half = Named("bucket 4");
  half.scale = 0.5;
  return Differ(world, Sum(8, Named("bucket 4")), Sum(8, half), " \"bucket 4\"",
                "all_reduce f32[8] sum", "all_reduce f32[8] sum scaled by 0.5");
}

Status Row20ShapesDiffer(World& world) {
  return Differ(world, Sum(6, Named("w", "[2,3]")), Sum(6, Named("w", "[3,2]")), " \"w\"",
                "all_reduce f32[2,3] sum", "all_reduce f32[3,2] sum");
}

Status Row21OtherNumberOfDims(World& world) {
  return Differ(world, Sum(6, Named("w", "[2,3]")), Sum(6, Named("w", "[2,3,1]")), " \"w\"",
                "all_reduce f32[2,3] sum", "all_reduce f32[2,3,1] sum");
}

Status Row22DTypesDiffer(World& world) {
  return Differ(world, Sum(8, Named("w")), Sum(8, Named("w"), DType::kI32), " \"w\"",
                "all_reduce f32[8] sum", "all_reduce i32[8] sum");
}

Status Row23ReduceAgainstGather(World& world) {
  const std::string n = std::to_string(2 * world.ranks());
  std::string parts;
  for (int r = 0; r < world.ranks(); ++r) parts += r == 0 ? "2" : ",2";
  return Differ(world, Sum(8, Named("bucket 4")), Gather(2), " \"bucket 4\"",
                "all_reduce f32[8] sum", "all_gather f32[" + n + "] parts {" + parts + "}");
}

Status Row24OpsDiffer(World& world) {
  CallOptions max = Named("w");
  max.op = Op::kMax;
  return Differ(world, Sum(8, Named("w")), Sum(8, max), " \"w\"", "all_reduce f32[8] sum",
                "all_reduce f32[8] max");
}

Status Row38GathersDiffer(World& world) {
  const std::string n = std::to_string(2 * world.ranks());
  std::string parts;
  for (int r = 0; r < world.ranks(); ++r) parts += r == 0 ? "2" : ",2";
  return Differ(world, Gather(2), Gather(2, DType::kI32), " \"bucket 4\"",
                "all_gather f32[" + n + "] parts {" + parts + "}",
                "all_gather i32[" + n + "] parts {" + parts + "}");
}

Status Row40BroadcastsDiffer(World& world) {
  return Differ(world, Bcast(0, 8), Bcast(world.ranks() - 1, 8), " \"table\"",
                "broadcast f32[8] from 0",
                "broadcast f32[8] from " + std::to_string(world.ranks() - 1));
}

Status OrderOfBucketsDiffers(World& world) {
  return Differ(world, Sum(8, Named("bucket 4")), Sum(8, Named("bucket 5")), "",
                "\"bucket 4\" all_reduce f32[8] sum", "\"bucket 5\" all_reduce f32[8] sum");
}

Status BlocksDiffer(World& world) {
  const int n = world.ranks();
  std::vector<float> in(3 * n), out(3 * n);
  std::vector<int64_t> send(n, 1), receive(n, 1);
  if (world.rank() == 1) receive[0] = 2;
  int64_t total = 0;
  for (int64_t count : receive) total += count;
  const Status found =
      Finish(world.data().AllToAll({in.data(), n, DType::kF32}, send,
                                   {out.data(), total, DType::kF32}, receive, Named("tokens")));
  return Expect(found, Code::kIncompatible,
                "call 0 \"tokens\": all_to_all f32: rank 0 sends 1 elements to rank 1, which "
                "expects 2");
}

Status CountsDiffer(World& world) {
  const int n = world.ranks();
  std::vector<float> in(4 * n), out(8);
  std::vector<int64_t> counts(n, 2);
  if (world.rank() == n - 1) std::swap(counts[0] = 3, counts[1] = 1);
  const int64_t own = counts[world.rank()];
  const Status found = Finish(world.data().ReduceScatter(
      {in.data(), 2 * n, DType::kF32}, {out.data(), own, DType::kF32}, counts, Named("parts")));
  return ExpectPart(found, Code::kIncompatible,
                    "} reduce_scatter f32[" + std::to_string(2 * n) + "] sum parts {2,2");
}

Status Row26SubmittedTwice(World& world) {
  Communicator& data = world.data();
  const int n = world.ranks();
  std::vector<float> values(8, 1);
  STEMMA_ASSIGN_OR_RETURN(Work first, data.AllReduce({values.data(), 8, DType::kF32}, Named("w")));
  const Status second = data.AllReduce({values.data() + 7, 1, DType::kF32}, Named("w")).status();
  STEMMA_RETURN_IF_ERROR(Expect(second, Code::kInvalidArgument,
                                "call 1 was refused by rank 0: its memory belongs to an earlier "
                                "call that has not been waited for"));
  STEMMA_RETURN_IF_ERROR(first.Wait());
  for (float value : values) {
    if (value != static_cast<float>(n)) return Broken("the first call completes");
  }
  // Waited for: the memory is the caller's again.
  STEMMA_RETURN_IF_ERROR(Finish(data.AllReduce({values.data(), 8, DType::kF32}, Named("w"))));
  // Reading one memory twice is no conflict.
  std::vector<float> a(n), b(n);
  const std::vector<int64_t> counts(n, 1);
  const comm::ConstSpan mine{values.data(), 1, DType::kF32};
  STEMMA_ASSIGN_OR_RETURN(Work one, data.AllGather(mine, {a.data(), n, DType::kF32}, counts, {}));
  STEMMA_ASSIGN_OR_RETURN(Work two, data.AllGather(mine, {b.data(), n, DType::kF32}, counts, {}));
  STEMMA_RETURN_IF_ERROR(one.Wait());
  return two.Wait();
}

Status Row27NameUsedAgain(World& world) {
  std::vector<float> values(9, 1);
  for (int64_t count : {4, 9, 1}) {
    STEMMA_RETURN_IF_ERROR(
        Finish(world.data().AllReduce({values.data(), count, DType::kF32}, Named("w"))));
  }
  return {};
}

Status OneRankRefuses(World& world) {
  Communicator& data = world.data();
  const int last = world.ranks() - 1;
  float one = 1;
  void* const memory = world.rank() == last ? nullptr : &one;
  const Status found = data.AllReduce({memory, 1, DType::kF32}, Named("w")).status();
  STEMMA_RETURN_IF_ERROR(Expect(found, Code::kInvalidArgument,
                                "call 0 was refused by rank " + std::to_string(last) +
                                    ": all_reduce: no memory for 1 elements"));
  if (one != 1) return Broken("nothing is sent");
  return Finish(data.Barrier({}));  // and nothing is broken
}

Status Row49Groups(World& world) {
  const int n = world.ranks(), me = world.rank();
  std::vector<int> even, odd;
  for (int r = 0; r < n; ++r) (r % 2 == 0 ? even : odd).push_back(r);
  STEMMA_ASSIGN_OR_RETURN(Communicator* const evens, world.Subset(even));
  Communicator* mine = evens;
  if (n > 1) {
    STEMMA_ASSIGN_OR_RETURN(Communicator* const odds, world.Subset(odd));
    if (me % 2 == 1) mine = odds;
  }
  const std::vector<int>& members = me % 2 == 0 ? even : odd;
  const int size = static_cast<int>(members.size());
  if (mine->ranks() != size || mine->rank() != me / 2) return Broken("places in a group");
  double sum = 0;
  for (int r : members) sum += r + 1;
  // Both groups at once, with different numbers of calls, of sizes that take every path.
  for (int64_t count : {1, 100, 50000}) {
    for (int times = 0; times <= me % 2; ++times) {
      std::vector<double> values(count, me + 1);
      CallOptions average = Named("members");
      average.op = Op::kAverage;
      STEMMA_RETURN_IF_ERROR(Finish(mine->AllReduce({values.data(), count, DType::kF64}, average)));
      if (values[0] != sum / size || values.back() != values[0]) {
        return Broken("averages divide by the size of the group");
      }
    }
  }
  std::vector<int32_t> all(size, -1);
  const int32_t own = me;
  const std::vector<int64_t> counts(size, 1);
  STEMMA_RETURN_IF_ERROR(
      Finish(mine->AllGather({&own, 1, DType::kI32}, {all.data(), size, DType::kI32}, counts, {})));
  for (int k = 0; k < size; ++k) {
    if (all[k] != members[k]) return Broken("a group is ordered by the ranks of the world");
  }
  // The world's own communicator is another one.
  double whole = 1;
  STEMMA_RETURN_IF_ERROR(Finish(world.data().AllReduce({&whole, 1, DType::kF64}, {})));
  return whole == n ? Status() : Broken("the world beside its groups");
}

Status Row50BadLists(World& world) {
  const int n = world.ranks();
  const std::string end = std::to_string(n - 1), out = std::to_string(n);
  STEMMA_RETURN_IF_ERROR(Expect(world.Subset({0, 0}).status(), Code::kInvalidArgument,
                                "group {0,0}: rank 0 stands in it twice"));
  STEMMA_RETURN_IF_ERROR(
      Expect(world.Subset({0, n}).status(), Code::kInvalidArgument,
             "group {0," + out + "}: rank " + out + " is none of the world's ranks 0 to " + end));
  STEMMA_RETURN_IF_ERROR(ExpectPart(world.Subset({-1}).status(), Code::kInvalidArgument,
                                    "group {-1}: rank -1 is none of the world's ranks"));
  STEMMA_RETURN_IF_ERROR(
      Expect(world.Subset({}).status(), Code::kInvalidArgument, "group {}: it has no ranks"));
  STEMMA_ASSIGN_OR_RETURN(Communicator* const first, world.Subset({0}));
  float one = 1;
  const Status used = first->AllReduce({&one, 1, DType::kF32}, {}).status();
  if (world.rank() == 0) return used;
  const std::string refused = "rank " + std::to_string(world.rank()) +
                              " is not in the group {0}: only its members may use it";
  for (const Status& found :
       {used, first->Barrier({}).status(), first->Broadcast({&one, 1, DType::kF32}, 0, {}).status(),
        first->AllGather({&one, 1, DType::kF32}, {&one, 1, DType::kF32}, {1}, {}).status(),
        first->Allocate(10, "memory").status()}) {
    STEMMA_RETURN_IF_ERROR(Expect(found, Code::kInvalidArgument, refused));
  }
  return {};
}

Status Row51UnequalLists(World& world) {
  const int n = world.ranks();
  // As if rank n - 1 made its groups in another order.
  const bool last = world.rank() == n - 1;
  const std::string odd = "{" + std::to_string(n - 1) + "}";
  const Status found = world.Subset({last ? n - 1 : 0}).status();
  STEMMA_RETURN_IF_ERROR(Expect(found, Code::kIncompatible,
                                "the list of a group's ranks differs: " + Grouped(n, "{0}", odd)));
  STEMMA_ASSIGN_OR_RETURN(Communicator* const after, world.Subset({0, n - 1}));  // still usable
  const bool member = last || world.rank() == 0;
  return member ? Finish(after->Barrier({})) : Status();
}

Status Row05ClosedWorld(World& world) {
  STEMMA_ASSIGN_OR_RETURN(Communicator* const group, world.Subset({0}));
  double one = 1;
  STEMMA_ASSIGN_OR_RETURN(Work under_way, world.data().AllReduce({&one, 1, DType::kF64}, {}));
  STEMMA_RETURN_IF_ERROR(world.Close());
  STEMMA_RETURN_IF_ERROR(under_way.Wait());  // was completed, not given up
  if (one != world.ranks()) return Broken("a world completes what is under way before it closes");
  const Status found[] = {world.data().AllReduce({&one, 1, DType::kF64}, {}).status(),
                          world.data().Barrier({}).status(),
                          group->Barrier({}).status(),
                          world.Subset({0}).status(),
                          world.cohort().Min(1).status(),
                          world.Close()};
  for (const Status& status : found) {
    STEMMA_RETURN_IF_ERROR(ExpectPart(status, Code::kInvalidArgument, ""));
  }
  return ExpectPart(found[0], Code::kInvalidArgument, "closed");
}

}  // namespace stemma::tests
