#include "lineage/capture_job.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/shards.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kCopyTileBytes = 4 << 20;
constexpr int kWriteTries = 2;  // a failed fsync may have lost pages: the second try is a new file

Status CopyRanges(const CaptureJob& job, bool eager) {
  const CaptureContext& context = *job.context;
  for (const StageRange& range : job.stage.ranges) {
    if (range.eager != eager) continue;
    for (uint64_t done = 0; done < range.bytes; done += kCopyTileBytes) {
      const uint64_t bytes = std::min(kCopyTileBytes, range.bytes - done);
      Status read =
          context.source.Read(range.span, range.offset + done, bytes, job.memory + range.at + done);
      if (!read.ok())
        return std::move(read).Within("copy '" + context.spans[range.span].name + "'");
    }
  }
  return {};
}

PackIdentity IdentityOf(const CaptureJob& job, const PackDuty& duty) {
  const CaptureContext& context = *job.context;
  PackIdentity identity;
  identity.run = context.run;
  identity.incarnation = context.incarnation;
  identity.capture = job.number;
  identity.writer = duty.writer;
  identity.writers = duty.writers;
  const bool own = context.per_rank && duty.part != SpanPart::kFrozen;
  if (own) identity.ranks = {static_cast<uint32_t>(context.rank)};
  return identity;
}

struct Written {
  ObjectId id;
  double write_s = 0, sync_s = 0;
};

Result<Written> WriteTemporary(const CaptureJob& job, const PackPlan& plan,
                               const std::string& path) {
  const CaptureContext& context = *job.context;
  const double begun = SteadySeconds();
  WriteOptions options;
  options.reserve = plan.file_bytes;
  options.direct = context.direct;
  options.direct_required = context.direct_required;
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                          context.store.storage().Create(path, options));
  StagedCopy copy(job.stage, job.memory);
  Written written;
  STEMMA_ASSIGN_OR_RETURN(written.id, WritePack(plan, context.layout, copy, *file));
  const double wrote = SteadySeconds();
  STEMMA_RETURN_IF_ERROR(file->Sync());
  STEMMA_RETURN_IF_ERROR(file->Close());
  written.write_s = wrote - begun;
  written.sync_s = SteadySeconds() - wrote;
  return written;
}

// A name that is there already has this content, whoever put it there.
Status Publish(const CaptureContext& context, const std::string& temporary, const ObjectId& id,
               uint64_t bytes) {
  Storage& storage = context.store.storage();
  const std::string path = context.store.PackPath(id);
  if (!storage.Exists(path)) {
    STEMMA_RETURN_IF_ERROR(storage.Rename(temporary, path));
  } else {
    STEMMA_ASSIGN_OR_RETURN(const uint64_t size, storage.SizeOf(path));
    if (size != bytes) return {Code::kCorruption, path + " exists with another size; run fsck"};
    STEMMA_RETURN_IF_ERROR(storage.Remove(temporary));
  }
  Status synced = storage.SyncDir(ParentOf(path));
  // The name may be lost and a second fsync say nothing of it, so the next try makes it anew.
  // Nobody else's record names it: the content says run, incarnation, capture and writer.
  if (!synced.ok()) (void)storage.Remove(path);
  return synced;
}

Result<Written> WriteOnce(const CaptureJob& job, const PackDuty& duty, const PackPlan& plan,
                          int attempt) {
  const CaptureContext& context = *job.context;
  const std::string temporary = context.tmp_dir + "/" + std::to_string(job.number) +
                                (duty.part == SpanPart::kFrozen ? "-frozen-" : "-") +
                                std::to_string(duty.writer) + "-" + std::to_string(attempt);
  Result<Written> written = WriteTemporary(job, plan, temporary);
  if (!written.ok()) {
    (void)context.store.storage().Remove(temporary);
    return written;
  }
  const double begun = SteadySeconds();
  STEMMA_RETURN_IF_ERROR(Publish(context, temporary, written->id, plan.file_bytes));
  written->sync_s += SteadySeconds() - begun;
  return written;
}

Result<PackRef> WritePackOf(const CaptureJob& job, const PackDuty& duty, Timings* timings) {
  const CaptureContext& context = *job.context;
  const bool frozen = duty.part == SpanPart::kFrozen;
  STEMMA_ASSIGN_OR_RETURN(
      const PackPlan plan,
      PlanPack(context.layout, IdentityOf(job, duty),
               frozen ? std::vector<SpanRange>() : HeldBy(context.spans), duty.part));
  Status last;
  for (int attempt = 1; attempt <= kWriteTries; ++attempt) {
    Result<Written> written = WriteOnce(job, duty, plan, attempt);
    if (written.ok()) {
      timings->write_s += written->write_s;
      timings->sync_s += written->sync_s;
      return PackRef{duty.writer, duty.writers, written->id, plan.file_bytes};
    }
    last = written.status();
    if (last.code() != Code::kIo || IsNoSpace(last)) break;
  }
  return last;
}

// A full disk or a failed fsync costs this capture, as it does with a pack.
Status WriteLayout(const CaptureContext& context) {
  Status last;
  for (int attempt = 1; attempt <= kWriteTries; ++attempt) {
    last = context.store.PutLayout(context.layout.bytes()).status();
    if (last.code() != Code::kIo || IsNoSpace(last)) break;
  }
  return last;
}

// Which of the writers of a part `rank` is.
std::optional<uint32_t> WriterOf(int rank, int ranks, uint32_t writers, uint64_t number) {
  const uint64_t n = static_cast<uint64_t>(ranks);
  for (uint32_t i = 0; i < writers; ++i) {
    if ((number + i * n / writers) % n == static_cast<uint64_t>(rank)) return i;
  }
  return std::nullopt;
}

// What it says of layout, ranks and packs.
Status DescribeBytes(const CaptureJob& job, const std::vector<PartReport>& reports,
                     Record* record) {
  const CaptureContext& context = *job.context;
  record->layout = context.layout.id();
  record->world = static_cast<uint32_t>(context.ranks);
  record->logical_bytes = context.layout.LogicalBytes(record->world);
  STEMMA_ASSIGN_OR_RETURN(record->packs, GatherPacks(reports, &PartReport::pack, context.writers));
  std::vector<PackRef> frozen;
  if (job.writes_frozen) {
    STEMMA_ASSIGN_OR_RETURN(frozen,
                            GatherPacks(reports, &PartReport::frozen, context.frozen_writers));
  } else if (job.frozen) {
    frozen = job.frozen->packs();
  }
  record->frozen_packs = static_cast<uint32_t>(frozen.size());
  record->packs.insert(record->packs.end(), frozen.begin(), frozen.end());
  return {};
}

}  // namespace

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<PackDuty> DutiesOf(const CaptureContext& context, uint64_t number, bool writes_frozen) {
  std::vector<PackDuty> duties;
  const auto add = [&](SpanPart part, uint32_t writers) {
    const std::optional<uint32_t> writer = WriterOf(context.rank, context.ranks, writers, number);
    if (writer) duties.push_back({part, *writer, writers});
  };
  add(SpanPart::kChanging, context.writers);
  if (writes_frozen) add(SpanPart::kFrozen, context.frozen_writers);
  return duties;
}

bool EndJob(CaptureRoom& room, CaptureJob& job, const Status& status) {
  const std::lock_guard<std::mutex> lock(room.mutex);
  if (job.mail.status.ok()) job.mail.status = status;
  job.mail.copied = true;
  job.mail.ended = true;
  room.news.notify_all();
  return !job.mail.dropped;
}

void CopyPart(CaptureRoom& room, CaptureJob& job, bool eager) {
  const CaptureContext& context = *job.context;
  const double begun = SteadySeconds();
  Status status = CopyRanges(job, eager);
  if (status.ok() && job.sample) status = job.sample->Hash(context.source, eager);
  if (status.ok() && job.frozen && !eager) {
    status = job.frozen->Audit(context.source, context.rank, context.ranks, job.number);
  }
  const double spent = SteadySeconds() - begun;
  const std::lock_guard<std::mutex> lock(room.mutex);
  if (job.mail.status.ok()) job.mail.status = status;
  job.mail.timings.copy_s += spent;
  if (eager) return;
  job.mail.copied = true;
  if (job.sample && job.mail.status.ok()) job.mail.audit = job.sample->Digest();
  room.news.notify_all();
}

Status CompareWithSource(const CaptureJob& job) {
  const CaptureContext& context = *job.context;
  std::string now;
  for (const StageRange& range : job.stage.ranges) {
    if (range.eager) continue;
    for (uint64_t done = 0; done < range.bytes; done += kCopyTileBytes) {
      const uint64_t bytes = std::min(kCopyTileBytes, range.bytes - done);
      now.resize(bytes);
      STEMMA_RETURN_IF_ERROR(
          context.source.Read(range.span, range.offset + done, bytes, now.data()));
      if (std::memcmp(now.data(), job.memory + range.at + done, bytes) == 0) continue;
      return {Code::kInternal,
              "span '" + context.spans[range.span].name +
                  "' changed between the capture and the fence: something "
                  "other than the optimizer's step writes to it; declare it eager"};
    }
  }
  return {};
}

void WriteJob(CaptureRoom& room, CaptureJob& job) {
  std::optional<PackRef> changing, frozen;
  Timings timings;
  Status status;
  for (const PackDuty& duty : job.duties) {
    Result<PackRef> pack = WritePackOf(job, duty, &timings);
    status = pack.status();
    if (!status.ok()) break;
    (duty.part == SpanPart::kFrozen ? frozen : changing) = *std::move(pack);
  }
  if (status.ok() && job.writes_layout) status = WriteLayout(*job.context);
  {
    const std::lock_guard<std::mutex> lock(room.mutex);
    job.mail.pack = changing;
    job.mail.frozen = frozen;
    job.mail.timings.write_s = timings.write_s;
    job.mail.timings.sync_s = timings.sync_s;
    job.mail.ended_s = SteadySeconds();
  }
  if (!EndJob(room, job, status)) RemovePacks(job);
}

Status CaptureSlot::Fit(uint64_t wanted) {
  if (wanted == bytes) return {};
  memory.reset();
  memory = AllocateAligned(wanted);
  bytes = memory ? wanted : 0;
  if (bytes == wanted) return {};
  return {Code::kIo, "no memory for a copy of this rank's part of the state, " +
                         std::to_string(wanted) + " bytes: fewer ranks per host"};
}

bool ProvesShards(const CaptureJob& job) { return job.context->sharded && job.number == 1; }

PartReport ReportOf(CaptureRoom& room, const CaptureJob& job) {
  const std::lock_guard<std::mutex> lock(room.mutex);
  PartReport report;
  report.capture = job.number;
  report.layout = job.context->layout.id();
  if (ProvesShards(job)) report.held = EncodeHeld(job.context->spans);
  report.audit = job.mail.audit;
  report.status = job.mail.status;
  if (!job.mail.status.ok()) {
    report.state = PartState::kFailed;
  } else if (job.mail.ended) {
    report.state = PartState::kWritten;
    report.pack = job.mail.pack;
    report.frozen = job.mail.frozen;
  }
  return report;
}

Result<Record> RecordOf(CaptureRoom& room, const CaptureJob& job,
                        const std::vector<PartReport>& reports, const RunWriter& writer) {
  Record record = job.record;
  record.run = writer.run();
  record.run_name = writer.name();
  record.incarnation = writer.incarnation();
  record.capture = job.number;
  STEMMA_RETURN_IF_ERROR(DescribeBytes(job, reports, &record));
  if (job.context->ranks > 1) {
    record.audit = job.differing.empty() ? "ok" : "suspect: " + job.differing;
  }
  {
    const std::lock_guard<std::mutex> lock(room.mutex);
    record.timings = job.mail.timings;
    if (job.mail.ended_s > 0) record.timings.commit_lag_s = SteadySeconds() - job.mail.ended_s;
  }
  record.wall_ms = internal::WallMs();
  return record;
}

void CommitJob(CaptureRoom& room, CaptureJob& job, RunWriter& writer, Record record) {
  Result<std::string> payload = EncodeRecord(&record);
  if (!payload.ok()) return EndCommit(room, job, payload.status(), "");
  const Result<StateId> appended =
      job.frozen ? writer.AppendNaming(record, job.frozen->state(), job.frozen->packs())
                 : writer.Append(record);
  EndCommit(room, job, appended.status(), *std::move(payload));
}

void EndCommit(CaptureRoom& room, CaptureJob& job, Status status, std::string payload) {
  const std::lock_guard<std::mutex> lock(room.mutex);
  if (job.mail.committed) return;
  job.mail.commit = std::move(status);
  job.mail.payload = std::move(payload);
  job.mail.committed = true;
  room.news.notify_all();
}

void RemovePacks(const CaptureJob& job) {
  const Store& store = job.context->store;
  for (const std::optional<PackRef>& pack : {job.mail.pack, job.mail.frozen}) {
    if (pack) (void)store.storage().Remove(store.PackPath(pack->pack));
  }
}

}  // namespace stemma::lineage
