#include "lineage/store_files.h"

#include <algorithm>
#include <utility>

#include "lineage/log.h"
#include "lineage/side_by_side.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

constexpr size_t kRunsPerThread = 32;

// A file that cannot be asked keeps length 0; reading it says why.
SegmentFile Measured(Storage& storage, std::string path) {
  const Result<uint64_t> bytes = storage.SizeOf(path);
  return {std::move(path), bytes.ok() ? *bytes : 0, !bytes.ok()};
}

SegmentFile MeasuredLog(Storage& storage, std::string path) {
  SegmentFile file = Measured(storage, std::move(path));
  if (file.bytes == 0) return file;
  Result<std::string> header =
      storage.ReadAt(file.path, 0, std::min(file.bytes, kSegmentHeaderBytes));
  file.torn = !header.ok();
  if (header.ok()) file.header = *std::move(header);
  return file;
}

void FindIncarnation(Storage& storage, const Paths& paths, const std::string& run,
                     IncarnationFiles* files) {
  const Result<std::vector<std::string>> names =
      storage.List(paths.IncarnationDir(run, files->number));
  if (!names.ok()) {
    files->fault = names.status().message();
    return;
  }
  std::vector<uint32_t> segments;
  for (const std::string& name : *names) {
    if (const auto number = ParseLogSegment(name)) segments.push_back(*number);
  }
  std::sort(segments.begin(), segments.end());
  for (const uint32_t segment : segments) {
    files->segments.push_back(MeasuredLog(storage, paths.LogSegment(run, files->number, segment)));
  }
}

// What is known of a store that was removed and made anew is wrong: its folders are gone.
Status FindRun(Storage& storage, const Paths& paths, const KnownRuns& known, RunFiles* run) {
  Result<std::vector<std::string>> names = Status(Code::kNotFound, "not known");
  if (const auto found = known.find(run->name); found != known.end()) {
    run->ulid = found->second;
    names = storage.List(paths.RunDir(run->ulid));
  }
  if (names.status().code() == Code::kNotFound) {
    STEMMA_ASSIGN_OR_RETURN(run->ulid, ReadRunOf(storage, paths, run->name));
    names = storage.List(paths.RunDir(run->ulid));
  }
  STEMMA_RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    if (const auto number = ParseIncarnation(name)) run->incarnations.push_back({*number, {}, ""});
  }
  std::sort(run->incarnations.begin(), run->incarnations.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  for (IncarnationFiles& incarnation : run->incarnations) {
    FindIncarnation(storage, paths, run->ulid, &incarnation);
  }
  return {};
}

bool Same(const std::vector<SegmentFile>& a, const std::vector<SegmentFile>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.bytes == y.bytes && x.path == y.path && x.header == y.header;
  });
}

bool Same(const RunFiles& a, const RunFiles& b) {
  if (!a.fault.empty() || !b.fault.empty() || a.name != b.name || a.ulid != b.ulid) return false;
  return std::equal(a.incarnations.begin(), a.incarnations.end(), b.incarnations.begin(),
                    b.incarnations.end(), [](const auto& x, const auto& y) {
                      return x.fault.empty() && y.fault.empty() && x.number == y.number &&
                             Same(x.segments, y.segments);
                    });
}

}  // namespace

Result<StoreFiles> FindFiles(Storage& storage, const Paths& paths, const KnownRuns& known,
                             size_t more, const std::function<void(size_t)>& meanwhile) {
  StoreFiles files;
  // Notes before logs: what they name was durable before them, so a log read later has it.
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> notes, storage.List(paths.NotesDir()));
  for (const std::string& name : notes) {
    if (!ParseNotesSegment(name)) continue;
    files.notes.push_back(Measured(storage, paths.NotesDir() + "/" + name));
  }
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(paths.NamesDir()));
  for (const std::string& name : names) {
    if (IsName(name)) files.runs.push_back({name, "", {}, ""});
  }
  SideBySide(more + files.runs.size(), kRunsPerThread, [&](size_t i) {
    if (i < more) return meanwhile(i);
    RunFiles& run = files.runs[i - more];
    run.fault = FindRun(storage, paths, known, &run).message();
  });
  return files;
}

bool SameFiles(const StoreFiles& a, const StoreFiles& b) {
  return Same(a.notes, b.notes) &&
         std::equal(a.runs.begin(), a.runs.end(), b.runs.begin(), b.runs.end(),
                    [](const auto& x, const auto& y) { return Same(x, y); });
}

void ForEachSegment(StoreFiles* files, const std::function<void(SegmentFile*)>& visit) {
  for (SegmentFile& file : files->notes) visit(&file);
  for (RunFiles& run : files->runs) {
    for (IncarnationFiles& incarnation : run.incarnations) {
      for (SegmentFile& file : incarnation.segments) visit(&file);
    }
  }
}

}  // namespace stemma::lineage::internal
