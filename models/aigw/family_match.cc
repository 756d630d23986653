#include "models/aigw/family_match.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "core/random.h"
#include "models/aigw/phenomd.h"

namespace stemma::models {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kFrom = -42000, kFade = 4000, kTo = 1000, kStep = 1;  // in M
constexpr size_t kBins = 1 << 16;

Status Check(const FamilySettings& s) {
  char text[160];
  if (!(s.total_mass >= 30 && s.total_mass <= 100)) {
    std::snprintf(text, sizeof text, "a total mass of %g is outside 30 to 100 solar masses",
                  s.total_mass);
    return {Code::kInvalidArgument, text};
  }
  if (!(s.hertz.low >= 10 && s.hertz.low < s.hertz.high && s.hertz.high <= 2048)) {
    std::snprintf(text, sizeof text, "the band %g to %g Hz is outside 10 to 2048 Hz, or empty",
                  s.hertz.low, s.hertz.high);
    return {Code::kInvalidArgument, text};
  }
  return {};
}

// A e^(i phi): the sense of rotation of IMRPhenomD, whose power is at positive frequencies.
Spectrum TimeDomainFamily(const PhenomT22& wave) {
  std::vector<std::complex<double>> h(static_cast<size_t>((kTo - kFrom) / kStep));
  for (size_t i = 0; i < h.size(); ++i) {
    const double since = static_cast<double>(i) * kStep;
    const WaveSample w = wave.At(kFrom + since);
    const double fade = since < kFade ? .5 * (1 - std::cos(kPi * since / kFade)) : 1;
    h[i] = std::polar(fade * w.amplitude, w.phase);
  }
  return SpectrumOf(h, kBins);
}

Spectrum FrequencyDomainFamily(const PhenomD& wave, double sign,
                               const std::vector<double>& weights) {
  Spectrum h(kBins, 0);
  for (size_t k = 0; k < kBins; ++k) {
    if (weights[k] == 0) continue;
    const double f = static_cast<double>(k) / (kBins * kStep);
    h[k] = std::polar(wave.Amplitude(f), sign * wave.Phase(f));
  }
  return h;
}

// The linear interpolation between the two nearest of sorted values.
double Quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Status PrintSummary(std::ostream& out, int64_t count, const FamilySettings& settings) {
  std::vector<double> ligo, flat;
  Random draw(Key({1}), "aigw family table");
  for (int64_t i = 0; i < count; ++i) {
    const auto even = [&](double low, double high) { return low + (high - low) * draw.Uniform(); };
    Binary b;
    b.q = even(1, kMassRatioMax);
    b.s1 = even(-kSpinMax, kSpinMax);
    b.s2 = even(-kSpinMax, kSpinMax);
    STEMMA_ASSIGN_OR_RETURN(const FamilyMismatch m, CompareFamilies(b, settings));
    ligo.push_back(m.advanced_ligo);
    flat.push_back(m.flat);
  }
  std::sort(ligo.begin(), ligo.end());
  std::sort(flat.begin(), flat.end());
  char text[120];
  std::snprintf(text, sizeof text, "\n%lld random binaries\n", static_cast<long long>(count));
  out << text;
  const struct {
    const char* name;
    double share;
  } rows[] = {{"median", .5}, {"90 %", .9}, {"largest", 1}};
  for (const auto& row : rows) {
    std::snprintf(text, sizeof text, "%-20s %13.2e %9.2e\n", row.name, Quantile(ligo, row.share),
                  Quantile(flat, row.share));
    out << text;
  }
  return {};
}

}  // namespace

Result<FamilyMismatch> CompareFamilies(const Binary& b, const FamilySettings& settings) {
  STEMMA_RETURN_IF_ERROR(Check(settings));
  STEMMA_ASSIGN_OR_RETURN(const PhenomT22 t, PhenomT22::Make(b.q, b.s1, b.s2));
  STEMMA_ASSIGN_OR_RETURN(const PhenomD d, PhenomD::Make(b.q, b.s1, b.s2));
  const double seconds = kStep * SecondsPerMass(settings.total_mass);
  const std::vector<double> flat = FlatWeights(kBins, seconds, settings.hertz);
  const Spectrum one = TimeDomainFamily(t);
  const Spectrum other = FrequencyDomainFamily(d, settings.phase_sign, flat);
  const std::vector<double> ligo = AdvancedLigoWeights(kBins, seconds, settings.hertz);
  return FamilyMismatch{1 - MaximalOverlap(one, other, ligo).overlap,
                        1 - MaximalOverlap(one, other, flat).overlap};
}

Status PrintFamilyTable(std::ostream& out, int64_t random, const FamilySettings& settings) {
  constexpr Binary kBinaries[] = {{1, 0, 0},    {1, .8, .8},   {1, -.8, -.8}, {2, .5, -.3},
                                  {4, -.6, .4}, {8, -.8, -.8}, {8, 0, 0},     {8, -.8, .8},
                                  {8, .8, .8},  {8, .8, -.8}};
  STEMMA_RETURN_IF_ERROR(Check(settings));
  char text[160];
  std::snprintf(text, sizeof text,
                "IMRPhenomT against IMRPhenomD: 1 - overlap\n%g solar masses, %g to %g Hz\n\n"
                "%6s %6s %6s %13s %9s\n",
                settings.total_mass, settings.hertz.low, settings.hertz.high, "q", "s1", "s2",
                "advanced LIGO", "flat");
  out << text;
  for (const Binary& b : kBinaries) {
    STEMMA_ASSIGN_OR_RETURN(const FamilyMismatch m, CompareFamilies(b, settings));
    std::snprintf(text, sizeof text, "%6g %6g %6g %13.2e %9.2e\n", b.q, b.s1, b.s2, m.advanced_ligo,
                  m.flat);
    out << text;
  }
  if (random > 0) STEMMA_RETURN_IF_ERROR(PrintSummary(out, random, settings));
  if (!out.flush()) return {Code::kIo, "the table cannot be written"};
  return {};
}

}  // namespace stemma::models
