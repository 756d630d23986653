#include "models/aigw/dataset.h"

#include <cmath>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "models/aigw/phenomt.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

AigwSettings Small() {
  AigwSettings settings;
  settings.t_from = -870;
  settings.dt = 2;
  settings.last = 500;
  settings.train_size = settings.validation_size = 20000;
  return settings;
}

std::shared_ptr<const AigwDataset> Data(const AigwSettings& settings,
                                        AigwSplit split = AigwSplit::kTrain) {
  const auto data = AigwDataset::Make(settings, split);
  REQUIRE_THAT(data.status(), IsOk());
  return *data;
}

TEST_CASE("aigw data: the windows of the two recipes have the published numbers of samples") {
  CHECK(Data(AigwSettings())->Shape().x == std::vector<int64_t>{1, 101300});
  CHECK(Data(Small())->Shape().x == std::vector<int64_t>{1, 500});
  CHECK(Data(Small())->Shape().y == 5);
  CHECK(Data(AigwSettings())->Size() == 1500000);
}

TEST_CASE("aigw data: inputs and targets are the waveform and the parameters of the same binary") {
  const auto data = Data(Small());
  const Binary b = data->BinaryOf(17);
  std::vector<float> x(500), y(5);
  REQUIRE_THAT(data->Read(17, {1, 0, 3}, x.data(), y.data()), IsOk());
  const auto wave = PhenomT22::Make(b.q, b.s1, b.s2);
  for (size_t i = 0; i < 500; ++i) {
    const double t = -870 + 2 * static_cast<double>(i);
    const double expected = wave->Amplitude(t) * std::cos(wave->Phase(t));
    REQUIRE(std::abs(x[i] - expected) < 0x1p-26 + 1e-12);  // rounded once: |h22| is below a half
  }
  CHECK(y == std::vector<float>{
                 static_cast<float>(b.q), static_cast<float>(b.s1), static_cast<float>(b.s2),
                 static_cast<float>((b.q * b.s1 + b.s2) / (1 + b.q)),
                 static_cast<float>((1 + .75 / b.q) * b.s1 + (1 + .75 * b.q) * b.s2)});
  AigwSettings inverse = Small();
  inverse.target_q = "inverse";
  REQUIRE_THAT(Data(inverse)->Read(17, {}, x.data(), y.data()), IsOk());
  CHECK(y[0] == static_cast<float>(1 / b.q));
}

// Means and variances of uniform distributions; five standard errors of 20,000 draws.
TEST_CASE("aigw data: binaries fill the published ranges evenly") {
  const auto data = Data(Small());
  double sums[3] = {}, squares[3] = {};
  for (int64_t id = 0; id < data->Size(); ++id) {
    const Binary b = data->BinaryOf(id);
    REQUIRE((b.q >= 1 && b.q < 8 && std::abs(b.s1) <= .8 && std::abs(b.s2) <= .8));
    const double values[3] = {1 / b.q, b.s1, b.s2};
    for (int i = 0; i < 3; ++i) {
      sums[i] += values[i];
      squares[i] += values[i] * values[i];
    }
  }
  const double n = static_cast<double>(data->Size());
  const double means[3] = {.5625, 0, 0}, widths[3] = {.875, 1.6, 1.6};
  for (int i = 0; i < 3; ++i) {
    const double variance = widths[i] * widths[i] / 12, mean = sums[i] / n;
    INFO("parameter " << i);
    CHECK(std::abs(mean - means[i]) < 5 * std::sqrt(variance / n));
    CHECK(std::abs((squares[i] / n - mean * mean) / variance - 1) < .05);
  }
}

TEST_CASE("aigw data: no binary of one split is in another, whatever their sizes") {
  std::set<double> seen;
  size_t expected = 0;
  for (const AigwSplit split : {AigwSplit::kTrain, AigwSplit::kValidation, AigwSplit::kTest}) {
    const auto data = Data(Small(), split);
    std::set<double> mine;
    for (int64_t id = 0; id < 20000; ++id) {
      const double q = data->BinaryOf(id).q;
      mine.insert(q);
      // The lattice's lowest two bits are the split: they come back from q.
      const auto lattice = static_cast<uint64_t>(std::llround((1 - 1 / q) / .875 * 0x1p32));
      REQUIRE((lattice & 3) == static_cast<uint64_t>(split));
    }
    expected += mine.size();
    seen.insert(mine.begin(), mine.end());
  }
  CHECK(seen.size() == expected);
}

TEST_CASE("aigw data: threads do not change a byte") {
  const auto data = Data(Small());
  const auto read = [&](std::vector<float>* out) {
    for (int64_t id = 0; id < 20; ++id) {
      std::vector<float> x(505);
      if (!data->Read(id, {}, x.data(), x.data() + 500).ok()) return;
      out->insert(out->end(), x.begin(), x.end());
    }
  };
  std::vector<float> alone;
  read(&alone);
  std::vector<std::vector<float>> together(4);
  std::vector<std::thread> threads;
  for (auto& out : together) threads.emplace_back([&] { read(&out); });
  for (std::thread& thread : threads) thread.join();
  CHECK(alone.size() == 20 * 505);
  for (const auto& out : together) CHECK(out == alone);
}

TEST_CASE("aigw data: the digest changes with everything that changes a byte, and only with that") {
  const auto digest = [](auto change) {
    AigwSettings settings = Small();
    change(&settings);
    return Data(settings)->Digest();
  };
  const std::string base = digest([](AigwSettings*) {});
  CHECK(base.size() == 32);
  CHECK(digest([](AigwSettings* s) { s->last = 100; }) == base);
  CHECK(digest([](AigwSettings* s) { s->dt = 1; }) != base);
  CHECK(digest([](AigwSettings* s) { s->t_from = -872; }) != base);
  CHECK(digest([](AigwSettings* s) { s->target_q = "inverse"; }) != base);
  CHECK(digest([](AigwSettings* s) { s->data_seed = 2; }) != base);
  CHECK(digest([](AigwSettings* s) { s->train_size = 5; }) != base);
  CHECK(Data(Small(), AigwSplit::kValidation)->Digest() != base);
}

TEST_CASE("aigw settings: a window that is none is refused with the setting's name") {
  const auto refused = [](auto change) {
    AigwSettings settings = Small();
    change(&settings);
    return Check(settings);
  };
  const Code bad = Code::kInvalidArgument;
  CHECK_THAT(refused([](AigwSettings* s) { s->dt = 0; }), HasCode(bad, "aigw.dt = 0 "));
  CHECK_THAT(refused([](AigwSettings* s) { s->dt = 3; }), HasCode(bad, "no whole number"));
  CHECK_THAT(refused([](AigwSettings* s) { s->dt = 1e-9; }), HasCode(bad, "100,000,000"));
  CHECK_THAT(refused([](AigwSettings* s) { s->t_to = -870; }), HasCode(bad, "aigw.t_to = -870"));
  CHECK_THAT(refused([](AigwSettings* s) { s->last = 501; }), HasCode(bad, "1 to 500"));
  CHECK_THAT(refused([](AigwSettings* s) { s->target_q = "eta"; }), HasCode(bad, "q or inverse"));
  CHECK_THAT(refused([](AigwSettings* s) { s->train_size = 0; }), HasCode(bad, "train_size = 0"));
  CHECK_THAT(Check(AigwSettings()), IsOk());
}

}  // namespace
}  // namespace stemma::models
