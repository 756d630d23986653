#include "lineage/capturer.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "lineage/capture_job.h"
#include "lineage/capture_report.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/serial_worker.h"
#include "lineage/shards.h"
#include "lineage/store_impl.h"

namespace stemma::lineage {
namespace {

constexpr double kWaitSecondsMax = 600;  // of a copy or a write; a slower disk is down
// Of Finish's own: ranks without a pack wait in the exchange, whose deadline is the shorter one.
constexpr double kFinishRoundSeconds = 1;

using JobPtr = std::shared_ptr<CaptureJob>;  // shared: see capture_job.h

struct Slot {
  AlignedMemory memory;
  JobPtr job;  // who uses it until it has ended
};

class CapturerImpl final : public Capturer {
 public:
  CapturerImpl(CaptureContext context, LineageSettings settings, RunWriter* writer)
      : context_(std::move(context)), settings_(std::move(settings)), writer_(writer) {}

  ~CapturerImpl() override {
    const std::lock_guard<std::mutex> lock(room_.mutex);
    for (const JobPtr& job : in_flight_) job->mail.dropped = true;  // nobody will name their packs
  }

  Status AllocateSlots() {
    for (uint32_t writer = 0; writer < context_.writers; ++writer) {
      slot_bytes_ = std::max(
          slot_bytes_, PlanStage(context_.layout, context_.spans, writer, context_.writers).bytes);
    }
    slots_.resize(static_cast<size_t>(settings_.depth));
    for (Slot& slot : slots_) {
      slot.memory = AllocateAligned(slot_bytes_);
      if (slot.memory || slot_bytes_ == 0) continue;
      return {Code::kIo, "no memory for a copy of this rank's part of the state, " +
                             std::to_string(slot_bytes_) + " bytes: fewer ranks per host"};
    }
    return {};
  }

  Status Capture(CaptureRequest request) override {
    if (!sticky_.ok()) return sticky_;
    STEMMA_RETURN_IF_ERROR(WaitCopied());  // of the capture before: a Source has one reader
    const double begun = SteadySeconds();
    const JobPtr job = NewJob(std::move(request));
    in_flight_.push_back(job);
    Status ready = TakeSlot(job);
    if (ready.ok()) {
      CopyPart(context_, room_, *job, true);
      copier_.Post([this, job] { CopyThenWrite(job); });
    } else {
      EndJob(room_, *job, ready);
    }
    AddStall(job, SteadySeconds() - begun);
    return {};
  }

  Status WaitCopied() override {
    const double begun = SteadySeconds();
    std::vector<JobPtr> fresh;
    {
      std::unique_lock<std::mutex> lock(room_.mutex);
      for (const JobPtr& job : in_flight_) {
        if (!job->mail.verified) fresh.push_back(job);
      }
      for (const JobPtr& job : fresh) {
        STEMMA_RETURN_IF_ERROR(WaitFor(lock, job, &CaptureJob::Mailbox::copied));
        job->mail.verified = true;
      }
    }
    if (settings_.verify_fence) Verify(fresh);
    if (!fresh.empty()) AddStall(fresh.back(), SteadySeconds() - begun);
    return {};
  }

  CaptureBits Poll() override {
    CaptureBits bits;
    if (in_flight_.empty()) return bits;
    const PartReport report = ReportOf(*in_flight_.front());
    bits.written = report.state == PartState::kWritten;
    bits.failed = report.state == PartState::kFailed;
    bits.audit = report.audit;
    return bits;
  }

  Result<std::optional<Durable>> Advance(bool all_written, bool any_failed, bool audit_equal,
                                         Cohort& cohort) override {
    (void)audit_equal;  // the gathered digests are the newer news
    if (!sticky_.ok()) return sticky_;
    if (in_flight_.empty() || (!all_written && !any_failed)) return std::optional<Durable>();
    return Settle(cohort);
  }

  Result<std::vector<Durable>> Finish(Cohort& cohort) override {
    std::vector<Durable> all;
    while (!in_flight_.empty()) {
      if (!sticky_.ok()) return sticky_;
      {
        const JobPtr job = in_flight_.front();
        std::unique_lock<std::mutex> lock(room_.mutex);
        const Status ended = WaitFor(lock, job, &CaptureJob::Mailbox::ended, kFinishRoundSeconds);
        const bool down = SteadySeconds() - job->begun_s > kWaitSecondsMax;
        if (!ended.ok() && down && job->mail.status.ok()) job->mail.status = ended;
      }
      STEMMA_ASSIGN_OR_RETURN(std::optional<Durable> durable, Settle(cohort));
      if (durable) all.push_back(*std::move(durable));
    }
    if (!sticky_.ok()) return sticky_;
    return all;
  }

  const CaptureStats& stats() const override { return stats_; }
  const Status& last_failure() const override { return last_failure_; }

 private:
  JobPtr NewJob(CaptureRequest request) {
    const JobPtr job = std::make_shared<CaptureJob>();
    job->number = ++stats_.captures;
    job->record = std::move(request.record);
    job->begun_s = SteadySeconds();
    job->writer = WriterOf(context_.rank, context_.ranks, context_.writers, job->number);
    if (job->writer) {
      job->stage = PlanStage(context_.layout, context_.spans, *job->writer, context_.writers);
    }
    if (context_.ranks > 1) {  // the first capture proves the equal start on which all else rests
      job->sample.emplace(context_.spans, job->number, job->number == 1 ? 1 : kAuditEvery,
                          job->record.step);
    }
    return job;
  }

  // REQUIRES: `lock` holds room_.mutex.
  Status WaitFor(std::unique_lock<std::mutex>& lock, const JobPtr& job,
                 bool CaptureJob::Mailbox::*flag, double seconds = kWaitSecondsMax) {
    const auto patience = std::chrono::duration<double>(seconds);
    if (room_.news.wait_for(lock, patience, [&] { return (job->mail.*flag); })) return {};
    const int waited = static_cast<int>(SteadySeconds() - job->begun_s);
    return {Code::kTimeout, "capture " + std::to_string(job->number) + " at step " +
                                std::to_string(job->record.step) + " did not end in " +
                                std::to_string(waited) + " s"};
  }

  // At most `depth` copies are held; a further one waits until the oldest is on disk.
  Status TakeSlot(const JobPtr& job) {
    if (job->stage.bytes == 0) return {};
    job->slot = static_cast<size_t>(job->number % slots_.size());
    Slot& slot = slots_[job->slot];
    std::unique_lock<std::mutex> lock(room_.mutex);
    if (slot.job) STEMMA_RETURN_IF_ERROR(WaitFor(lock, slot.job, &CaptureJob::Mailbox::ended));
    slot.job = job;
    job->memory = slot.memory.get();
    return {};
  }

  void CopyThenWrite(const JobPtr& job) {
    CopyPart(context_, room_, *job, false);
    bool good = false;
    {
      const std::lock_guard<std::mutex> lock(room_.mutex);
      good = job->mail.status.ok();
    }
    if (!good || !job->writer) {
      EndJob(room_, *job, {});
      return;
    }
    disk_.Post([this, job] { WriteJob(context_, room_, *job); });
  }

  void Verify(const std::vector<JobPtr>& jobs) {
    for (const JobPtr& job : jobs) {
      if (!job->memory) continue;
      const Status same = CompareWithSource(context_, *job);
      const std::lock_guard<std::mutex> lock(room_.mutex);
      if (job->mail.status.ok()) job->mail.status = same;
    }
  }

  void AddStall(const JobPtr& job, double seconds) {
    const std::lock_guard<std::mutex> lock(room_.mutex);
    job->mail.timings.stall_s += seconds;
    stats_.stall_s += seconds;
  }

  PartReport ReportOf(CaptureJob& job) {
    const std::lock_guard<std::mutex> lock(room_.mutex);
    PartReport report;
    report.capture = job.number;
    if (ProvesShards(job)) report.held = EncodeHeld(context_.spans);
    report.audit = job.mail.audit;
    report.status = job.mail.status;
    if (!job.mail.status.ok()) {
      report.state = PartState::kFailed;
    } else if (job.mail.ended) {
      report.state = PartState::kWritten;
      report.has_pack = job.writer.has_value();
      report.pack = job.mail.pack;
    }
    return report;
  }

  // Who holds what does not change, so once is enough.
  bool ProvesShards(const CaptureJob& job) const { return context_.sharded && job.number == 1; }

  // A restart sweeps this job's files away; the reason is of more use than the missing file.
  void PreferFence(PartReport* mine) {
    const Status alone = writer_->CheckFence();
    if (alone.code() != Code::kIncompatible) return;
    mine->state = PartState::kFailed;
    mine->status = alone;
  }

  // What the control word said may be a step old; what is gathered here decides, alike on all
  // ranks.
  Result<std::optional<Durable>> Settle(Cohort& cohort) {
    const JobPtr job = in_flight_.front();
    PartReport mine = ReportOf(*job);
    if (writer_ && mine.state != PartState::kWorking) PreferFence(&mine);
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                            cohort.AllGather(EncodePart(mine)));
    std::vector<PartReport> reports;
    for (const std::string& text : texts) {
      STEMMA_ASSIGN_OR_RETURN(PartReport report, DecodePart(text));
      reports.push_back(std::move(report));
    }
    const PartState together = Together(reports);
    if (together == PartState::kWorking) return std::optional<Durable>();
    {  // a part that failed at once may still be copied: nobody asks for the fence afterwards
      std::unique_lock<std::mutex> lock(room_.mutex);
      STEMMA_RETURN_IF_ERROR(WaitFor(lock, job, &CaptureJob::Mailbox::copied));
    }
    in_flight_.pop_front();
    Status bad = together == PartState::kFailed ? FirstFailure(reports) : Status();
    if (bad.ok() && ProvesShards(*job)) bad = CheckShards(context_.layout, reports);
    if (!bad.ok()) {
      Drop(job);
      return Failed(*job, bad);
    }
    return Commit(job, reports, cohort);
  }

  Result<std::optional<Durable>> Commit(const JobPtr& job, const std::vector<PartReport>& reports,
                                        Cohort& cohort) {
    std::string payload, verdict;
    const std::string differing = Differing(reports);
    if (context_.rank == 0) {
      const Status appended = AppendRecord(*job, reports, differing, &payload);
      verdict = EncodeVerdict(appended, payload);
    }
    STEMMA_ASSIGN_OR_RETURN(verdict, cohort.Broadcast(std::move(verdict), 0));
    const Status decided = DecodeVerdict(verdict, &payload);
    if (!decided.ok()) return Failed(*job, decided);
    Durable durable;
    STEMMA_ASSIGN_OR_RETURN(durable.record, DecodeRecord(payload));
    durable.id = durable.record.id;
    durable.age_s = SteadySeconds() - job->begun_s;
    ++stats_.durable;
    stats_.bytes_written += job->mail.pack.bytes;  // ended: no worker touches it any more
    missed_ = 0;
    if (differing.empty()) return std::optional<Durable>(std::move(durable));
    sticky_ = {Code::kCorruption,
               "replicas differ at step " + std::to_string(job->record.step) + ": " + differing +
                   "; the state is kept as suspect and is no head; resume from the one before it"};
    return sticky_;
  }

  std::string Differing(const std::vector<PartReport>& reports) const {
    std::vector<uint64_t> digests;
    for (const PartReport& report : reports) digests.push_back(report.audit);
    return DifferingRanks(digests);
  }

  // Rank 0. The payload is what the log holds then.
  Status AppendRecord(CaptureJob& job, const std::vector<PartReport>& reports,
                      const std::string& differing, std::string* payload) {
    Record record = job.record;
    record.run = writer_->run();
    record.run_name = writer_->name();
    record.incarnation = writer_->incarnation();
    record.capture = job.number;
    record.layout = context_.layout.id();
    record.world = static_cast<uint32_t>(context_.ranks);
    record.logical_bytes = context_.layout.LogicalBytes(record.world);
    record.packs.clear();
    for (const PartReport& report : reports) {
      if (report.has_pack) record.packs.push_back(report.pack);
    }
    std::sort(record.packs.begin(), record.packs.end(),
              [](const PackRef& a, const PackRef& b) { return a.writer < b.writer; });
    STEMMA_RETURN_IF_ERROR(CheckPacks(record.packs, context_.writers));
    if (context_.ranks > 1) record.audit = differing.empty() ? "ok" : "suspect: " + differing;
    record.timings = job.mail.timings;  // ended: no worker touches it any more
    if (job.mail.ended_s > 0) record.timings.commit_lag_s = SteadySeconds() - job.mail.ended_s;
    record.wall_ms = internal::WallMs();
    STEMMA_ASSIGN_OR_RETURN(*payload, EncodeRecord(&record));
    return writer_->Append(record).status();
  }

  // Before any record: the packs have no name anywhere.
  void Drop(const JobPtr& job) {
    bool remove = false;
    {
      const std::lock_guard<std::mutex> lock(room_.mutex);
      job->mail.dropped = true;
      remove = job->mail.ended && !job->mail.pack.pack.empty();
    }
    if (remove) RemovePack(context_, job->mail.pack);
  }

  // All ranks come here alike. Only a disk's failure may be outlived; anything else would come
  // again. A full disk always is: it may have room before the next capture.
  Result<std::optional<Durable>> Failed(const CaptureJob& job, Status why) {
    ++stats_.failed;
    ++missed_;
    last_failure_ = std::move(why).Within("capture " + std::to_string(job.number) + " at step " +
                                          std::to_string(job.record.step));
    const bool disk = last_failure_.code() == Code::kIo && settings_.on_failure == "continue";
    const bool outlived = disk || IsNoSpace(last_failure_);
    if (outlived && missed_ < settings_.missed_captures_max) return std::optional<Durable>();
    sticky_ = last_failure_;
    return sticky_;
  }

  const CaptureContext context_;
  const LineageSettings settings_;
  RunWriter* const writer_;
  uint64_t slot_bytes_ = 0;

  // The loop's thread only.
  std::deque<JobPtr> in_flight_;
  std::vector<Slot> slots_;
  CaptureStats stats_;
  int64_t missed_ = 0;
  Status sticky_, last_failure_;

  CaptureRoom room_;
  SerialWorker disk_;
  SerialWorker copier_;  // last: it posts to disk_, so it ends first
};

Status CheckCreate(const LineageSettings& settings, const std::vector<Span>& spans, int rank,
                   int ranks, const RunWriter* writer) {
  if (rank < 0 || rank >= ranks) return {Code::kInternal, "rank is not below ranks"};
  if ((rank == 0) != (writer != nullptr)) {
    return {Code::kInternal, "rank 0, and nobody else, has the run's writer"};
  }
  if (settings.depth < 1 || settings.depth > 64) {
    return {Code::kInvalidArgument,
            "lineage.depth is " + std::to_string(settings.depth) + "; it must be 1 to 64"};
  }
  if (settings.on_failure != "stop" && settings.on_failure != "continue") {
    return {Code::kInvalidArgument,
            "lineage.on_failure is '" + settings.on_failure + "'; it must be stop or continue"};
  }
  if (settings.direct_io != "auto" && settings.direct_io != "on" && settings.direct_io != "off") {
    return {Code::kInvalidArgument,
            "lineage.direct_io is '" + settings.direct_io + "'; it must be auto, on or off"};
  }
  return CheckHeld(spans);
}

}  // namespace

Result<std::unique_ptr<Capturer>> Capturer::Create(const LineageSettings& settings, Store& store,
                                                   RunWriter* writer, const std::string& tmp_dir,
                                                   std::vector<Span> spans, Source& source,
                                                   int rank, int ranks) {
  STEMMA_RETURN_IF_ERROR(CheckCreate(settings, spans, rank, ranks, writer));
  STEMMA_ASSIGN_OR_RETURN(Layout layout, Layout::Of(spans));
  const std::optional<TmpFolder> folder = ParseTmp(BaseOf(tmp_dir));
  if (!folder) return Status(Code::kInternal, tmp_dir + " is no incarnation's tmp folder");
  if (rank == 0) STEMMA_RETURN_IF_ERROR(store.PutLayout(layout.bytes()).status());
  CaptureContext context{store, source, std::move(spans), std::move(layout), tmp_dir, folder->run};
  context.incarnation = folder->incarnation;
  context.rank = rank;
  context.ranks = ranks;
  context.per_rank = HasRole(context.spans, Role::kPerRank);
  context.sharded = HasRole(context.spans, Role::kSharded);
  context.writers = WritersFor(settings, context.layout, ranks);
  context.direct = settings.direct_io != "off";
  context.direct_required = settings.direct_io == "on";
  auto capturer = std::make_unique<CapturerImpl>(std::move(context), settings, writer);
  STEMMA_RETURN_IF_ERROR(capturer->AllocateSlots());
  return std::unique_ptr<Capturer>(std::move(capturer));
}

}  // namespace stemma::lineage
