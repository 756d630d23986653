// Writes a store for another reader, and beside it the bytes that its tensors must have:
//   make_store STORE EXPECTED
// Three runs, the second a fork of the first and trained on, the third a fork of the second with
// changed settings; a restart of the first; tag, moved tag and taken tag; notes; three writers;
// every way a tensor lies in a pack.
// EXPECTED/<state id>/<span, '/' as '+'>@<rank> is the memory that was captured, not what the store
// gives back.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/storage.h"
#include "tests/support/spawn.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma {
namespace {

constexpr int kRanks = 3;

std::vector<lineage::Span> Spans() {
  using tests::ToySpans;
  std::vector<lineage::Span> spans = {ToySpans::MakeSpan("w", "params", DType::kF32, {129, 131}),
                                      ToySpans::MakeSpan("scalar", "params", DType::kF32, {}),
                                      ToySpans::MakeSpan("none", "params", DType::kF32, {0, 3}),
                                      ToySpans::MakeSpan("half", "params", DType::kBF16, {77, 31}),
                                      ToySpans::MakeSpan("m/w", "optim/m", DType::kF32, {129, 131}),
                                      ToySpans::MakeSpan("mean", "small", DType::kF64, {1500}),
                                      ToySpans::MakeSpan("t", "small", DType::kI64, {3}),
                                      ToySpans::MakeSpan("noise", "small", DType::kU8, {13})};
  spans.back().role = lineage::Role::kPerRank;
  return spans;
}

Status WriteExpected(const std::string& folder, const lineage::StateId& id, int64_t step,
                     int rank) {
  tests::ToySpans state(Spans(), rank);
  state.Fill(step);
  const std::string of = folder + "/" + Hex(id);
  std::filesystem::create_directories(of);
  for (size_t i = 0; i < state.spans.size(); ++i) {
    std::string name = state.spans[i].name;
    for (char& c : name) c = c == '/' ? '+' : c;
    std::ofstream file(of + "/" + name + "@" + std::to_string(rank), std::ios::binary);
    file << state.bytes[i];
    if (!file.flush()) return {Code::kIo, of + ": cannot write"};
  }
  return {};
}

// What one rank does with a run: `steps` captured states after `parent`. Gives the last one's id.
struct Job {
  std::string run;
  bool resume = false;
  std::vector<int64_t> steps;
  std::optional<lineage::StateId> parent;
};

Result<lineage::StateId> Train(lineage::Store& store, const Job& job, const std::string& expected,
                               Cohort& cohort) {
  tests::ToySpans state(Spans(), cohort.rank());
  lineage::LineageSettings settings;
  settings.writer_bytes_min = 4096;
  tests::ToyRank rank{store, cohort, state, nullptr, nullptr};
  STEMMA_RETURN_IF_ERROR(rank.Begin(job.run, job.resume, settings));
  std::optional<lineage::StateId> last = job.parent;
  for (const int64_t step : job.steps) {
    STEMMA_ASSIGN_OR_RETURN(const auto durable, rank.CaptureStep(step, last));
    if (!durable) return Status(Code::kInternal, "a capture was dropped");
    last = durable->id;
    STEMMA_RETURN_IF_ERROR(WriteExpected(expected, *last, step, cohort.rank()));
  }
  if (rank.writer) STEMMA_RETURN_IF_ERROR(rank.writer->Close());
  return *last;
}

Result<lineage::StateId> RunJob(lineage::Store& store, const Job& job,
                                const std::string& expected) {
  tests::CohortRoom room(kRanks);
  std::vector<lineage::StateId> ids(kRanks);
  for (const Status& status : tests::SpawnRanks(kRanks, [&](int rank) -> Status {
         tests::ThreadCohort cohort(room, rank);
         STEMMA_ASSIGN_OR_RETURN(ids[rank], Train(store, job, expected, cohort));
         return {};
       })) {
    STEMMA_RETURN_IF_ERROR(status);
  }
  return ids[0];
}

Status Make(const std::string& path, const std::string& expected) {
  STEMMA_ASSIGN_OR_RETURN(const auto store,
                          lineage::Store::Open(path, true, lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId first,
                          RunJob(*store, {"laptop", false, {10, 20}, {}}, expected));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId head,
                          RunJob(*store, {"laptop", true, {30}, first}, expected));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
  lineage::Record change;
  change.attributes["why"] = std::string("a warmer schedule");
  change.attributes["lr"] = 0.5;
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::StateId fork,
      store->ForkWithSettings(graph, first, "warm", change, "lr = 0.5\nname = \"warm\"\n"));
  STEMMA_RETURN_IF_ERROR(RunJob(*store, {"warm", true, {25}, fork}, expected).status());
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph grown, store->Load());
  STEMMA_ASSIGN_OR_RETURN(
      const lineage::StateId twig,
      store->ForkWithSettings(grown, fork, "twig", {}, "decay = 0.1\nlr = 0.5\nname = \"twig\"\n"));
  for (int rank = 0; rank < kRanks; ++rank) {
    STEMMA_RETURN_IF_ERROR(WriteExpected(expected, fork, 20, rank));
    STEMMA_RETURN_IF_ERROR(WriteExpected(expected, twig, 20, rank));
  }
  STEMMA_RETURN_IF_ERROR(store->SetTag("best", first, "lowest loss", {}));
  STEMMA_RETURN_IF_ERROR(store->SetTag("best", head, "lower still", first));
  STEMMA_RETURN_IF_ERROR(store->SetTag("gone", head, "by mistake", {}));
  STEMMA_RETURN_IF_ERROR(store->RemoveTag("gone", "was a mistake", {}));
  STEMMA_RETURN_IF_ERROR(store->Annotate(head, "rating", int64_t{4}));
  STEMMA_RETURN_IF_ERROR(store->Annotate(head, "rating", int64_t{5}));
  return store->Annotate(fork, "good", true);
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("make_store STORE EXPECTED\n", stderr);
    return 2;
  }
  const stemma::Status made = stemma::Make(argv[1], argv[2]);
  if (!made.ok()) std::fprintf(stderr, "%s\n", made.message().c_str());
  return made.ok() ? 0 : 1;
}
