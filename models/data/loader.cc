#include "models/data/loader.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/log.h"
#include "models/data/order.h"
#include "models/data/window_order.h"

namespace stemma::models {

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One local batch on its way. Workers write disjoint rows of x and y without a lock; everything
// else is guarded by the loader's mutex.
struct RingSlot {
  at::Tensor x, y;
  float* x_bytes = nullptr;  // of x and y, so that a worker never touches a tensor
  float* y_bytes = nullptr;
  Cursor begin, end;
  int64_t global_rows = 0;
  int64_t rows = 0;       // of this rank
  int64_t first_row = 0;  // of this rank within the global batch
  int64_t rows_left = 0;
  int64_t failed_row = -1;  // the first row, in order, that could not be read
  Status failure;
};

struct Work {  // one sample to read
  RingSlot* slot;
  int64_t row;
  Cursor key;
  float* x;
  float* y;
};

// What one worker is at, for the message when it does not come back.
struct Reading {
  Cursor key;
  Clock::time_point since;
};

constexpr size_t kReadersNamed = 4;

class ThreadedLoader final : public Loader {
 public:
  ThreadedLoader(std::shared_ptr<const Dataset> data, const LoaderSettings& settings, Shard shard,
                 Cursor from)
      : data_(std::move(data)),
        settings_(settings),
        shard_(shard),
        shape_(data_->Shape()),
        order_(from.seed, data_->Size()),
        windows_(settings.window > 0 ? std::make_unique<const WindowOrder>(
                                           from.seed, data_->Groups(), settings.window)
                                     : nullptr),
        slots_(static_cast<size_t>(settings.prefetch)),
        readings_(static_cast<size_t>(settings.threads)),
        next_begin_(from),
        consumed_(from) {
    for (RingSlot& slot : slots_) Prepare(&slot);
    ready_ = settings.prefetch;
    for (size_t i = 0; i < readings_.size(); ++i) workers_.emplace_back([this, i] { Run(i); });
  }

  ~ThreadedLoader() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  Result<Batch> Next() override;
  Cursor consumed() const override { return consumed_; }
  double wait_s() const override { return wait_s_; }

 private:
  // The next global batch goes into `slot`: fresh memory, because the old one belongs to the
  // caller.
  void Prepare(RingSlot* slot);
  // Where the global batch after the one that ends at `cursor` begins.
  Cursor Normalised(Cursor cursor) const;
  std::optional<Work> Claim(size_t worker);
  int64_t IdAt(const Cursor& key) const;
  Status Read(const Work& work) const;
  void Run(size_t worker);
  Status WaitFor(const RingSlot& slot, std::unique_lock<std::mutex>* lock);
  std::string WhoReads() const;
  std::string Stalled(const RingSlot& slot, double seconds) const;

  // Constant after construction.
  const std::shared_ptr<const Dataset> data_;
  const LoaderSettings settings_;
  const Shard shard_;
  const SampleShape shape_;
  const SampleOrder order_;
  const std::unique_ptr<const WindowOrder> windows_;  // instead of it; null: none

  std::mutex mutex_;
  std::condition_variable work_;  // a slot was prepared, or the end
  std::condition_variable done_;  // a sample was finished
  // Guarded by mutex_: slots_ (without the bytes of x and y), what each worker reads, and the
  // counters. Batch k of this loader lies in slot k mod prefetch; batches [taken_, ready_) are in
  // the ring.
  std::vector<RingSlot> slots_;
  std::vector<std::optional<Reading>> readings_;
  int64_t taken_ = 0, ready_ = 0;
  int64_t claimed_batch_ = 0, claimed_row_ = 0;  // the next sample to claim
  int64_t samples_done_ = 0;
  bool stopping_ = false;

  // The loop's thread only.
  Cursor next_begin_, consumed_;
  double wait_s_ = 0;
  std::vector<std::thread> workers_;  // last: they see everything above
};

Cursor ThreadedLoader::Normalised(Cursor cursor) const {
  const auto size = static_cast<uint64_t>(data_->Size());
  const auto least = static_cast<uint64_t>(
      settings_.short_last || settings_.in_order ? 1 : settings_.global_batch);
  if (cursor.sample + least > size) {
    ++cursor.epoch;
    cursor.sample = 0;
  }
  return cursor;
}

void ThreadedLoader::Prepare(RingSlot* slot) {
  const Cursor begin = Normalised(next_begin_);
  const int64_t left = data_->Size() - static_cast<int64_t>(begin.sample);
  const int64_t total = std::min(settings_.global_batch, left);
  const auto first_of = [&](int64_t rank) {  // rounded up: rank 0 gets a row first
    return (rank * total + shard_.ranks - 1) / shard_.ranks;
  };
  const int64_t rows = first_of(shard_.rank + 1) - first_of(shard_.rank);
  std::vector<int64_t> shape = {rows};
  shape.insert(shape.end(), shape_.x.begin(), shape_.x.end());
  const auto kind = at::TensorOptions().dtype(at::kFloat).pinned_memory(settings_.pinned);
  at::Tensor x = at::empty(shape, kind), y = at::empty({rows, shape_.y}, kind);
  slot->x = std::move(x);  // both or none: at::empty throws when memory is out
  slot->y = std::move(y);
  slot->x_bytes = slot->x.mutable_data_ptr<float>();
  slot->y_bytes = slot->y.mutable_data_ptr<float>();
  slot->begin = begin;
  slot->end = begin;
  slot->end.sample += static_cast<uint64_t>(total);
  slot->end = Normalised(slot->end);
  next_begin_ = slot->end;
  slot->global_rows = total;
  slot->first_row = first_of(shard_.rank);
  slot->rows = slot->rows_left = rows;
  slot->failed_row = -1;
  slot->failure = Status();
}

std::optional<Work> ThreadedLoader::Claim(size_t worker) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto slot_to_claim = [this] {
    return &slots_[static_cast<size_t>(claimed_batch_ % settings_.prefetch)];
  };
  work_.wait(lock, [&] {
    // This rank's part of a short last batch may be empty.
    while (claimed_batch_ < ready_ && slot_to_claim()->rows == 0) ++claimed_batch_;
    return stopping_ || claimed_batch_ < ready_;
  });
  if (stopping_) return std::nullopt;
  RingSlot* slot = slot_to_claim();
  const int64_t row = claimed_row_++;
  if (claimed_row_ == slot->rows) {
    claimed_row_ = 0;
    ++claimed_batch_;
  }
  Cursor key = slot->begin;
  key.sample += static_cast<uint64_t>(slot->first_row + row);
  readings_[worker] = Reading{key, Clock::now()};
  return Work{slot, row, key, slot->x_bytes + row * shape_.XCount(),
              slot->y_bytes + row * shape_.y};
}

int64_t ThreadedLoader::IdAt(const Cursor& key) const {
  const auto position = static_cast<int64_t>(key.sample);
  if (settings_.in_order) return position;
  return windows_ ? windows_->At(key.epoch, position) : order_.At(key.epoch, position);
}

std::string SampleText(int64_t id, const Cursor& key) {
  return "sample " + std::to_string(id) + " (epoch " + std::to_string(key.epoch) + ", position " +
         std::to_string(key.sample) + ")";
}

Status ThreadedLoader::Read(const Work& work) const {
  const int64_t id = IdAt(work.key);
  Status status;
  try {
    status = data_->Read(id, work.key, work.x, work.y);
  } catch (const std::exception& e) {
    status = Status(Code::kInternal, e.what());
  } catch (...) {
    status = Status(Code::kInternal, "an exception that is no std::exception");
  }
  return std::move(status).Within(SampleText(id, work.key));
}

void ThreadedLoader::Run(size_t worker) {
  for (;;) {
    const std::optional<Work> work = Claim(worker);
    if (!work) return;
    Status status = Read(*work);
    std::lock_guard<std::mutex> lock(mutex_);
    RingSlot& slot = *work->slot;
    if (!status.ok() && (slot.failed_row < 0 || work->row < slot.failed_row)) {
      slot.failed_row = work->row;
      slot.failure = std::move(status);
    }
    --slot.rows_left;
    ++samples_done_;
    readings_[worker] = std::nullopt;
    done_.notify_all();
  }
}

// "thread 1 reads sample 17 (epoch 0, position 13) of /data/a.jpg since 61 s", for the first few.
std::string ThreadedLoader::WhoReads() const {
  std::string text;
  size_t named = 0, more = 0;
  for (size_t worker = 0; worker < readings_.size(); ++worker) {
    const std::optional<Reading>& reading = readings_[worker];
    if (!reading) continue;
    if (++named > kReadersNamed) {
      ++more;
      continue;
    }
    const int64_t id = IdAt(reading->key);
    const std::string name = data_->NameOf(id);
    text += (text.empty() ? "" : ", ") + ("thread " + std::to_string(worker)) + " reads " +
            SampleText(id, reading->key) + (name.empty() ? "" : " of " + name) + " since " +
            std::to_string(SecondsSince(reading->since)) + " s";
  }
  if (more > 0) text += " and " + std::to_string(more) + " threads more";
  return text.empty() ? "no thread reads" : text;
}

std::string ThreadedLoader::Stalled(const RingSlot& slot, double seconds) const {
  return "no sample was read for " + std::to_string(seconds) +
         " s; a reader hangs (file system?): " + WhoReads() + "; " +
         std::to_string(slot.rows_left) + " samples of the batch at epoch " +
         std::to_string(slot.begin.epoch) + ", position " + std::to_string(slot.begin.sample) +
         " are missing";
}

Status ThreadedLoader::WaitFor(const RingSlot& slot, std::unique_lock<std::mutex>* lock) {
  const double half_s = settings_.stall_s / 2;
  const auto moves = [&] {  // within half of the time
    const int64_t before = samples_done_;
    return done_.wait_for(*lock, std::chrono::duration<double>(half_s),
                          [&] { return samples_done_ != before; });
  };
  while (slot.rows_left > 0) {
    if (moves()) continue;
    LogWarning(Stalled(slot, half_s), {{"ends after s", settings_.stall_s}});
    if (!moves()) {
      return {Code::kTimeout, Stalled(slot, settings_.stall_s) + " (train.data_stall_s)"};
    }
  }
  return slot.failure;
}

Result<Batch> ThreadedLoader::Next() {
  const Clock::time_point start = Clock::now();
  Batch batch;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    RingSlot& slot = slots_[static_cast<size_t>(taken_ % settings_.prefetch)];
    const Status status = WaitFor(slot, &lock);
    batch.wait_s = SecondsSince(start);
    wait_s_ += batch.wait_s;
    if (!status.ok()) return status;
    batch.x = slot.x;  // released by Prepare, once there is memory for the next ones
    batch.y = slot.y;
    batch.begin = slot.begin;
    batch.end = slot.end;
    batch.global_rows = slot.global_rows;
    // No worker may have passed this rank's empty part of a short batch yet: what lies in the slot
    // from here on is no part of that batch, and would be read twice.
    claimed_batch_ = std::max(claimed_batch_, taken_ + 1);
    Prepare(&slot);
    ++taken_;
    ++ready_;
  }
  work_.notify_all();
  consumed_ = batch.end;
  return batch;
}

Status Illegal(const LoaderSettings& settings, int64_t ranks) {
  const int64_t unit = ranks * settings.micro_batches;
  const int64_t below = settings.global_batch / unit * unit;
  std::string text = "the global batch of " + std::to_string(settings.global_batch) +
                     " samples cannot be divided by " + std::to_string(ranks) + " ranks";
  if (settings.micro_batches != 1) {
    text += " with " + std::to_string(settings.micro_batches) + " micro-batches each";
  }
  text += "; the nearest that can: ";
  if (below > 0) text += std::to_string(below) + " and ";
  return {Code::kInvalidArgument, text + std::to_string(below + unit) + " (train.global_batch)"};
}

}  // namespace

Batch MicroBatch(const Batch& batch, int64_t i, int64_t parts) {
  const int64_t rows = batch.x.size(0);
  STEMMA_CHECK(rows >= parts, "a batch with fewer rows than parts");
  const int64_t begin = i * rows / parts, end = (i + 1) * rows / parts;
  Batch part = batch;
  part.x = batch.x.narrow(0, begin, end - begin);
  part.y = batch.y.narrow(0, begin, end - begin);
  return part;
}

Status CheckBatch(const LoaderSettings& settings, int64_t ranks, int64_t dataset_size) {
  const auto least_one = [](const char* name, int64_t value) -> Status {
    if (value >= 1) return {};
    return {Code::kInvalidArgument,
            std::string(name) + " = " + std::to_string(value) + ": expected at least 1"};
  };
  STEMMA_RETURN_IF_ERROR(least_one("train.global_batch", settings.global_batch));
  STEMMA_RETURN_IF_ERROR(least_one("train.micro_batches", settings.micro_batches));
  STEMMA_RETURN_IF_ERROR(least_one("train.loader_threads", settings.threads));
  STEMMA_RETURN_IF_ERROR(least_one("train.prefetch", settings.prefetch));
  STEMMA_RETURN_IF_ERROR(least_one("ranks", ranks));
  if (settings.in_order) return least_one("samples of the data set", dataset_size);
  if (settings.global_batch % (ranks * settings.micro_batches) != 0) {
    return Illegal(settings, ranks);
  }
  if (dataset_size < settings.global_batch) {
    return {Code::kInvalidArgument, "the data set has " + std::to_string(dataset_size) +
                                        " samples, fewer than one global batch of " +
                                        std::to_string(settings.global_batch)};
  }
  return {};
}

Result<std::unique_ptr<Loader>> Loader::Start(std::shared_ptr<const Dataset> data,
                                              const LoaderSettings& settings, Shard shard,
                                              Cursor from) {
  STEMMA_RETURN_IF_ERROR(CheckBatch(settings, shard.ranks, data->Size()));
  if (shard.rank < 0 || shard.rank >= shard.ranks) {
    return Status(Code::kInvalidArgument, "rank " + std::to_string(shard.rank) + " of " +
                                              std::to_string(shard.ranks) + " does not exist");
  }
  if (from.sample > static_cast<uint64_t>(data->Size())) {
    return Status(Code::kInvalidArgument, "the cursor is at sample " + std::to_string(from.sample) +
                                              " of a data set with " +
                                              std::to_string(data->Size()) +
                                              ": it belongs to other data");
  }
  if (settings.window < 0 || (settings.window > 0 && data->Groups().empty())) {
    return Status(Code::kInvalidArgument,
                  "train.order = window mixes shards, and this data set has none: "
                  "train.order = full is for it");
  }
  return std::unique_ptr<Loader>(
      std::make_unique<ThreadedLoader>(std::move(data), settings, shard, from));
}

}  // namespace stemma::models
