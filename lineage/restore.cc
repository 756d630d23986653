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

using internal::PlanRestore;
using internal::ReadPart;
using internal::RestorePart;
using internal::RestorePlan;

constexpr size_t kReaders = 4;             // threads: a disk wants several requests at a time
constexpr uint64_t kTaskBytes = 16 << 20;  // of a task, which one thread reads

// Parts [first, last) of a plan: neighbours, so that they share chunks.
struct Task {
  size_t first = 0, last = 0;
};

// Cuts large parts, so that no task is much longer than the others.
std::vector<RestorePart> Cut(const std::vector<RestorePart>& parts) {
  std::vector<RestorePart> cut;
  for (const RestorePart& part : parts) {
    const uint64_t most = std::max<uint64_t>(1, kTaskBytes / part.element_bytes);
    for (uint64_t done = 0; done < part.count || done == 0; done += most) {
      RestorePart piece = part;
      piece.first += done;
      piece.count = std::min(most, part.count - done);
      cut.push_back(piece);
    }
  }
  return cut;
}

class RestoringImpl final : public Restoring {
 public:
  // `state` is this thread's to open; the reading threads open readers of their own, for a reader
  // keeps the chunks that it read last.
  RestoringImpl(const Store& store, const Record& record, size_t spans, const RestorePlan& plan,
                std::unique_ptr<OpenState> state, Sink& sink, int rank, int readers)
      : store_(store),
        record_(record),
        sink_(sink),
        first_state_(std::move(state)),
        missing_(spans, 0) {
    Divide(Cut(plan.parts), rank, readers);
    end_ = tasks_.size();
    const size_t wanted = std::min(kReaders, tasks_.size());
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

  Status WaitAll() override {
    std::unique_lock<Mutex> lock(mutex_);
    done_.wait(lock, [&] { return ended_ == readers_ || missing_parts_ == 0; });
    return status_;
  }

  const std::vector<SharedPart>& shared() const override { return shared_; }

 private:
  // Neighbours become a task; with several readers every readers-th task of what is shared is this
  // rank's. All ranks cut what is shared alike.
  void Divide(const std::vector<RestorePart>& parts, int rank, int readers) {
    uint64_t bytes = kTaskBytes;
    int reader = readers - 1;
    for (size_t i = 0; i < parts.size(); ++i) {
      const RestorePart& part = parts[i];
      const RestorePart& before = parts[i > 0 ? i - 1 : 0];
      const bool begins =
          bytes >= kTaskBytes || part.late != before.late || part.shared != before.shared;
      if (begins) bytes = 0;
      if (begins && part.shared) reader = (reader + 1) % readers;
      bytes += part.count * part.element_bytes;
      if (part.shared && readers > 1) {
        shared_.push_back({part.wanted, part.first * part.element_bytes,
                           part.count * part.element_bytes, reader});
      }
      if (part.shared && reader != rank) continue;
      if (begins) tasks_.push_back({parts_.size(), parts_.size()});
      parts_.push_back(part);
      tasks_.back().last = parts_.size();
      ++missing_[part.wanted];
      ++missing_parts_;
    }
  }

  void ReadTasks() {
    std::unique_ptr<OpenState> state = TakeOpenState();
    for (size_t task = next_++; task < end_; task = next_++) {
      const Status read = ReadTask(tasks_[task], &state);
      if (!read.ok()) Fail(task, read);
    }
    const MutexLock lock(mutex_);
    ++ended_;
    done_.notify_all();
  }

  Status ReadTask(const Task& task, std::unique_ptr<OpenState>* state) {
    if (*state == nullptr) {
      STEMMA_ASSIGN_OR_RETURN(*state, OpenWhole(store_, record_));
    }
    PackReader* last = nullptr;
    std::string buffer;
    for (size_t i = task.first; i < task.last && end_ > 0; ++i) {
      const RestorePart& part = parts_[i];
      PackReader* const pack = (*state)->packs[part.pack].get();
      if (last != nullptr && last != pack) last->Forget();
      last = pack;
      STEMMA_RETURN_IF_ERROR(ReadPart(store_, record_, *pack, part, sink_, &buffer));
      const MutexLock lock(mutex_);
      --missing_parts_;
      if (--missing_[part.wanted] == 0) done_.notify_all();
    }
    return {};
  }

  std::unique_ptr<OpenState> TakeOpenState() {
    const MutexLock lock(mutex_);
    return std::move(first_state_);
  }

  // The tasks before it go on: what they read is whole.
  void Fail(size_t task, Status status) {
    const MutexLock lock(mutex_);
    end_ = std::min<size_t>(end_, task);
    if (status_.ok()) status_ = std::move(status).Within(StateInWords(record_));
  }

  const Store& store_;
  const Record record_;
  Sink& sink_;
  std::vector<RestorePart> parts_;  // those that this rank reads; constant once it has begun
  std::vector<SharedPart> shared_;
  std::vector<Task> tasks_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> end_{0};  // of the tasks that are read
  Mutex mutex_;
  std::condition_variable_any done_;
  std::unique_ptr<OpenState> first_state_ STEMMA_GUARDED_BY(mutex_);
  std::vector<size_t> missing_ STEMMA_GUARDED_BY(mutex_);  // parts, by span
  size_t missing_parts_ STEMMA_GUARDED_BY(mutex_) = 0;
  size_t readers_ STEMMA_GUARDED_BY(mutex_) = 0;  // threads that were begun, and that have ended
  size_t ended_ STEMMA_GUARDED_BY(mutex_) = 0;
  Status status_ STEMMA_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

struct Opened {
  std::unique_ptr<OpenState> state;
  RestorePlan plan;
};

Result<Opened> OpenFor(const Store& store, const Record& record, const std::vector<Span>& spans,
                       const Cohort& cohort) {
  STEMMA_RETURN_IF_ERROR(CheckHeld(spans));
  Opened opened;
  STEMMA_ASSIGN_OR_RETURN(opened.state, OpenWhole(store, record));
  STEMMA_ASSIGN_OR_RETURN(opened.plan,
                          PlanRestore(*opened.state, record, spans, cohort.rank(), cohort.size()));
  return opened;
}

// Collects one span.
class StringSink final : public Sink {
 public:
  explicit StringSink(std::string* out) : out_(out) {}
  Status Write(size_t, uint64_t offset, std::string_view bytes) override {
    out_->replace(offset, bytes.size(), bytes);
    return {};
  }

 private:
  std::string* out_;
};

Result<std::string> ReadSpanBytes(const Store& store, const Record& record, const std::string& name,
                                  uint32_t rank) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<OpenState> state, OpenWhole(store, record));
  const std::optional<uint32_t> span = state->layout.Find(name);
  if (!span) return Status(Code::kNotFound, "no span is called '" + name + "'");
  const Span& what = state->layout.spans()[*span].span;
  const uint32_t from = what.role == Role::kPerRank ? rank : 0;
  if (from >= RanksHeld(record)) {
    return Status(Code::kNotFound, "the state has " + std::to_string(RanksHeld(record)) +
                                       " ranks, so no rank " + std::to_string(from));
  }
  std::string out(static_cast<size_t>(what.bytes()), '\0'), buffer;
  StringSink sink(&out);
  for (size_t pack = 0; pack < state->packs.size(); ++pack) {
    for (const PackPiece& piece : state->packs[pack]->pieces()) {
      if (piece.span != *span || piece.rank != from) continue;
      const RestorePart part = {0,           pack,        piece.span,        piece.rank,
                                piece.first, piece.count, SizeOf(what.dtype)};
      STEMMA_RETURN_IF_ERROR(ReadPart(store, record, *state->packs[pack], part, sink, &buffer));
    }
  }
  return out;
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
                                                RestoreReads reads) {
  Result<Opened> opened = OpenFor(store, record, spans, cohort);
  Status mine = opened.status();
  // A fork of an imported state has its attributes.
  if (mine.code() == Code::kIncompatible && record.attributes.count(kImportFile)) {
    mine = std::move(mine).Within(
        "it was imported as tensors alone, without an optimizer or a place in the data, so no "
        "training can go on from it exactly");
  }
  if (!mine.ok()) mine = std::move(mine).Within(StateInWords(record));
  STEMMA_RETURN_IF_ERROR(Agree(cohort, mine));
  const bool once = reads == RestoreReads::kOnce;
  return std::unique_ptr<Restoring>(std::make_unique<RestoringImpl>(
      store, record, spans.size(), opened->plan, std::move(opened->state), sink,
      once ? cohort.rank() : 0, once ? cohort.size() : 1));
}

Status Restore(const Store& store, const Record& record, const std::vector<Span>& spans, Sink& sink,
               Cohort& cohort) {
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<Restoring> restoring,
                          BeginRestore(store, record, spans, sink, cohort));
  return Agree(cohort, restoring->WaitAll());
}

Result<std::string> ReadSpan(const Store& store, const Record& record, const std::string& span,
                             int rank) {
  Result<std::string> bytes = ReadSpanBytes(store, record, span, static_cast<uint32_t>(rank));
  if (bytes.ok()) return bytes;
  return Status(bytes.status()).Within(StateInWords(record));
}

}  // namespace stemma::lineage
