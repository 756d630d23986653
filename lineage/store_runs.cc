#include <unistd.h>

#include <algorithm>

#include "core/bytes.h"
#include "lineage/record_codec.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

class RunWriterImpl final : public RunWriter {
 public:
  RunWriterImpl(Storage& storage, const Paths& paths, Begun begun)
      : storage_(storage), paths_(paths), begun_(std::move(begun)) {}

  const std::string& run() const override { return begun_.run; }
  const std::string& name() const override { return begun_.name; }
  uint32_t incarnation() const override { return begun_.incarnation; }
  std::string tmp_dir() const override { return paths_.TmpOf(begun_.run, begun_.incarnation); }

  Result<StateId> Append(Record record) override {
    STEMMA_ASSIGN_OR_RETURN(const std::string payload, Encode(&record));
    STEMMA_RETURN_IF_ERROR(CheckObjects(storage_, paths_, record));
    STEMMA_RETURN_IF_ERROR(CheckFence());
    return AppendState(record, payload);
  }

  // The order of store_fork.cc: intent, verify, record. No lease: it would save a collector some
  // work at every capture's cost, and the packs are in use all the time, mostly by a head.
  Result<StateId> AppendNaming(Record record, const StateId& of,
                               const std::vector<PackRef>& packs) override {
    STEMMA_ASSIGN_OR_RETURN(const std::string payload, Encode(&record));
    IntentEntry intent{of, {}, "capture " + begun_.name, WallMs()};
    for (const PackRef& pack : packs) intent.objects.push_back(pack.pack);
    STEMMA_ASSIGN_OR_RETURN(const std::string promise, EncodeIntent(intent));
    STEMMA_RETURN_IF_ERROR(begun_.log->Append(FrameType::kIntent, promise));
    const uint32_t segment = begun_.log->segment();
    Status there = CheckFence();
    for (const PackRef& pack : packs) {
      const bool lies_here = storage_.Exists(paths_.Object(ObjectKind::kPack, pack.pack));
      if (there.ok() && !lies_here) there = Resurrect(storage_, paths_, pack.pack);
    }
    if (there.ok()) there = CheckObjects(storage_, paths_, record);
    if (!there.ok()) return Withdraw(record.id, std::move(there));
    STEMMA_RETURN_IF_ERROR(AppendState(record, payload).status());
    Status open = CheckIntentOpen(segment);
    if (open.ok()) return record.id;
    return Withdraw(record.id, std::move(open));
  }

  Status CheckFence() override {
    STEMMA_ASSIGN_OR_RETURN(const uint32_t newest, NewestIncarnation(storage_, paths_, begun_.run));
    if (newest <= begun_.incarnation) return {};
    return {Code::kIncompatible, "fenced: incarnation " + std::to_string(newest) + " of run '" +
                                     begun_.name + "' has begun, and this process is incarnation " +
                                     std::to_string(begun_.incarnation) +
                                     "; two jobs work on one run: end this one"};
  }

  Status Close() override {
    STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeClose({"done", WallMs()}));
    STEMMA_RETURN_IF_ERROR(begun_.log->Append(FrameType::kClose, payload));
    RemoveFolderQuietly(storage_, tmp_dir());
    return begun_.log->Close();
  }

 private:
  Result<std::string> Encode(Record* record) const {
    record->run = begun_.run;
    record->run_name = begun_.name;
    record->incarnation = begun_.incarnation;
    if (record->wall_ms == 0) record->wall_ms = WallMs();
    return EncodeRecord(record);
  }

  Result<StateId> AppendState(const Record& record, const std::string& payload) {
    STEMMA_RETURN_IF_ERROR(begun_.log->Append(FrameType::kState, payload));
    Status after = CheckFence();
    if (after.ok()) after = CheckObjects(storage_, paths_, record);
    if (after.ok()) return record.id;
    return Withdraw(record.id, std::move(after));
  }

  // A closing entry lies in a segment of a later number (repair/intents.h), where this writer's
  // own next one may lie as well.
  Status CheckIntentOpen(uint32_t segment) const {
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                            storage_.List(paths_.IncarnationDir(begun_.run, begun_.incarnation)));
    for (const std::string& file : files) {
      const uint32_t other = ParseLogSegment(file).value_or(0);
      if (other <= segment || other == begun_.log->segment()) continue;
      return {Code::kIncompatible,
              "somebody took this process for dead and closed its intent: start it again"};
    }
    return {};
  }

  Result<StateId> Withdraw(const StateId& id, Status why) {
    Result<std::string> payload = EncodeWithdrawn({id, why.message(), WallMs()});
    if (!payload.ok()) return payload.status();
    const Status appended = begun_.log->Append(FrameType::kWithdrawn, *payload);
    if (appended.ok()) return std::move(why).Within("state withdrawn");
    return std::move(why).Within(
        "state in doubt (it could not be withdrawn: " + appended.message() + ")");
  }

  Storage& storage_;
  const Paths paths_;
  Begun begun_;
};

// mkdir decides. A claim that was granted and reported as "exists" only costs its number.
Result<uint32_t> ClaimIncarnation(Storage& storage, const Paths& paths, const std::string& run) {
  STEMMA_ASSIGN_OR_RETURN(const uint32_t newest, NewestIncarnation(storage, paths, run));
  for (uint32_t next = newest + 1; next <= newest + kClaimsMax; ++next) {
    Status made = storage.MakeDir(paths.IncarnationDir(run, next));
    if (made.code() == Code::kInvalidArgument) continue;
    if (made.ok()) made = storage.SyncDir(paths.RunDir(run));
    if (!made.ok()) return made;
    return next;
  }
  return Status(Code::kIo, paths.RunDir(run) + ": no incarnation could be claimed in " +
                               std::to_string(kClaimsMax) + " tries");
}

// Packs that older incarnations left half-written: nothing will name them. A fenced process that is
// still writing there fails at its rename, as it must.
void SweepTmp(Storage& storage, const Paths& paths, const std::string& run, uint32_t before) {
  Result<std::vector<std::string>> names = storage.List(paths.TmpDir());
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::optional<TmpFolder> folder = ParseTmp(name);
    if (!folder || folder->run != run || folder->incarnation >= before) continue;
    RemoveFolderQuietly(storage, paths.TmpDir() + "/" + name);
  }
}

}  // namespace

Result<uint32_t> NewestIncarnation(Storage& storage, const Paths& paths, const std::string& run) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(paths.RunDir(run)));
  uint32_t newest = 0;
  for (const std::string& name : names)
    newest = std::max(newest, ParseIncarnation(name).value_or(0));
  return newest;
}

Result<std::string> ReadRunOf(Storage& storage, const Paths& paths, const std::string& name) {
  STEMMA_ASSIGN_OR_RETURN(const std::string text,
                          storage.ReadBounded(paths.NameRunFile(name), kSmallFileMax));
  const std::string run = Trimmed(text);
  if (IsUlid(run)) return run;
  return Status(Code::kCorruption, paths.NameRunFile(name) + " holds no run's ulid");
}

OpenEntry OpenEntryFor(const Begun& begun) {
  OpenEntry open;
  open.run = begun.run;
  open.run_name = begun.name;
  open.incarnation = begun.incarnation;
  open.host = HostName();
  open.pid = static_cast<uint64_t>(getpid());
  open.program = "stemma";
  open.wall_ms = WallMs();
  return open;
}

Status BeginLog(Storage& storage, const Paths& paths, Begun* begun) {
  auto path_of = [paths, run = begun->run, incarnation = begun->incarnation](uint32_t segment) {
    return paths.LogSegment(run, incarnation, segment);
  };
  STEMMA_ASSIGN_OR_RETURN(begun->log, LogWriter::Create(storage, SegmentKind::kLog, path_of));
  STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeOpen(OpenEntryFor(*begun)));
  return begun->log->Append(FrameType::kOpen, payload);
}

Status StoreImpl::CheckNameFree(const std::string& name) const {
  STEMMA_RETURN_IF_ERROR(CheckName("run", name));
  if (!storage_.Exists(paths_.NameRunFile(name))) return {};
  return {Code::kInvalidArgument,
          "a run called '" + name + "' exists in " + paths_.root() + ": choose another name"};
}

// The `name` file is for people, and its content is in the log too: it may be lost with the power.
Result<Begun> StoreImpl::MakeRun(const std::string& name) {
  Begun begun;
  begun.run = NewUlid();
  begun.name = name;
  begun.incarnation = 1;
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage_, paths_.RunDir(begun.run)));
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage_, paths_.IncarnationDir(begun.run, 1)));
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage_.Create(paths_.RunNameFile(begun.run), {}));
  STEMMA_RETURN_IF_ERROR(file->Append(name + "\n"));
  STEMMA_RETURN_IF_ERROR(file->Close());
  return begun;
}

// Whoever finds the name finds the run: its folder, and in it the incarnation's.
Status StoreImpl::SyncRun(const Begun& begun) {
  STEMMA_RETURN_IF_ERROR(storage_.SyncDir(paths_.RunDir(begun.run)));
  return storage_.SyncDir(paths_.RunsDir());
}

Result<Claim> StoreImpl::PrepareName(const Begun& begun) {
  return Claim::Prepare(storage_, paths_, BaseOf(paths_.NameRunFile(begun.name)), begun.run + "\n");
}

Status StoreImpl::PublishName(const Begun& begun, Claim* claim) {
  Status claimed = claim->Publish(paths_.NameDir(begun.name));
  if (claimed.code() != Code::kInvalidArgument) return claimed;
  return {Code::kInvalidArgument,
          "a run called '" + begun.name + "' was begun by somebody else just now"};
}

Result<std::unique_ptr<RunWriter>> StoreImpl::StartRun(const std::string& name) {
  STEMMA_RETURN_IF_ERROR(CheckNameFree(name));
  STEMMA_ASSIGN_OR_RETURN(Begun begun, MakeRun(name));
  STEMMA_ASSIGN_OR_RETURN(Claim claim, PrepareName(begun));
  STEMMA_RETURN_IF_ERROR(BeginLog(storage_, paths_, &begun));
  STEMMA_RETURN_IF_ERROR(claim.Sync());
  STEMMA_RETURN_IF_ERROR(SyncRun(begun));
  STEMMA_RETURN_IF_ERROR(PublishName(begun, &claim));
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage_, paths_.TmpOf(begun.run, 1)));
  return std::unique_ptr<RunWriter>(
      std::make_unique<RunWriterImpl>(storage_, paths_, std::move(begun)));
}

// What a dead process named may not be durable yet, so its folders are synced before anything rests
// on them.
Result<std::unique_ptr<RunWriter>> StoreImpl::NextIncarnation(const std::string& name) {
  STEMMA_RETURN_IF_ERROR(CheckName("run", name));
  Begun begun;
  begun.name = name;
  Result<std::string> run = ReadRunOf(storage_, paths_, name);
  if (!run.ok()) return Status(run.status()).Within("no run is called '" + name + "'");
  begun.run = *run;
  STEMMA_RETURN_IF_ERROR(storage_.SyncDir(paths_.NamesDir()));
  STEMMA_RETURN_IF_ERROR(storage_.SyncDir(paths_.RunsDir()));
  STEMMA_ASSIGN_OR_RETURN(begun.incarnation, ClaimIncarnation(storage_, paths_, begun.run));
  STEMMA_RETURN_IF_ERROR(BeginLog(storage_, paths_, &begun));
  SweepTmp(storage_, paths_, begun.run, begun.incarnation);
  STEMMA_RETURN_IF_ERROR(MakeDirIfMissing(storage_, paths_.TmpOf(begun.run, begun.incarnation)));
  return std::unique_ptr<RunWriter>(
      std::make_unique<RunWriterImpl>(storage_, paths_, std::move(begun)));
}

}  // namespace stemma::lineage::internal
