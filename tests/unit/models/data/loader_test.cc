#include "models/data/loader.h"

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "models/data/order.h"
#include "models/data/window_order.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

// x = {id, position}, y = {id}: a batch says which samples are in it.
class Numbers : public Dataset {
 public:
  explicit Numbers(int64_t size) : size_(size) {}
  int64_t Size() const override { return size_; }
  SampleShape Shape() const override { return {{1, 2}, 1}; }
  std::vector<int64_t> Groups() const override { return groups; }
  std::string NameOf(int64_t id) const override { return "row " + std::to_string(id); }
  std::string Digest() const override { return "numbers"; }
  Status Read(int64_t id, const Cursor& key, float* x, float* y) const override {
    if (id == fails_at) return {Code::kCorruption, "bad file"};
    if (id == throws_at) throw std::runtime_error("thrown");
    if (id == hangs_at) hang.wait();
    ++reads;
    x[0] = y[0] = static_cast<float>(id);
    x[1] = static_cast<float>(key.sample);
    return {};
  }
  int64_t fails_at = -1, throws_at = -1, hangs_at = -1;
  std::shared_future<void> hang;
  std::vector<int64_t> groups;
  mutable std::atomic<int> reads{0};

 private:
  int64_t size_;
};

LoaderSettings Settings(int64_t global_batch, int64_t threads = 1, int64_t prefetch = 2) {
  LoaderSettings settings;
  settings.global_batch = global_batch;
  settings.threads = threads;
  settings.prefetch = prefetch;
  return settings;
}

std::unique_ptr<Loader> Started(std::shared_ptr<const Dataset> data, const LoaderSettings& settings,
                                Shard shard = {}, Cursor from = {1, 0, 0}) {
  auto loader = Loader::Start(std::move(data), settings, shard, from);
  REQUIRE_THAT(loader.status(), IsOk());
  return *std::move(loader);
}

Batch MustNext(Loader* loader) {
  Result<Batch> batch = loader->Next();
  REQUIRE_THAT(batch.status(), IsOk());
  return *std::move(batch);
}

std::string Bytes(const at::Tensor& t) {
  return std::string(static_cast<const char*>(t.const_data_ptr()), t.nbytes());
}

// The first `batches` global batches, put together from the parts of all ranks.
std::string GlobalBytes(int64_t ranks, int64_t threads, int64_t prefetch, int batches,
                        bool short_last = false, int64_t window = 0) {
  std::vector<std::unique_ptr<Loader>> loaders;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    LoaderSettings settings = Settings(8, threads, prefetch);
    settings.short_last = short_last;
    settings.window = window;
    const auto data = std::make_shared<Numbers>(50);
    data->groups = {7, 1, 20, 9, 13};
    loaders.push_back(Started(data, settings, {rank, ranks}));
  }
  std::string bytes;
  for (int i = 0; i < batches; ++i) {
    std::string x, y;
    for (const auto& loader : loaders) {
      const Batch batch = MustNext(loader.get());
      x += Bytes(batch.x);
      y += Bytes(batch.y);
    }
    bytes += x + y;
  }
  return bytes;
}

TEST_CASE("loader: ranks, threads and prefetch do not change a global batch") {
  const std::string expected = GlobalBytes(1, 1, 1, 20);  // beyond three epochs
  for (const int64_t ranks : {1, 2, 4}) {
    for (const int64_t threads : {1, 3, 8}) {
      INFO(ranks << " ranks, " << threads << " threads");
      CHECK(GlobalBytes(ranks, threads, 1 + threads % 4, 20) == expected);
    }
  }
}

TEST_CASE("loader: nor do they with windows of shards, whose order a batch follows") {
  const std::string expected = GlobalBytes(1, 1, 1, 20, false, 2);
  CHECK(expected != GlobalBytes(1, 1, 1, 20));
  for (const int64_t ranks : {1, 2, 4}) {
    for (const int64_t threads : {1, 3, 8}) {
      INFO(ranks << " ranks, " << threads << " threads");
      CHECK(GlobalBytes(ranks, threads, 1 + threads % 4, 20, false, 2) == expected);
    }
  }
  LoaderSettings settings = Settings(8);
  settings.window = 2;
  const auto data = std::make_shared<Numbers>(50);
  CHECK_THAT(Loader::Start(data, settings, {}, {1, 0, 0}).status(),
             HasCode(Code::kInvalidArgument, "train.order = full is for it"));
  data->groups = {7, 1, 20, 9, 13};
  const auto loader = Started(data, settings);
  const WindowOrder order(1, data->groups, 2);
  for (int64_t step = 0; step < 6; ++step) {
    const Batch batch = MustNext(loader.get());
    for (int64_t row = 0; row < 8; ++row) {
      CHECK(batch.y[row][0].item<int64_t>() == order.At(0, 8 * step + row));
    }
  }
}

TEST_CASE("loader: a short last batch has every sample once, on any number of ranks") {
  const std::string expected = GlobalBytes(1, 1, 1, 20, true);  // 7 batches an epoch: 6 x 8 and 2
  for (const int64_t ranks : {2, 4, 8}) {
    INFO(ranks << " ranks");
    CHECK(GlobalBytes(ranks, 3, 2, 20, true) == expected);
  }
  LoaderSettings settings = Settings(8, 2);
  settings.short_last = true;
  const auto last_rank = Started(std::make_shared<Numbers>(50), settings, {7, 8});
  const auto all = Started(std::make_shared<Numbers>(50), settings);
  std::vector<int> seen(50, 0);
  for (uint64_t step = 0; step < 7; ++step) {
    const Batch batch = MustNext(all.get()), part = MustNext(last_rank.get());
    CHECK(batch.begin == Cursor{1, 0, step * 8});
    CHECK(batch.end == (step == 6 ? Cursor{1, 1, 0} : Cursor{1, 0, step * 8 + 8}));
    CHECK(batch.global_rows == (step == 6 ? 2 : 8));
    CHECK(part.global_rows == batch.global_rows);
    CHECK(part.x.size(0) == (step == 6 ? 0 : 1));
    for (int64_t i = 0; i < batch.y.size(0); ++i) ++seen[batch.y[i].item<int>()];
  }
  CHECK(seen == std::vector<int>(50, 1));
}

// Every second part of rank 1 is empty, and asked for before its worker may have looked at it.
TEST_CASE("loader: an empty part is passed by, and what follows it is read once") {
  constexpr int kEpochs = 2000;
  const auto data = std::make_shared<Numbers>(3);
  LoaderSettings settings = Settings(2, 1, 1);
  settings.short_last = true;
  const auto loader = Started(data, settings, {1, 2});
  const SampleOrder order(1, 3);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const Result<Batch> whole = loader->Next(), rest = loader->Next();
    REQUIRE_THAT(whole.status(), IsOk());
    REQUIRE_THAT(rest.status(), IsOk());
    REQUIRE(whole->x.size(0) == 1);
    REQUIRE(whole->begin == Cursor{1, epoch, 0});
    REQUIRE(whole->y[0][0].item<int64_t>() == order.At(epoch, 1));
    REQUIRE(rest->x.size(0) == 0);
  }
  CHECK(data->reads <= kEpochs + 1);  // one batch ahead
}

TEST_CASE("loader: batches follow the order, and an epoch ends when no whole batch is left") {
  const auto loader = Started(std::make_shared<Numbers>(50), Settings(8, 2));
  const SampleOrder order(1, 50);
  for (uint64_t step = 0; step < 13; ++step) {
    const Batch batch = MustNext(loader.get());
    const uint64_t epoch = step / 6, first = step % 6 * 8;  // floor(50 / 8) = 6
    CHECK(batch.begin == Cursor{1, epoch, first});
    CHECK(batch.end == (first == 40 ? Cursor{1, epoch + 1, 0} : Cursor{1, epoch, first + 8}));
    CHECK(loader->consumed() == batch.end);
    for (int64_t row = 0; row < 8; ++row) {
      const int64_t position = static_cast<int64_t>(first) + row;
      CHECK(batch.y[row][0].item<double>() == static_cast<double>(order.At(epoch, position)));
      CHECK(batch.x[row][0][1].item<double>() == static_cast<double>(position));
    }
  }
}

TEST_CASE("loader: what was read ahead and not consumed is read again after a restart") {
  Cursor consumed;
  std::string next;
  {
    const auto loader = Started(std::make_shared<Numbers>(50), Settings(4, 2, 4));
    for (int i = 0; i < 5; ++i) MustNext(loader.get());
    consumed = loader->consumed();
    next = Bytes(MustNext(loader.get()).x);
  }
  CHECK(consumed == Cursor{1, 0, 20});
  const auto again = Started(std::make_shared<Numbers>(50), Settings(4, 1, 1), {}, consumed);
  CHECK(Bytes(MustNext(again.get()).x) == next);
}

TEST_CASE("conformance_75_every_sample_of_an_epoch_once_across_a_change_of_ranks") {
  for (const int64_t before : {1, 2, 3, 4}) {
    for (const int64_t after : {1, 2, 3, 4}) {
      INFO(before << " ranks, then " << after);
      std::vector<int> seen(60, 0);
      Cursor cursor{1, 0, 0};
      const auto run = [&](int64_t ranks, int steps) {  // and read ahead, as a killed run has
        const Cursor from = cursor;
        for (int64_t rank = 0; rank < ranks; ++rank) {
          const auto loader =
              Started(std::make_shared<Numbers>(60), Settings(12, 2, 2), {rank, ranks}, from);
          for (int step = 0; step < steps; ++step) {
            const Batch batch = MustNext(loader.get());
            for (int64_t i = 0; i < batch.y.size(0); ++i) ++seen[batch.y[i].item<int>()];
            cursor = batch.end;
          }
        }
      };
      run(before, 2);
      run(after, 3);
      CHECK(seen == std::vector<int>(60, 1));
      CHECK(cursor == Cursor{1, 1, 0});
    }
  }
}

TEST_CASE("loader: never reads further ahead than the bound") {
  const auto data = std::make_shared<Numbers>(1000);
  const auto loader = Started(data, Settings(10, 4, 3));
  MustNext(loader.get());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (data->reads < 40 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  CHECK(data->reads == 40);  // one consumed, three ahead; it goes no further by itself
  MustNext(loader.get());
  CHECK(data->reads <= 50);
}

TEST_CASE("loader: a bad sample is reported at its batch, with all batches before it delivered") {
  const SampleOrder order(1, 50);
  for (const bool throws : {false, true}) {
    const auto data = std::make_shared<Numbers>(50);
    (throws ? data->throws_at : data->fails_at) = order.At(0, 13);
    const auto loader = Started(data, Settings(4, 3, 3));
    for (int i = 0; i < 3; ++i) MustNext(loader.get());
    const std::string id = "sample " + std::to_string(order.At(0, 13));
    const Code code = throws ? Code::kInternal : Code::kCorruption;
    CHECK_THAT(loader->Next().status(), HasCode(code, id + " (epoch 0, position 13)"));
    CHECK_THAT(loader->Next().status(), HasCode(code, throws ? "thrown" : "bad file"));
    CHECK(loader->consumed() == Cursor{1, 0, 12});
  }
}

TEST_CASE("loader: a reader that hangs ends in an error, not in silence") {
  std::promise<void> release;
  const auto data = std::make_shared<Numbers>(8);
  data->hang = release.get_future().share();
  data->hangs_at = SampleOrder(1, 8).At(0, 1);
  LoaderSettings settings = Settings(4);
  settings.stall_s = 0.05;
  const auto loader = Started(data, settings);
  const Status stalled = loader->Next().status();
  CHECK_THAT(stalled, HasCode(Code::kTimeout, "no sample was read for 0.05"));
  const std::string id = std::to_string(data->hangs_at);
  CHECK_THAT(stalled,
             HasCode(Code::kTimeout, "thread 0 reads sample " + id +
                                         " (epoch 0, position 1) of row " + id + " since"));
  CHECK(loader->wait_s() >= 0.05);
  release.set_value();
}

TEST_CASE("loader: a batch that ranks cannot share is refused with the sizes that they can") {
  CHECK_THAT(CheckBatch(Settings(32), 2, 100), IsOk());
  CHECK_THAT(CheckBatch(Settings(32), 3, 100),
             HasCode(Code::kInvalidArgument, "nearest that can: 30 and 33"));
  CHECK_THAT(CheckBatch(Settings(2), 3, 100), HasCode(Code::kInvalidArgument, "can: 3 ("));
  LoaderSettings micro = Settings(12);
  micro.micro_batches = 4;
  CHECK_THAT(CheckBatch(micro, 2, 100), HasCode(Code::kInvalidArgument, "8 and 16"));
  CHECK_THAT(CheckBatch(Settings(32), 2, 31), HasCode(Code::kInvalidArgument, "31 samples"));
  CHECK_THAT(CheckBatch(Settings(0), 2, 31), HasCode(Code::kInvalidArgument, "global_batch = 0"));
  const auto far = Loader::Start(std::make_shared<Numbers>(50), Settings(4), {}, {1, 0, 51});
  CHECK_THAT(far.status(), HasCode(Code::kInvalidArgument, "belongs to other data"));
}

TEST_CASE("loader: micro-batches are the batch, cut in order") {
  const auto loader = Started(std::make_shared<Numbers>(50), Settings(8));
  const Batch batch = MustNext(loader.get());
  std::string x;
  for (int64_t i = 0; i < 4; ++i) x += Bytes(MicroBatch(batch, i, 4).x);
  CHECK(x == Bytes(batch.x));
  x.clear();
  for (int64_t i = 0; i < 3; ++i) {
    const Batch part = MicroBatch(batch, i, 3);  // 8 rows: 2, 3, 3
    CHECK(part.x.size(0) == (i == 0 ? 2 : 3));
    x += Bytes(part.x);
  }
  CHECK(x == Bytes(batch.x));
}

// Without a GPU there is nothing to pin memory for.
TEST_CASE("batches lie in page-locked memory where that is asked for") {
  for (const bool pinned : {false, at::hasCUDA()}) {
    LoaderSettings settings = Settings(4);
    settings.pinned = pinned;
    const auto loader = Started(std::make_shared<Numbers>(8), settings);
    for (int i = 0; i < 4; ++i) {
      const Batch batch = MustNext(loader.get());
      CHECK(batch.x.is_pinned() == pinned);
      CHECK(batch.y.is_pinned() == pinned);
    }
  }
}

}  // namespace
}  // namespace stemma::models
