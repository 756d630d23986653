#include "lineage/restore.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <system_error>
#include <thread>

#include "core/mutex.h"
#include "lineage/graph.h"
#include "lineage/open_state.h"
#include "lineage/restore_plan.h"
#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

using internal::DealOut;
using internal::PlanRestore;
using internal::Readers;
using internal::RestorePart;
using internal::RestorePlan;
using internal::RestoreTask;
using internal::RestoreTasks;

constexpr size_t kReaders = 4;  // threads: a disk wants several requests at a time
// What a thread begins with is still there when its neighbour, who goes on at once, ends with it.
constexpr size_t kChunksOfAll = kReaders * (kChunksKept + internal::kTaskChunks);

// Lower halves that were read, until the sink may have them.
struct LowHalves {
  size_t wanted = 0;
  uint64_t first = 0;
  std::string bytes;
};

class RestoringImpl final : public Restoring {
 public:
  RestoringImpl(const Store& store, const Record& record, size_t spans, RestoreTasks work,
                std::unique_ptr<const OpenState> state, Sink& sink)
      : store_(store),
        record_(record),
        sink_(sink),
        work_(std::move(work)),
        state_(std::move(state)),
        end_(work_.tasks.size()),
        missing_(spans, 0),
        missing_parts_(work_.parts.size()),
        missing_shared_(work_.shared.size(), false) {
    for (const RestorePart& part : work_.parts) {
      if (part.plane == Plane::kLow) continue;
      ++missing_[part.wanted];
      if (part.listed < missing_shared_.size()) missing_shared_[part.listed] = true;
    }
    const size_t wanted = std::min(kReaders, work_.tasks.size());
    try {
      while (threads_.size() < wanted) threads_.emplace_back([this] { ReadTasks(); });
    } catch (const std::system_error&) {  // the system has no more threads
    }
    if (threads_.empty()) ReadTasks();
    const MutexLock lock(mutex_);
    readers_ = std::max<size_t>(1, threads_.size());
  }

  ~RestoringImpl() override {
    end_ = 0;
    for (std::thread& thread : threads_) thread.join();
  }

  Status WaitFor(size_t span) override {
    std::unique_lock<Mutex> lock(mutex_);
    done_.wait(lock, [&] { return ended_ == readers_ || missing_[span] == 0; });
    return missing_[span] == 0 ? Status() : status_;
  }

  Status WaitForPart(size_t i) override {
    std::unique_lock<Mutex> lock(mutex_);
    done_.wait(lock, [&] { return ended_ == readers_ || !missing_shared_[i]; });
    return missing_shared_[i] ? status_ : Status();
  }

  Status WaitAll() override {
    std::unique_lock<Mutex> lock(mutex_);
    done_.wait(lock, [&] { return ended_ == readers_ || missing_parts_ == 0; });
    while (status_.ok() && !low_.empty()) {
      status_ = sink_.WriteLow(low_.back().wanted, low_.back().first, low_.back().bytes);
      low_.pop_back();
    }
    return status_;
  }

  const std::vector<SharedPart>& shared() const override { return work_.shared; }

 private:
  // What a thread reads with: one pack's file is open at a time, however many packs there are.
  struct Hands {
    std::unique_ptr<OpenState> state;
    PackReader* open = nullptr;
    std::string buffer;

    PackReader& Take(size_t pack) {
      PackReader* const next = state->packs[pack].get();
      if (open != nullptr && open != next) open->Forget();
      open = next;
      return *next;
    }
  };

  void ReadTasks() {
    Hands hands;
    hands.state = state_->Another();
    for (size_t task = next_++; task < end_; task = next_++) {
      const Status read = ReadTask(work_.tasks[task], &hands);
      if (!read.ok()) Fail(task, read);
    }
    const MutexLock lock(mutex_);
    ++ended_;
    done_.notify_all();
  }

  Status ReadTask(const RestoreTask& task, Hands* hands) {
    for (size_t i = task.first; i < task.last && end_ > 0; ++i) {
      const RestorePart& part = work_.parts[i];
      STEMMA_RETURN_IF_ERROR(ReadOne(part, hands->Take(part.pack), &hands->buffer));
    }
    return {};
  }

  Status ReadOne(const RestorePart& part, PackReader& pack, std::string* buffer) {
    LowHalves low{part.wanted, part.first, {}};
    STEMMA_RETURN_IF_ERROR(part.plane == Plane::kLow
                               ? internal::ReadLowHalves(store_, record_, pack, part, &low.bytes)
                               : internal::ReadPart(store_, record_, pack, part, sink_, buffer));
    const MutexLock lock(mutex_);
    --missing_parts_;
    if (part.plane == Plane::kLow) {
      low_.push_back(std::move(low));
    } else {
      --missing_[part.wanted];
      if (part.listed < missing_shared_.size()) missing_shared_[part.listed] = false;
    }
    done_.notify_all();
    return {};
  }

  // The tasks before it go on: what they read is whole, and one of them may fail as well. The first
  // in their order is told of, whichever thread is the first.
  void Fail(size_t task, Status status) {
    const MutexLock lock(mutex_);
    if (!status_.ok() && task > failed_) return;
    end_ = std::min<size_t>(end_, task);
    failed_ = task;
    status_ = std::move(status).Within(StateInWords(record_));
  }

  const Store& store_;
  const Record record_;
  Sink& sink_;
  const RestoreTasks work_;
  const std::unique_ptr<const OpenState> state_;  // each thread reads with another of it
  std::atomic<size_t> next_{0};
  std::atomic<size_t> end_;  // of the tasks that are read
  Mutex mutex_;
  std::condition_variable_any done_;
  std::vector<size_t> missing_ STEMMA_GUARDED_BY(mutex_);  // parts, by span, but lower halves
  size_t missing_parts_ STEMMA_GUARDED_BY(mutex_);
  std::vector<bool> missing_shared_ STEMMA_GUARDED_BY(mutex_);
  std::vector<LowHalves> low_ STEMMA_GUARDED_BY(mutex_);
  size_t readers_ STEMMA_GUARDED_BY(mutex_) = 0;  // threads that were begun, and that have ended
  size_t ended_ STEMMA_GUARDED_BY(mutex_) = 0;
  Status status_ STEMMA_GUARDED_BY(mutex_);
  size_t failed_ STEMMA_GUARDED_BY(mutex_) = 0;  // the task that status_ is of
  std::vector<std::thread> threads_;
};

struct Opened {
  std::unique_ptr<OpenState> state;
  RestorePlan plan;
};

Result<Opened> OpenFor(const Store& store, const Record& record, const std::vector<Span>& spans,
                       const Cohort& cohort, RestoreMode mode) {
  STEMMA_RETURN_IF_ERROR(CheckHeld(spans));
  Opened opened;
  STEMMA_ASSIGN_OR_RETURN(opened.state, OpenWhole(store, record, kChunksOfAll));
  STEMMA_ASSIGN_OR_RETURN(
      opened.plan, PlanRestore(*opened.state, record, spans, cohort.rank(), cohort.size(), mode));
  return opened;
}

}  // namespace

Result<std::vector<Span>> SpansOf(const Store& store, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(store, record));
  std::vector<Span> spans;
  for (const LayoutSpan& span : layout.spans()) spans.push_back(span.span);
  return spans;
}

Result<std::unique_ptr<Restoring>> BeginRestore(const Store& store, const Record& record,
                                                std::vector<Span> spans, Sink& sink, Cohort& cohort,
                                                RestoreReads reads, RestoreMode mode) {
  Result<Opened> opened = OpenFor(store, record, spans, cohort, mode);
  Status mine = opened.status();
  // A fork of an imported state has its attributes. So has the first state of a training that began
  // with a file's weights, which is whole.
  const bool bare = record.attributes.count(kImportFile) > 0 && record.plan_digest.empty();
  if (mine.code() == Code::kIncompatible && bare) {
    mine = std::move(mine).Within(
        "it was imported as tensors alone, without an optimizer or a place in the data, so no "
        "training can go on from it exactly");
  }
  if (!mine.ok()) mine = std::move(mine).Within(StateInWords(record));
  STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
  const bool once = reads == RestoreReads::kOnce;
  const Readers readers = {once ? cohort.rank() : 0, once ? cohort.size() : 1, kReaders};
  return std::unique_ptr<Restoring>(std::make_unique<RestoringImpl>(
      store, record, spans.size(), DealOut(opened->plan, readers), std::move(opened->state), sink));
}

Status Restore(const Store& store, const Record& record, const std::vector<Span>& spans, Sink& sink,
               Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<Restoring> restoring,
                          BeginRestore(store, record, spans, sink, cohort));
  return Agree(cohort, restoring->WaitAll());
}

}  // namespace stemma::lineage
