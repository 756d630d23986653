// How long one waveform of AI-GW takes, 101,300 samples on one thread, and what its speed costs.
//
//   waveform_bench [REPETITIONS]
//
//   waveform       1.31 ms  for 101300 samples, constants of the binary included
//   reference     11.20 ms  sample by sample, float64
//   largest error 2.0e-13 before rounding to float, which adds up to 1.5e-08
//
// Times are medians over the repetitions (20), each of another binary; the two paths take turns.
// The error is the largest over these binaries and all samples.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/random.h"
#include "models/aigw/phenomt.h"
#include "models/aigw/phenomt_blocks.h"
#include "tools/bench/statistics.h"

namespace stemma {
namespace {

using models::PhenomT22;

constexpr int64_t kSamples = 101300;
constexpr models::TimeGrid kGrid = {-10000, .1};

template <typename Body>
double Milliseconds(Body body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

Status Run(int repetitions) {
  std::vector<float> floats(kSamples);
  std::vector<double> fast(kSamples), reference(kSamples), fast_ms, reference_ms;
  double error = 0, rounding = 0;
  for (int i = -1; i < repetitions; ++i) {  // the first is a warm-up
    Random draw(Key({static_cast<uint64_t>(i + 1)}), "waveform bench");
    const double q = 1 + (models::kMassRatioMax - 1) * draw.Uniform();
    const double s1 = models::kSpinMax * (2 * draw.Uniform() - 1);
    const double s2 = models::kSpinMax * (2 * draw.Uniform() - 1);
    Status status;
    const double took = Milliseconds([&] {
      const auto wave = PhenomT22::Make(q, s1, s2);
      status = wave.status();
      if (status.ok()) wave->RealPart(kGrid, kSamples, floats.data());
    });
    STEMMA_RETURN_IF_ERROR(status);
    STEMMA_ASSIGN_OR_RETURN(const PhenomT22 wave, PhenomT22::Make(q, s1, s2));
    const double took_reference =
        Milliseconds([&] { wave.RealPart(kGrid, kSamples, reference.data()); });
    models::internal::FillByBlocks(wave.stages(), kGrid, kSamples, fast.data());
    for (size_t k = 0; k < fast.size(); ++k) {
      error = std::max(error, std::abs(fast[k] - reference[k]));
      rounding = std::max(rounding, std::abs(floats[k] - fast[k]));
    }
    if (i < 0) continue;
    fast_ms.push_back(took);
    reference_ms.push_back(took_reference);
  }
  std::printf("waveform      %6.2f ms  for %lld samples, constants of the binary included\n",
              bench::Median(fast_ms), static_cast<long long>(kSamples));
  std::printf("reference     %6.2f ms  sample by sample, float64\n", bench::Median(reference_ms));
  std::printf("largest error %.1e before rounding to float, which adds up to %.1e\n", error,
              rounding);
  return {};
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 20;
  const stemma::Status status = stemma::Run(std::max(repetitions, 1));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
