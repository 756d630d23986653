// What a family of runs costs a store, on a real disk: the bytes that a fork writes, a thousand
// forks of one state, a thousand runs that write at once. Give a folder on the file system in
// question:  bazel run //tools/bench:family_bench -- /scratch/me
//
// One JSON line per figure: {"name": ..., "values": [...], "reference": ...}, and lines for people.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cohort.h"
#include "core/digest.h"
#include "core/status.h"
#include "lineage/capturer.h"
#include "lineage/store.h"
#include "models/train/settings.h"
#include "models/train/stored_settings.h"
#include "tools/bench/many_writers.h"

namespace stemma::bench {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kParameters = 25557032;  // ResNet-50; LAMB keeps two more of each
constexpr int kForks = 1000;

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "family_bench: %s\n", status.message().c_str());
  std::exit(1);
}

void Print(const char* name, const std::vector<double>& values, double reference) {
  std::printf("{\"name\": \"%s\", \"values\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.8g", i ? ", " : "", values[i]);
  std::printf("], \"reference\": %.8g}\n", reference);
  std::fflush(stdout);
}

// What lies under `folder`: lengths of files, blocks of files and folders, bytes of packs.
struct Disk {
  double lengths = 0, blocks = 0, packs = 0;
};

Disk DiskOf(const std::string& folder) {
  Disk disk;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat about;
    if (lstat(entry.path().c_str(), &about) != 0) continue;  // a lease that has gone
    disk.blocks += 512.0 * static_cast<double>(about.st_blocks);
    if (!S_ISREG(about.st_mode)) continue;
    disk.lengths += static_cast<double>(about.st_size);
    if (entry.path().string().find("/objects/pack/") != std::string::npos) {
      disk.packs += static_cast<double>(about.st_size);
    }
  }
  return disk;
}

// What this process has given to write(), the files that a fork removes again included.
double BytesGiven() {
  std::ifstream file("/proc/self/io");
  std::string key;
  double value = -1;
  while (file >> key >> value) {
    if (key == "wchar:") return value;
  }
  Check({Code::kIo, "/proc/self/io cannot be read: the kernel counts no bytes"});
  return value;
}

class State final : public lineage::Source {
 public:
  State() {
    for (const char* section : {"params", "lamb.m", "lamb.v"}) {
      lineage::Span span;
      span.name = std::string(section) + "/all";
      span.section = section;
      span.shape = {kParameters};
      spans.push_back(span);
    }
  }
  Status Read(size_t span, uint64_t, uint64_t count, char* out) override {
    std::memset(out, 17 * static_cast<int>(span + 1), count);
    return {};
  }
  std::vector<lineage::Span> spans;
};

// The settings of a run, resolved, as a training stores them.
std::string Settings(const std::string& name) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  Check(list.Set("run.name=" + name));
  return models::ResolvedSettings(list);
}

// A state of ResNet-50 under LAMB, by the way that a training takes.
Result<lineage::StateId> CaptureOne(lineage::Store& store) {
  State state;
  SoloCohort cohort;
  STEMMA_ASSIGN_OR_RETURN(const auto writer, store.StartRun("base"));
  STEMMA_ASSIGN_OR_RETURN(const auto capturer,
                          lineage::Capturer::Create({}, store, writer.get(), writer->tmp_dir(),
                                                    state.spans, state, 0, 1));
  lineage::CaptureRequest request;
  request.record.step = 1000;
  request.record.metrics = {{"loss", 1.5}, {"lr", 0.1}, {"grad_norm", 2.5}};
  STEMMA_ASSIGN_OR_RETURN(request.record.settings, store.PutBlob(Settings("base")));
  STEMMA_ASSIGN_OR_RETURN(request.record.environment, store.PutBlob("{\"identity\": {}}"));
  STEMMA_RETURN_IF_ERROR(capturer->Capture(std::move(request)));
  STEMMA_ASSIGN_OR_RETURN(const auto durable, capturer->Finish(cohort));
  STEMMA_RETURN_IF_ERROR(writer->Close());
  return durable.back().id;
}

// The forks, each with settings of its own; fork_bytes by the counter of the kernel, fork_1000 by
// what lies in the folder.
Status Forks(const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const auto store,
                          lineage::Store::Open(path, true, lineage::PosixStorage()));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId parent, CaptureOne(*store));
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store->Load());
  const Disk before = DiskOf(path);
  std::vector<double> given;
  for (int i = 0; i < kForks; ++i) {
    const std::string name = "fork" + std::to_string(i);
    const std::string settings = Settings(name);
    const double begun = BytesGiven();
    STEMMA_RETURN_IF_ERROR(store->ForkWithSettings(graph, parent, name, {}, settings).status());
    given.push_back(BytesGiven() - begun);
  }
  const Disk after = DiskOf(path);
  if (after.packs != before.packs) return {Code::kInternal, "a fork wrote a pack"};
  const double blocks = (after.blocks - before.blocks) / kForks;
  std::printf(
      "one fork: %.0f bytes in files, %.0f in blocks of files and folders; its settings %zu"
      "\n",
      (after.lengths - before.lengths) / kForks, blocks, Settings("fork0").size());
  Print("fork_bytes", given, blocks);
  Print("fork_1000", {after.lengths / before.lengths}, after.blocks / before.blocks);
  return {};
}

Status Writers(const std::string& path) {
  const ManyWriters writers;
  STEMMA_ASSIGN_OR_RETURN(const ManyWritersReport report, WriteAtOnce(path, writers));
  for (const std::string& fault : report.faults) std::printf("%s\n", fault.c_str());
  std::printf("%d runs, %llu states: written in %.2f s, loaded in %.3f s\n",
              writers.processes * writers.runs_each, static_cast<unsigned long long>(report.states),
              report.write_s, report.load_s);
  const int promised = writers.processes * writers.runs_each * writers.states;
  const double missing = promised - static_cast<double>(report.states);
  Print("writers_1000", {static_cast<double>(report.faults.size()) + missing}, report.write_s);
  return {};
}

}  // namespace
}  // namespace stemma::bench

int main(int argc, char** argv) {
  using stemma::bench::Check;
  if (argc != 2) {
    std::fprintf(stderr, "usage: family_bench FOLDER\n");
    return 2;
  }
  const std::string folder = argv[1];
  Check(stemma::bench::Writers(folder + "/writers").Within("writers_1000"));  // forks: first
  Check(stemma::bench::Forks(folder + "/forks").Within("fork_1000"));
  return 0;
}
