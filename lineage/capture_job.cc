#include "lineage/capture_job.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "lineage/names.h"
#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kCopyTileBytes = 4 << 20;
constexpr int kWriteTries = 2;  // a failed fsync may have lost pages: the second try is a new file

Status CopyRanges(const CaptureContext& context, const CaptureJob& job, bool eager) {
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

PackIdentity IdentityOf(const CaptureContext& context, const CaptureJob& job) {
  PackIdentity identity;
  identity.run = context.run;
  identity.incarnation = context.incarnation;
  identity.capture = job.number;
  identity.writer = *job.writer;
  identity.writers = context.writers;
  if (context.per_rank) identity.ranks = {static_cast<uint32_t>(context.rank)};
  return identity;
}

struct Written {
  ObjectId id;
  double write_s = 0, sync_s = 0;
};

Result<Written> WriteTemporary(const CaptureContext& context, const CaptureJob& job,
                               const PackPlan& plan, const std::string& path) {
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

Result<Written> WriteOnce(const CaptureContext& context, const CaptureJob& job,
                          const PackPlan& plan, int attempt) {
  const std::string temporary = context.tmp_dir + "/" + std::to_string(job.number) + "-" +
                                std::to_string(*job.writer) + "-" + std::to_string(attempt);
  Result<Written> written = WriteTemporary(context, job, plan, temporary);
  if (!written.ok()) {
    (void)context.store.storage().Remove(temporary);
    return written;
  }
  const double begun = SteadySeconds();
  STEMMA_RETURN_IF_ERROR(Publish(context, temporary, written->id, plan.file_bytes));
  written->sync_s += SteadySeconds() - begun;
  return written;
}

Status WritePackOf(const CaptureContext& context, const CaptureJob& job, PackRef* pack,
                   Timings* timings) {
  STEMMA_ASSIGN_OR_RETURN(const PackPlan plan, PlanPack(context.layout, IdentityOf(context, job),
                                                        HeldBy(context.spans)));
  Status last;
  for (int attempt = 1; attempt <= kWriteTries; ++attempt) {
    Result<Written> written = WriteOnce(context, job, plan, attempt);
    if (written.ok()) {
      *pack = {*job.writer, context.writers, written->id, plan.file_bytes};
      timings->write_s = written->write_s;
      timings->sync_s = written->sync_s;
      return {};
    }
    last = written.status();
    if (last.code() != Code::kIo || IsNoSpace(last)) break;
  }
  return last;
}

}  // namespace

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint32_t WritersFor(const LineageSettings& settings, const Layout& layout, int ranks) {
  for (const LayoutSpan& placed : layout.spans()) {
    const Role role = placed.span.role;
    if (role == Role::kPerRank || role == Role::kSharded) return static_cast<uint32_t>(ranks);
  }
  uint64_t bytes = 0;
  for (const LayoutSection& section : layout.sections()) bytes += section.bytes;
  const uint64_t least = static_cast<uint64_t>(std::max<int64_t>(1, settings.writer_bytes_min));
  return static_cast<uint32_t>(
      std::clamp<uint64_t>((bytes + least - 1) / least, 1, static_cast<uint64_t>(ranks)));
}

std::optional<uint32_t> WriterOf(int rank, int ranks, uint32_t writers, uint64_t number) {
  const uint64_t n = static_cast<uint64_t>(ranks);
  for (uint32_t i = 0; i < writers; ++i) {
    if ((number + i * n / writers) % n == static_cast<uint64_t>(rank)) return i;
  }
  return std::nullopt;
}

bool EndJob(CaptureRoom& room, CaptureJob& job, const Status& status) {
  const std::lock_guard<std::mutex> lock(room.mutex);
  if (job.mail.status.ok()) job.mail.status = status;
  job.mail.copied = true;
  job.mail.ended = true;
  room.news.notify_all();
  return !job.mail.dropped;
}

void CopyPart(const CaptureContext& context, CaptureRoom& room, CaptureJob& job, bool eager) {
  const double begun = SteadySeconds();
  Status status = CopyRanges(context, job, eager);
  if (status.ok() && job.sample) status = job.sample->Hash(context.source, eager);
  const double spent = SteadySeconds() - begun;
  const std::lock_guard<std::mutex> lock(room.mutex);
  if (job.mail.status.ok()) job.mail.status = status;
  job.mail.timings.copy_s += spent;
  if (eager) return;
  job.mail.copied = true;
  if (job.sample && job.mail.status.ok()) job.mail.audit = job.sample->Digest();
  room.news.notify_all();
}

Status CompareWithSource(const CaptureContext& context, const CaptureJob& job) {
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

void WriteJob(const CaptureContext& context, CaptureRoom& room, CaptureJob& job) {
  PackRef pack;
  Timings timings;
  const Status status = WritePackOf(context, job, &pack, &timings);
  {
    const std::lock_guard<std::mutex> lock(room.mutex);
    job.mail.pack = pack;
    job.mail.timings.write_s = timings.write_s;
    job.mail.timings.sync_s = timings.sync_s;
    job.mail.ended_s = SteadySeconds();
  }
  const bool wanted = EndJob(room, job, status);
  if (status.ok() && !wanted) RemovePack(context, pack);
}

void RemovePack(const CaptureContext& context, const PackRef& pack) {
  (void)context.store.storage().Remove(context.store.PackPath(pack.pack));
}

}  // namespace stemma::lineage
