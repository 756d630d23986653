// What the store itself costs, on a real disk: fork, load, append. Give a folder on the file system
// in question:  bazel run //tools/bench:lineage_bench -- /scratch/me
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "core/digest.h"
#include "lineage/graph.h"
#include "lineage/store.h"

namespace stemma::lineage {
namespace {

constexpr int kStates = 1000;
constexpr int kForks = 100;

double Milliseconds(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return 1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

void Print(const char* what, std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  std::printf("%-28s least %8.3f ms   median %8.3f ms   p99 %8.3f ms   n %zu\n", what, ms[0],
              ms[ms.size() / 2], ms[ms.size() * 99 / 100], ms.size());
}

Status Bench(const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const auto store, Store::Open(path, true, PosixStorage()));
  Record record;
  const std::string bytes(4096, 'x');
  record.packs = {{0, 1, Sha256(bytes), bytes.size()}};
  STEMMA_RETURN_IF_ERROR(
      WriteDurable(store->storage(), store->PackPath(record.packs[0].pack), bytes));
  STEMMA_ASSIGN_OR_RETURN(record.layout, store->PutLayout("layout"));
  STEMMA_ASSIGN_OR_RETURN(record.settings, store->PutBlob("settings"));
  STEMMA_ASSIGN_OR_RETURN(const auto run, store->StartRun("base"));
  Status status;
  StateId last;
  std::vector<double> append, load, fork;
  for (int step = 0; step < kStates && status.ok(); ++step) {
    record.step = step;
    record.metrics = {{"loss", 1.0 / (1 + step)}, {"lr", 0.1}, {"grad_norm", 2.5}};
    if (step > 0) record.parents = {{last, EdgeKind::kTrain}};
    append.push_back(Milliseconds([&] {
      Result<StateId> id = run->Append(record);
      status = id.status();
      if (id.ok()) last = *id;
    }));
  }
  STEMMA_RETURN_IF_ERROR(std::move(status));
  Graph graph;
  for (int i = 0; i < 20; ++i) {
    load.push_back(Milliseconds([&] { graph = *store->Load(); }));
  }
  for (int i = 0; i < kForks && status.ok(); ++i) {
    fork.push_back(Milliseconds(
        [&] { status = store->Fork(graph, last, "fork" + std::to_string(i), {}).status(); }));
  }
  STEMMA_RETURN_IF_ERROR(std::move(status));
  Print("append a record", append);
  Print("load 1000 states", load);
  Print("fork", fork);
  load.clear();
  for (int i = 0; i < 20; ++i) load.push_back(Milliseconds([&] { graph = *store->Load(); }));
  Print("load 1000 states, 101 runs", load);
  return {};
}

}  // namespace
}  // namespace stemma::lineage

int main(int argc, char** argv) {
  std::string path = std::string(argc > 1 ? argv[1] : ".") + "/lineage_bench_XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    std::printf("cannot make a folder in %s\n", argc > 1 ? argv[1] : ".");
    return 2;
  }
  std::printf("store in %s (remove it afterwards)\n", path.c_str());
  const stemma::Status status = stemma::lineage::Bench(path + "/store");
  if (!status.ok()) std::printf("%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
