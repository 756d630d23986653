#include "lineage/capturer.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "lineage/capture_job.h"
#include "lineage/capture_report.h"
#include "lineage/record_codec.h"
#include "lineage/serial_worker.h"
#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

constexpr double kWaitSecondsMax = 600;  // of a copy or a write; a slower disk is down
// Of Finish's own: ranks without a pack wait in the exchange, whose deadline is the shorter one.
constexpr double kFinishRoundSeconds = 1;

constexpr char kAppending[] = "-";  // no verdict is so short

using ContextPtr = std::shared_ptr<const CaptureContext>;
using JobPtr = std::shared_ptr<CaptureJob>;  // shared: see capture_job.h

class CapturerImpl final : public Capturer {
 public:
  CapturerImpl(ContextPtr context, LineageSettings settings, RunWriter* writer)
      : settings_(std::move(settings)), writer_(writer) {
    Use(std::move(context));
    stored_layout_ = context_->layout.id();
  }

  ~CapturerImpl() override {
    const std::lock_guard<std::mutex> lock(room_.mutex);
    for (const JobPtr& job : in_flight_) job->mail.dropped = true;  // nobody will name their packs
  }

  // So that a lack of memory shows before the training begins.
  Status AllocateSlots() {
    slots_.resize(static_cast<size_t>(settings_.depth));
    for (CaptureSlot& slot : slots_) STEMMA_RETURN_IF_ERROR(slot.Fit(slot_bytes_));
    return {};
  }

  // Later states name that one's frozen packs again, where the layout is the same.
  void GoOnFrom(const Record& record) {
    if (record.frozen_packs == 0 || record.layout != context_->layout.id()) return;
    frozen_ = std::make_shared<FrozenSet>(context_->store, record, context_->layout);
  }

  Status Capture(CaptureRequest request) override {
    if (!sticky_.ok()) return sticky_;
    Status ready = WaitCopied();  // of the capture before: a Source has one reader
    const double begun = SteadySeconds();
    if (!request.spans.empty()) {
      STEMMA_ASSIGN_OR_RETURN(ContextPtr now,
                              WithSpans(settings_, *context_, std::move(request.spans)));
      if (now->layout.id() != context_->layout.id()) Use(std::move(now));
    }
    const JobPtr job = NewJob(std::move(request.record));
    in_flight_.push_back(job);
    if (ready.ok()) ready = TakeSlot(job);
    if (ready.ok()) {
      CopyPart(room_, *job, true);
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
    const JobPtr job = in_flight_.front();
    const PartReport report = ReportOf(room_, *job);
    bits.audit = report.audit;
    if (job->committing) {
      bits.written = Committed(*job);
      return bits;
    }
    bits.written = report.state == PartState::kWritten;
    bits.failed = report.state == PartState::kFailed;
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
      WaitFront();
      STEMMA_ASSIGN_OR_RETURN(std::optional<Durable> durable, Settle(cohort));
      if (durable) all.push_back(*std::move(durable));
    }
    if (!sticky_.ok()) return sticky_;
    return all;
  }

  bool InFlight() const override { return !in_flight_.empty(); }
  bool Committing() const override { return !in_flight_.empty() && in_flight_.front()->committing; }
  const CaptureStats& stats() const override { return stats_; }
  const Status& last_failure() const override { return last_failure_; }

 private:
  void Use(ContextPtr context) {
    context_ = std::move(context);
    slot_bytes_ = 0;
    for (int number = 0; number < context_->ranks; ++number) {  // the duties go round the ranks
      const auto duties = DutiesOf(*context_, static_cast<uint64_t>(number), false);
      slot_bytes_ =
          std::max(slot_bytes_, PlanStage(context_->layout, context_->spans, duties).bytes);
    }
  }

  JobPtr NewJob(Record record) {
    const JobPtr job = std::make_shared<CaptureJob>();
    job->context = context_;
    job->number = ++stats_.captures;
    job->record = std::move(record);
    job->begun_s = SteadySeconds();
    if (HasFrozen(frozen_.get())) job->frozen = frozen_;
    job->writes_frozen = context_->frozen_writers > 0 && !job->frozen && !FrozenIsComing();
    job->writes_layout = writer_ != nullptr && stored_layout_ != context_->layout.id();
    job->duties = DutiesOf(*context_, job->number, job->writes_frozen);
    job->stage = PlanStage(context_->layout, context_->spans, job->duties);
    if (context_->ranks > 1) {  // the first capture proves the equal start on which all else rests
      job->sample.emplace(context_->spans, job->number, job->number == 1 ? 1 : kAuditEvery,
                          job->record.step);
    }
    return job;
  }

  bool HasFrozen(const FrozenSet* frozen) const {
    return frozen != nullptr && frozen->layout() == context_->layout.id();
  }
  // A capture in flight writes what this one will name; the newest that writes any counts.
  bool FrozenIsComing() const {
    const auto writes = [](const JobPtr& job) { return job->writes_frozen; };
    const auto newest = std::find_if(in_flight_.rbegin(), in_flight_.rend(), writes);
    return newest != in_flight_.rend() && (*newest)->context->layout.id() == context_->layout.id();
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

  // Until this rank has something to say of the oldest capture, or for a while.
  void WaitFront() {
    const JobPtr job = in_flight_.front();
    if (job->committing && writer_ == nullptr) return;  // rank 0 says
    std::unique_lock<std::mutex> lock(room_.mutex);
    const auto flag =
        job->committing ? &CaptureJob::Mailbox::committed : &CaptureJob::Mailbox::ended;
    const Status ended = WaitFor(lock, job, flag, kFinishRoundSeconds);
    if (ended.ok() || SteadySeconds() - job->begun_s <= kWaitSecondsMax) return;
    lock.unlock();
    if (job->committing) return EndCommit(room_, *job, ended, "");
    lock.lock();
    if (job->mail.status.ok()) job->mail.status = ended;
  }

  // As far as this rank knows: only rank 0 appends.
  bool Committed(const CaptureJob& job) {
    const std::lock_guard<std::mutex> lock(room_.mutex);
    return writer_ == nullptr || job.mail.committed;
  }

  // At most `depth` copies are held; a further one waits until the oldest is on disk.
  Status TakeSlot(const JobPtr& job) {
    if (job->stage.bytes == 0) return {};
    job->slot = static_cast<size_t>(job->number % slots_.size());
    CaptureSlot& slot = slots_[job->slot];
    std::unique_lock<std::mutex> lock(room_.mutex);
    if (slot.job) STEMMA_RETURN_IF_ERROR(WaitFor(lock, slot.job, &CaptureJob::Mailbox::ended));
    STEMMA_RETURN_IF_ERROR(
        slot.Fit(job->writes_frozen ? std::max(job->stage.bytes, slot_bytes_) : slot_bytes_));
    slot.job = job;
    job->memory = slot.memory.get();
    return {};
  }

  void CopyThenWrite(const JobPtr& job) {
    CopyPart(room_, *job, false);
    bool good = false;
    {
      const std::lock_guard<std::mutex> lock(room_.mutex);
      good = job->mail.status.ok();
    }
    if (!good || (job->duties.empty() && !job->writes_layout)) {
      EndJob(room_, *job, {});
      return;
    }
    disk_.Post([this, job] { WriteJob(room_, *job); });
  }

  void Verify(const std::vector<JobPtr>& jobs) {
    for (const JobPtr& job : jobs) {
      if (!job->memory) continue;
      const Status same = CompareWithSource(*job);
      const std::lock_guard<std::mutex> lock(room_.mutex);
      if (job->mail.status.ok()) job->mail.status = same;
    }
  }

  void AddStall(const JobPtr& job, double seconds) {
    const std::lock_guard<std::mutex> lock(room_.mutex);
    job->mail.timings.stall_s += seconds;
    stats_.stall_s += seconds;
  }

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
    if (job->committing) return Conclude(job, cohort);
    PartReport mine = ReportOf(room_, *job);
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
    Status bad = together == PartState::kFailed ? FirstFailure(reports) : Status();
    if (bad.ok() && ProvesShards(*job)) bad = CheckShards(job->context->layout, reports);
    if (bad.ok()) bad = TakeFrozen(job.get());
    if (!bad.ok()) {
      in_flight_.pop_front();
      Drop(job);
      return Failed(*job, bad);
    }
    BeginCommit(job, reports);
    return std::optional<Durable>();
  }

  // No rank waits for the log's sync: a thread of rank 0's appends, and the ranks settle the
  // capture a second time, to hear of it.
  void BeginCommit(const JobPtr& job, const std::vector<PartReport>& reports) {
    job->committing = true;
    job->differing = DifferingIn(reports);
    if (writer_ == nullptr) return;
    const Result<Record> record = RecordOf(room_, *job, reports, *writer_);
    if (!record.ok()) return EndCommit(room_, *job, record.status(), "");
    committer_.Post([this, job, what = *record] { CommitJob(room_, *job, *writer_, what); });
  }

  // Captures become durable in their order, so what one before this was to write is there by now.
  Status TakeFrozen(CaptureJob* job) const {
    if (job->context->frozen_writers == 0 || job->writes_frozen || job->frozen) return {};
    job->frozen = frozen_;
    if (frozen_ && frozen_->layout() == job->context->layout.id()) return {};
    return Status(last_failure_).Within("the frozen spans that it was to name were not written");
  }

  // What rank 0 says counts, also that it is not done.
  Result<std::optional<Durable>> Conclude(const JobPtr& job, Cohort& cohort) {
    std::string verdict = kAppending;
    if (writer_ != nullptr && Committed(*job)) {
      verdict = EncodeVerdict(job->mail.commit, job->mail.payload);  // no worker touches these now
    }
    STEMMA_ASSIGN_OR_RETURN(verdict, cohort.Broadcast(std::move(verdict), 0));
    if (verdict == kAppending) return std::optional<Durable>();
    in_flight_.pop_front();
    std::string payload;
    const Status decided = DecodeVerdict(verdict, &payload);
    if (!decided.ok()) return Failed(*job, decided);
    Durable durable;
    STEMMA_ASSIGN_OR_RETURN(durable.record, DecodeRecord(payload));
    durable.id = durable.record.id;
    durable.age_s = SteadySeconds() - job->begun_s;
    ++stats_.durable;
    for (const auto& pack : {job->mail.pack, job->mail.frozen}) {  // ended: nobody touches them
      if (pack) stats_.bytes_written += pack->bytes;
    }
    stored_layout_ = job->context->layout.id();
    if (job->writes_frozen) {
      frozen_ = std::make_shared<FrozenSet>(context_->store, durable.record, job->context->layout);
    }
    missed_ = 0;
    if (job->differing.empty()) return std::optional<Durable>(std::move(durable));
    sticky_ = {Code::kCorruption,
               "replicas differ at step " + std::to_string(job->record.step) + ": " +
                   job->differing +
                   "; the state is kept as suspect and is no head; resume from the one before it"};
    return sticky_;
  }

  // Before any record: the packs have no name anywhere.
  void Drop(const JobPtr& job) {
    bool remove = false;
    {
      const std::lock_guard<std::mutex> lock(room_.mutex);
      job->mail.dropped = true;
      remove = job->mail.ended;
    }
    if (remove) RemovePacks(*job);
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

  const LineageSettings settings_;
  RunWriter* const writer_;

  // The loop's thread only.
  ContextPtr context_;  // of the newest capture
  uint64_t slot_bytes_ = 0;
  ObjectId stored_layout_;             // is durable: that of the start, or of the newest state
  std::shared_ptr<FrozenSet> frozen_;  // the newest that is durable; perhaps of another layout
  std::deque<JobPtr> in_flight_;
  std::vector<CaptureSlot> slots_;
  CaptureStats stats_;
  int64_t missed_ = 0;
  Status sticky_, last_failure_;

  CaptureRoom room_;
  SerialWorker committer_;  // rank 0's; at most one record at a time, so writer_ has one thread
  SerialWorker disk_;
  SerialWorker copier_;  // last: it posts to disk_, so it ends first
};

}  // namespace

Result<std::unique_ptr<Capturer>> Capturer::Create(const LineageSettings& settings, Store& store,
                                                   RunWriter* writer, const std::string& tmp_dir,
                                                   std::vector<Span> spans, Source& source,
                                                   int rank, int ranks, const Record* from) {
  STEMMA_RETURN_IF_ERROR(CheckCreate(settings, spans, rank, ranks, writer));
  STEMMA_ASSIGN_OR_RETURN(ContextPtr context, MakeContext(settings, store, source, tmp_dir,
                                                          std::move(spans), rank, ranks));
  if (rank == 0) STEMMA_RETURN_IF_ERROR(store.PutLayout(context->layout.bytes()).status());
  auto capturer = std::make_unique<CapturerImpl>(std::move(context), settings, writer);
  if (from != nullptr) capturer->GoOnFrom(*from);
  STEMMA_RETURN_IF_ERROR(capturer->AllocateSlots());
  return std::unique_ptr<Capturer>(std::move(capturer));
}

}  // namespace stemma::lineage
