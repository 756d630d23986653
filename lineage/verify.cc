#include "lineage/verify.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/coverage.h"
#include "lineage/layout.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kRangeChunks = 64;  // that a thread takes at a time: 64 MiB

uint64_t CountOf(const PackChunks& chunks) {
  return (chunks.bytes + kChunkBytes - 1) / kChunkBytes;
}

// Chunks [first, last) through `buffer`, which has room for one.
Status VerifyChunks(ReadableFile& file, const PackReader& pack, uint64_t first, uint64_t last,
                    char* buffer, std::vector<BadRange>* bad) {
  const PackChunks chunks = pack.chunks();
  for (uint64_t i = first; i < last; ++i) {
    const uint64_t at = i * kChunkBytes;
    const uint64_t bytes = std::min(kChunkBytes, chunks.bytes - at);
    STEMMA_RETURN_IF_ERROR(file.Read(chunks.begin + at, bytes, buffer));
    if (Xxh128({buffer, bytes}) == chunks.digests.substr(i * kXxh128Bytes, kXxh128Bytes)) continue;
    const uint64_t begin = chunks.begin + at;
    bad->push_back({begin, begin + bytes, pack.TensorsIn(begin, begin + bytes)});
  }
  return {};
}

// One pack of the states in question.
struct PackWork {
  ObjectId id;
  std::string path;
  uint64_t bytes = 0;  // as the record says
  std::vector<StateId> states;
  std::shared_ptr<const Layout> layout;  // outlives the reader
  std::unique_ptr<PackReader> reader;    // null: `broken` says why
  std::unique_ptr<ReadableFile> file;
  Status broken;
};

// A part of a pack, and what was found in it. Only the thread that took it touches it.
struct RangeWork {
  PackWork* pack = nullptr;
  uint64_t first = 0, last = 0;
  std::vector<BadRange> bad;
  Status status;
};

// Every state that has the pack: those in question first, then all others that share it.
std::vector<StateId> Sharing(const Graph& graph, const PackWork& work) {
  std::vector<StateId> states = work.states;
  for (const auto& [id, record] : graph.states) {
    const bool has = std::any_of(record.packs.begin(), record.packs.end(),
                                 [&](const PackRef& ref) { return ref.pack == work.id; });
    const bool known = std::find(work.states.begin(), work.states.end(), id) != work.states.end();
    if (has && !known) states.push_back(id);
  }
  return states;
}

// A collector may have moved it to its trash: whoever wants a pack takes it back.
Result<uint64_t> SizeOfPack(const Store& store, const Record& record, const std::string& path) {
  Result<uint64_t> size = store.storage().SizeOf(path);
  if (size.status().code() != Code::kNotFound) return size;
  if (!store.EnsurePacks(record, IfPruned::kRefuse).ok()) return size;
  return store.storage().SizeOf(path);
}

Status OpenWork(const Store& store, const Record& record, const ObjectId& id, PackWork* work) {
  STEMMA_ASSIGN_OR_RETURN(const uint64_t size, SizeOfPack(store, record, work->path));
  if (size != work->bytes) {
    return {Code::kCorruption,
            std::to_string(size) + " bytes, the record says " + std::to_string(work->bytes)};
  }
  STEMMA_ASSIGN_OR_RETURN(work->reader,
                          PackReader::Open(store.storage(), work->path, id, *work->layout));
  STEMMA_ASSIGN_OR_RETURN(work->file, store.storage().OpenToRead(work->path));
  return {};
}

// The states' packs, each once, with what is wrong before a byte of data is read.
class Plan {
 public:
  Plan(const Store& store, const Graph& graph, VerifyReport* report)
      : store_(store), graph_(graph), report_(report) {}

  void Add(const Record& record) {
    ++report_->states;
    CheckBlob(record, "settings", record.settings.blob);
    CheckBlob(record, "environment", record.environment);
    const std::shared_ptr<const Layout> layout = LayoutFor(record);
    if (!layout) return;
    std::vector<PackPiece> pieces;
    bool whole = true;
    for (const PackRef& ref : record.packs) {
      PackWork& work = WorkFor(record, ref, layout);
      work.states.push_back(record.id);
      whole = whole && work.reader != nullptr;
      if (!work.reader) continue;
      pieces.insert(pieces.end(), work.reader->pieces().begin(), work.reader->pieces().end());
    }
    if (!whole) return;
    const Status covered = CheckCoverage(*layout, RanksHeld(record), std::move(pieces));
    if (!covered.ok()) report_->damaged.push_back({{record.id}, "", {}, covered.message()});
  }

  std::vector<RangeWork> Ranges() {
    std::vector<RangeWork> ranges;
    for (auto& [id, work] : packs_) {
      ++report_->packs;
      if (!work.reader) {
        report_->damaged.push_back(
            {Sharing(graph_, work), work.path, {}, work.broken.message(), work.broken.code()});
        continue;
      }
      report_->bytes += work.bytes;
      const uint64_t count = CountOf(work.reader->chunks());
      for (uint64_t first = 0; first < count; first += kRangeChunks) {
        ranges.push_back({&work, first, std::min(count, first + kRangeChunks), {}, {}});
      }
    }
    return ranges;
  }

 private:
  std::shared_ptr<const Layout> LayoutFor(const Record& record) {
    const auto known = layouts_.find(record.layout);
    if (known != layouts_.end() && known->second) return known->second;
    Result<std::string> bytes = store_.GetLayout(record.layout);
    Result<Layout> decoded = bytes.ok() ? Layout::Decode(*bytes) : Result<Layout>(bytes.status());
    if (decoded.ok()) {
      return layouts_[record.layout] = std::make_shared<const Layout>(*std::move(decoded));
    }
    AddObject(record, "layout", decoded.status());
    return nullptr;
  }

  // Of many states that name it, each gets its own line: few are shared by damaged ones.
  void CheckBlob(const Record& record, const char* what, const ObjectId& id) {
    if (id.empty()) return;
    const auto [known, fresh] = blobs_.try_emplace(id);
    if (fresh) known->second = store_.GetBlob(id).status();
    if (!known->second.ok()) AddObject(record, what, known->second);
  }

  void AddObject(const Record& record, const std::string& what, const Status& why) {
    report_->damaged.push_back({{record.id}, "", {}, what + ": " + why.message(), why.code()});
  }

  PackWork& WorkFor(const Record& record, const PackRef& ref,
                    const std::shared_ptr<const Layout>& layout) {
    const auto [at, fresh] = packs_.try_emplace(ref.pack);
    PackWork& work = at->second;
    if (!fresh) return work;
    work.id = ref.pack;
    work.path = store_.PackPath(ref.pack);
    work.bytes = ref.bytes;
    work.layout = layout;
    work.broken = OpenWork(store_, record, ref.pack, &work);
    if (!work.broken.ok()) work.reader.reset();
    return work;
  }

  const Store& store_;
  const Graph& graph_;
  VerifyReport* const report_;
  std::map<ObjectId, std::shared_ptr<const Layout>> layouts_;
  std::map<ObjectId, Status> blobs_;
  std::map<ObjectId, PackWork> packs_;  // addresses stay
};

void Run(std::vector<RangeWork>* ranges, int jobs) {
  const size_t threads = std::min(ranges->size(), static_cast<size_t>(std::max(1, jobs)));
  std::atomic<size_t> next{0};
  const auto work = [&] {
    std::vector<char> buffer(kChunkBytes);
    for (size_t i = next++; i < ranges->size(); i = next++) {
      RangeWork& range = (*ranges)[i];
      range.status = VerifyChunks(*range.pack->file, *range.pack->reader, range.first, range.last,
                                  buffer.data(), &range.bad);
    }
  };
  std::vector<std::thread> others;
  try {
    for (size_t i = 1; i < threads; ++i) others.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those that there are do all of it.
  }
  work();
  for (std::thread& thread : others) thread.join();
}

}  // namespace

Result<std::vector<BadRange>> VerifyPack(Storage& storage, const std::string& path,
                                         const PackReader& pack) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, storage.OpenToRead(path));
  std::vector<char> buffer(kChunkBytes);
  std::vector<BadRange> bad;
  STEMMA_RETURN_IF_ERROR(VerifyChunks(*file, pack, 0, CountOf(pack.chunks()), buffer.data(), &bad));
  return bad;
}

Result<VerifyReport> VerifyStates(const Store& store, const Graph& graph,
                                  const std::vector<StateId>& ids, const VerifyOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  VerifyReport report;
  Plan plan(store, graph, &report);
  for (const StateId& id : ids) {
    const auto found = graph.states.find(id);
    if (found == graph.states.end()) {
      return Status(Code::kNotFound, "no state " + Hex(id).substr(0, 16) + " in the store");
    }
    plan.Add(found->second);
  }
  std::vector<RangeWork> ranges = plan.Ranges();
  if (!options.data) ranges.clear();
  Run(&ranges, options.jobs);
  for (const RangeWork& range : ranges) {
    const PackWork& pack = *range.pack;
    for (const BadRange& bad : range.bad) {
      report.damaged.push_back({Sharing(graph, pack), pack.path, bad,
                                "bytes [" + std::to_string(bad.begin) + ", " +
                                    std::to_string(bad.end) + "): " + bad.tensors});
    }
    if (range.status.ok()) continue;
    report.damaged.push_back(
        {Sharing(graph, pack), pack.path, {}, range.status.message(), range.status.code()});
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return report;
}

}  // namespace stemma::lineage
