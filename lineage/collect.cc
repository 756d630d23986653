#include "lineage/collect.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/pack.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace {

class SteadyClock final : public GcClock {
 public:
  double Now() override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now).count();
  }
  void Sleep(double seconds) override {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }
};

// The epochs that have a folder in `dir`, ascending.
Result<std::vector<uint32_t>> EpochsIn(Storage& storage, const std::string& dir) {
  std::vector<uint32_t> epochs;
  Result<std::vector<std::string>> files = storage.List(dir);
  if (files.status().code() == Code::kNotFound) return epochs;
  STEMMA_RETURN_IF_ERROR(files.status());
  for (const std::string& file : *files) {
    if (const auto epoch = ParseEpoch(file)) epochs.push_back(*epoch);
  }
  std::sort(epochs.begin(), epochs.end());
  return epochs;
}

Status MakeFolder(Storage& storage, const std::string& path) {
  STEMMA_RETURN_IF_ERROR(internal::MakeDirIfMissing(storage, path));
  return storage.SyncDir(ParentOf(path));
}

struct PackFile {
  ObjectId pack;
  std::string path;
};

Result<std::vector<PackFile>> PacksIn(Storage& storage, const std::string& dir) {
  std::vector<PackFile> packs;
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage.List(dir));
  for (const std::string& file : files) {
    if (const auto pack = ParseObject(file)) packs.push_back({*pack, dir + "/" + file});
  }
  return packs;
}

uint64_t BytesAt(Storage& storage, const std::string& path) {
  const Result<uint64_t> bytes = storage.SizeOf(path);
  return bytes.ok() ? *bytes : 0;
}

}  // namespace

GcClock& MonotonicClock() {
  static GcClock* const clock = new SteadyClock();
  return *clock;
}

// What wants which pack. A state without a mark wants its packs, and so does a root; a mark alone
// gives them up.
Status Collector::Look() {
  STEMMA_ASSIGN_OR_RETURN(survey_, SurveyStore(store_, options_.grace_s));
  kept_ = survey_.facts.held;
  given_up_.clear();
  kept_.insert(survey_.elsewhere.begin(), survey_.elsewhere.end());
  const Roots roots(survey_.graph, survey_.facts);
  for (const auto& [id, record] : survey_.graph.states) {
    const std::string name = NameOfState(record);
    const std::string root = IsPruned(survey_.graph, id) ? roots.Why(id) : "not pruned";
    for (const PackRef& pack : record.packs) {
      if (root.empty()) {
        given_up_.emplace(pack.pack, "pruned " + name);
      } else {
        kept_.emplace(pack.pack, name + ": " + root);
      }
    }
  }
  return {};
}

Collector::Verdict Collector::Judge(const ObjectId& pack, const std::string& path) const {
  if (const auto kept = kept_.find(pack); kept != kept_.end()) return {false, false, kept->second};
  if (const auto free = given_up_.find(pack); free != given_up_.end()) {
    return {true, false, free->second};
  }
  return JudgeOrphan(path);
}

// A pack that no record names yet belongs to the incarnation that wrote it, as long as that may
// still write the record.
Collector::Verdict Collector::JudgeOrphan(const std::string& path) const {
  const Result<PackOwner> owner = ReadPackOwner(store_.storage(), path);
  if (!owner.ok()) return {false, true, "nobody knows who wrote it: " + owner.status().message()};
  std::string name = owner->run;
  for (const auto& [known, run] : survey_.graph.runs) {
    if (run.ulid == owner->run) name = known;
  }
  const std::string whose =
      "orphan of run " + name + ", incarnation " + std::to_string(owner->incarnation);
  const auto found = survey_.incarnations.find(IncarnationKey(owner->run, owner->incarnation));
  if (found == survey_.incarnations.end()) return {false, true, whose + ", which has no log here"};
  const std::optional<double> age = survey_.probe->Seconds(path);
  if (!age || *age <= options_.grace_s) return {false, true, whose + ", written just now"};
  const IncarnationFacts& facts = found->second;
  if (facts.closed) return {true, true, whose + ", which ended"};
  if (!facts.dead.empty()) return {true, true, whose + ", declared dead: " + facts.dead};
  if (facts.next.empty()) return {false, true, whose + ", which may be living"};
  const std::optional<double> since = survey_.probe->Seconds(facts.next);
  if (since && *since > options_.grace_s) return {true, true, whose + ", superseded"};
  return {false, true, whose + ", superseded just now"};
}

Status Collector::Watch(uint32_t epoch) const {
  Storage& storage = store_.storage();
  const auto beat = [&] {
    Result<std::string> bytes = storage.ReadBounded(paths_.EpochBeat(epoch), 1 << 16);
    return bytes.ok() ? *bytes : std::string();
  };
  const std::string first = beat();
  const double begun = clock_.Now();
  while (clock_.Now() - begun < options_.stale_s) {
    clock_.Sleep(options_.beat_s);
    if (storage.Exists(paths_.EpochDone(epoch))) return {};
    const std::string now = beat();
    if (now == first) continue;
    const Result<Notice> notice = DecodeNotice(now);
    return {Code::kInvalidArgument, "a collector is at work (epoch " + std::to_string(epoch) +
                                        (notice.ok() ? ", " + notice->who : "") +
                                        "): wait until it is done"};
  }
  return {};
}

// Step 0. Its folder is published whole, with our token in it, so a rename that was done and
// reported as failed is known as ours.
Status Collector::Claim() {
  Storage& storage = store_.storage();
  STEMMA_RETURN_IF_ERROR(MakeFolder(storage, paths_.GcDir()));
  STEMMA_ASSIGN_OR_RETURN(const auto epochs, EpochsIn(storage, paths_.GcDir()));
  const uint32_t newest = epochs.empty() ? 0 : epochs.back();
  if (newest > 0 && !storage.Exists(paths_.EpochDone(newest))) {
    STEMMA_RETURN_IF_ERROR(Watch(newest));
  }
  mine_.owner = NewUlid();
  mine_.who = internal::WhoAmI();
  mine_.wall_ms = internal::WallMs();
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, EncodeNotice(mine_));
  const uint32_t next = newest + 1;
  Status claimed = internal::ClaimFolder(storage, paths_, paths_.EpochDir(next),
                                         BaseOf(paths_.EpochBeat(next)), bytes);
  if (claimed.code() == Code::kInvalidArgument) {
    return {Code::kInvalidArgument, "another collector has just begun epoch " +
                                        std::to_string(next) + ": wait until it is done"};
  }
  STEMMA_RETURN_IF_ERROR(std::move(claimed));
  epoch_ = report_.epoch = next;
  STEMMA_RETURN_IF_ERROR(MakeFolder(storage, paths_.TrashDir()));
  return MakeFolder(storage, paths_.TrashOf(epoch_));
}

// Step 1. By rename: their former owner, should it wake up, finds nothing to unlink.
Status Collector::Adopt() {
  Storage& storage = store_.storage();
  STEMMA_ASSIGN_OR_RETURN(const auto epochs, EpochsIn(storage, paths_.TrashDir()));
  for (const uint32_t old : epochs) {
    if (old >= epoch_) continue;
    Result<std::vector<PackFile>> packs = PacksIn(storage, paths_.TrashOf(old));
    if (packs.status().code() == Code::kNotFound) continue;
    STEMMA_RETURN_IF_ERROR(packs.status());
    for (const PackFile& file : *packs) {
      const Status moved = storage.Rename(file.path, paths_.Trashed(epoch_, file.pack));
      if (moved.code() != Code::kNotFound) STEMMA_RETURN_IF_ERROR(moved);
    }
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(paths_.TrashOf(epoch_)));
    (void)storage.Remove(paths_.TrashOf(old));  // where it is empty
  }
  return {};
}

// Step 2, and the list that step 3 works through.
Status Collector::Mark() {
  STEMMA_RETURN_IF_ERROR(Look());
  leases_ = survey_.leases;
  marked_.clear();
  Storage& storage = store_.storage();
  for (const std::string& dir : paths_.ObjectDirs(ObjectKind::kPack)) {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<PackFile> packs, PacksIn(storage, dir));
    for (const PackFile& file : packs) {
      const Verdict verdict = Judge(file.pack, file.path);
      if (!verdict.goes && !verdict.orphan) continue;
      const GcPack pack{file.pack, BytesAt(storage, file.path), verdict.why};
      (verdict.goes ? marked_ : report_.orphans).push_back(pack);
    }
  }
  return {};
}

// Step 3. The plan is kept for whoever asks later what became of a pack. A rename leaves the pack
// one name or the other at any crash; the new one is durable before the old one's end is.
Status Collector::Trash() {
  Storage& storage = store_.storage();
  Notice plan = mine_;
  for (const GcPack& pack : marked_) {
    plan.objects.push_back(pack.pack);
    plan.bytes += pack.bytes;
  }
  plan.why = std::to_string(marked_.size()) + " packs that nothing wants";
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, EncodeNotice(plan));
  STEMMA_RETURN_IF_ERROR(WriteDurable(storage, paths_.EpochPlan(epoch_), bytes));
  std::set<std::string> folders;
  for (const GcPack& pack : marked_) {
    const std::string from = paths_.Object(ObjectKind::kPack, pack.pack);
    const Status moved = storage.Rename(from, paths_.Trashed(epoch_, pack.pack));
    if (moved.code() == Code::kNotFound) continue;  // another collector has it
    STEMMA_RETURN_IF_ERROR(moved);
    folders.insert(ParentOf(from));
  }
  trashed_at_ = clock_.Now();
  STEMMA_RETURN_IF_ERROR(storage.SyncDir(paths_.TrashOf(epoch_)));
  for (const std::string& folder : folders) STEMMA_RETURN_IF_ERROR(storage.SyncDir(folder));
  return Beat();
}

// Steps 4 and 6: look again at everything in our folder, and give back what somebody wants.
Status Collector::ReMark() {
  Storage& storage = store_.storage();
  STEMMA_RETURN_IF_ERROR(Look());
  STEMMA_ASSIGN_OR_RETURN(const auto packs, PacksIn(storage, paths_.TrashOf(epoch_)));
  doomed_.clear();
  for (const PackFile& file : packs) {
    const Verdict verdict = Judge(file.pack, file.path);
    const GcPack pack{file.pack, BytesAt(storage, file.path), verdict.why};
    if (verdict.goes) {
      doomed_.push_back(pack);
      continue;
    }
    const std::string home = paths_.Object(ObjectKind::kPack, file.pack);
    const Status moved = storage.Rename(file.path, home);
    if (moved.code() == Code::kNotFound) continue;  // whoever wants it was faster
    STEMMA_RETURN_IF_ERROR(moved);
    STEMMA_RETURN_IF_ERROR(storage.SyncDir(ParentOf(home)));
    report_.returned.push_back(pack);
  }
  return Beat();
}

// Step 5, on our monotonic clock, from the moment when the last rename of step 3 had returned. A
// lease is waited for too: whose beat stands still for a grace is dead.
Status Collector::Grace() {
  if (doomed_.empty() && leases_.empty()) return {};
  for (;;) {
    const double left = options_.grace_s - (clock_.Now() - trashed_at_);
    if (left <= 0) break;
    clock_.Sleep(std::min(left, options_.beat_s));
    STEMMA_RETURN_IF_ERROR(Beat());
  }
  waited_ = true;
  return {};
}

// Step 7. A pack that was taken back or adopted since is not in our folder any more.
Status Collector::Unlink() {
  for (const GcPack& pack : doomed_) {
    const Status removed = store_.storage().Remove(paths_.Trashed(epoch_, pack.pack));
    if (removed.code() == Code::kNotFound) continue;
    STEMMA_RETURN_IF_ERROR(removed);
    report_.freed.push_back(pack);
    report_.freed_bytes += pack.bytes;
  }
  const Status synced = store_.storage().SyncDir(paths_.TrashOf(epoch_));
  return synced.code() == Code::kNotFound ? Status() : synced;  // whoever adopted all removed it
}

Status Collector::Beat() {
  ++mine_.counter;
  return PutNotice(store_.storage(), paths_, paths_.EpochBeat(epoch_), mine_);
}

Status Collector::Finish() {
  Storage& storage = store_.storage();
  for (const auto& [ulid, beat] : leases_) {
    const auto now = survey_.leases.find(ulid);
    if (!waited_ || now == survey_.leases.end() || now->second != beat) continue;
    internal::RemoveFolderQuietly(storage, paths_.LeaseDir(ulid));
  }
  (void)storage.Remove(paths_.TrashOf(epoch_));
  Notice done = mine_;
  for (const GcPack& pack : report_.freed) done.objects.push_back(pack.pack);
  done.bytes = report_.freed_bytes;
  done.why = "freed " + std::to_string(report_.freed.size()) + " packs";
  done.wall_ms = internal::WallMs();
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, EncodeNotice(done));
  return WriteDurable(storage, paths_.EpochDone(epoch_), bytes);
}

Result<GcReport> Collector::Run() {
  STEMMA_RETURN_IF_ERROR(Claim());
  STEMMA_RETURN_IF_ERROR(Adopt());
  STEMMA_RETURN_IF_ERROR(Mark());
  STEMMA_RETURN_IF_ERROR(Trash());
  STEMMA_RETURN_IF_ERROR(ReMark());
  STEMMA_RETURN_IF_ERROR(Grace());
  STEMMA_RETURN_IF_ERROR(ReMark());
  STEMMA_RETURN_IF_ERROR(Unlink());
  STEMMA_RETURN_IF_ERROR(Finish());
  return std::move(report_);
}

Result<GcReport> Collector::Plan() {
  STEMMA_RETURN_IF_ERROR(Mark());
  report_.freed = marked_;
  Storage& storage = store_.storage();
  STEMMA_ASSIGN_OR_RETURN(const auto epochs, EpochsIn(storage, paths_.TrashDir()));
  for (const uint32_t epoch : epochs) {
    STEMMA_ASSIGN_OR_RETURN(const auto packs, PacksIn(storage, paths_.TrashOf(epoch)));
    for (const PackFile& file : packs) {
      const Verdict verdict = Judge(file.pack, file.path);
      const GcPack pack{file.pack, BytesAt(storage, file.path), verdict.why};
      (verdict.goes ? report_.freed : report_.returned).push_back(pack);
    }
  }
  for (const GcPack& pack : report_.freed) report_.freed_bytes += pack.bytes;
  return std::move(report_);
}

Result<GcReport> PlanGc(const Store& store, const GcOptions& options) {
  return Collector(store, options, MonotonicClock()).Plan();
}

Result<GcReport> CollectGarbage(const Store& store, const GcOptions& options, GcClock& clock) {
  return Collector(store, options, clock).Run();
}

}  // namespace stemma::lineage
