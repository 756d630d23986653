#include "models/aigw/phenomd.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>

#include "models/aigw/phenom_fits.h"
#include "models/aigw/phenomd_tables.h"
#include "models/aigw/phenomt.h"

namespace stemma::models {

namespace {

using internal::kPi;
using internal::Power;

constexpr double kFrequencyCut = .2, kAmplitudeJoin = .014, kPhaseJoin = .018;

double Square(double x) { return x * x; }

void SetTable(PhenomDStages* s) {
  const double e = s->eta, z = s->chi - 1, z2 = z * z, z3 = z2 * z;
  const double basis[internal::kPhenomDColumns] = {1,      e,          z,  z * e,  z * e * e, z2,
                                                   z2 * e, z2 * e * e, z3, z3 * e, z3 * e * e};
  static_assert(internal::kPhenomDRows == std::tuple_size<decltype(s->row)>::value, "");
  const double* number = internal::kPhenomDTable;
  for (double& value : s->row) {
    value = 0;
    for (const double b : basis) value += b * *number++;
  }
}

void SetRemnant(double s1, double s2, PhenomDStages* s) {
  const double e = s->eta, m1 = (1 + s->delta) / 2, m2 = (1 - s->delta) / 2;
  const double spin = m1 * m1 * s1 + m2 * m2 * s2, scaled = spin / (m1 * m1 + m2 * m2);
  s->final_spin =
      e * (2 * std::sqrt(3.) +
           e * (-4.399247300629289 + e * (9.397292189321194 - e * 13.180949901606242)) +
           spin * ((1 / e - 0.0850917821418767 - 5.837029316602263 * e) +
                   spin * ((0.1014665242971878 - 2.0967746996832157 * e) +
                           spin * ((-1.3546806617824356 + 4.108962025369336 * e) +
                                   spin * (-0.8676969352555539 + 2.064046835273906 * e)))));
  s->radiated_energy =
      e *
      (0.055974469826360077 +
       e * (0.5809510763115132 + e * (-0.9606726679372312 + e * 3.352411249771192))) *
      (1 + scaled * (-0.0030302335878845507 + e * (-2.0066110851351073 + e * 7.7050567802399215))) /
      (1 + scaled * (-0.6714403054720589 + e * (-1.4756929437702908 + e * 7.304676214885011)));
  const double left = 1 - s->radiated_energy;
  s->f_ring = internal::SumAt("f_ring", s->final_spin, 0, 0, 0) / left;
  s->f_damp = internal::SumAt("f_damp", s->final_spin, 0, 0, 0) / left;
  const double g2 = s->row[internal::kGamma2], g3 = s->row[internal::kGamma3];
  const double root = std::sqrt(std::max(1 - g2 * g2, 0.)) - 1;
  s->f_peak = std::abs(s->f_ring + s->f_damp * g3 * root / g2);
}

// The amplitude without its common factor, by region.

double InspiralAmplitude(const PhenomDStages& s, double f) {
  const double third = std::cbrt(f);
  double sum = 0;
  for (size_t n = s.amplitude.size(); n-- > 0;) sum = sum * third + s.amplitude[n];
  return sum;
}

double InspiralAmplitudeSlope(const PhenomDStages& s, double f) {
  const double third = std::cbrt(f);
  double sum = 0;  // of n a_n third^n
  for (size_t n = s.amplitude.size(); n-- > 0;) {
    sum = sum * third + static_cast<double>(n) * s.amplitude[n];
  }
  return sum / (3 * f);
}

double RingdownAmplitude(const PhenomDStages& s, double f) {
  const double x = f - s.f_ring, w = s.f_damp * s.row[internal::kGamma3];
  return std::exp(-x * s.row[internal::kGamma2] / w) * w * s.row[internal::kGamma1] /
         (x * x + w * w);
}

// The quartic through value and slope at the inspiral's end and at the peak, and a fitted value in
// the middle.
void SetAmplitude(double s1, double s2, PhenomDStages* s) {
  internal::AddSeries(internal::kAmplitudeF, internal::kAmplitudeFCount, s->eta, s->delta, s1, s2,
                      &s->amplitude);
  for (size_t n = 0; n < 7; ++n) s->amplitude[n] *= std::pow(kPi, static_cast<double>(n) / 3);
  for (size_t n = 0; n < 3; ++n) s->amplitude[7 + n] = s->row[internal::kRho1 + n];
  const double f1 = kAmplitudeJoin, f3 = s->f_peak, f2 = (f1 + f3) / 2;
  const auto value = [](double f) -> std::array<double, 5> {
    return {1, f, f * f, f * f * f, f * f * f * f};
  };
  const auto slope = [](double f) -> std::array<double, 5> {
    return {0, 1, 2 * f, 3 * f * f, 4 * f * f * f};
  };
  const double x = f3 - s->f_ring, w = s->f_damp * s->row[internal::kGamma3];
  const double peak = RingdownAmplitude(*s, f3);
  s->quartic = {InspiralAmplitude(*s, f1), InspiralAmplitudeSlope(*s, f1), s->row[internal::kV2],
                peak, peak * (-s->row[internal::kGamma2] / w - 2 * x / (x * x + w * w))};
  internal::Solve<5>({value(f1), slope(f1), value(f2), value(f3), slope(f3)}, &s->quartic);
}

// The phase and its slope, by region, before the joining constants.

double InspiralPhase(const PhenomDStages& s, double f) {
  const double v = std::cbrt(kPi * f), log_v = std::log(v), third = std::cbrt(f);
  double sum = 0;
  for (size_t k = s.phase.size(); k-- > 0;) sum = sum * v + s.phase[k] + s.phase_log[k] * log_v;
  const double fit =
      f * (s.row[internal::kSigma1] + third * (3. / 4 * s.row[internal::kSigma2] +
                                               third * (3. / 5 * s.row[internal::kSigma3] +
                                                        third / 2 * s.row[internal::kSigma4])));
  return 3 / (128 * s.eta) * sum / Power(v, 5) - kPi / 4 + fit / s.eta;
}

double InspiralPhaseSlope(const PhenomDStages& s, double f) {
  const double v = std::cbrt(kPi * f), log_v = std::log(v), third = std::cbrt(f);
  double sum = 0;  // v^6 d/dv of the series: (k - 5) (p + l ln v) + l for each order
  for (size_t k = s.phase.size(); k-- > 0;) {
    const double power = static_cast<double>(k) - 5;
    sum = sum * v + power * (s.phase[k] + s.phase_log[k] * log_v) + s.phase_log[k];
  }
  const double fit =
      s.row[internal::kSigma1] +
      third * (s.row[internal::kSigma2] +
               third * (s.row[internal::kSigma3] + third * s.row[internal::kSigma4]));
  return 3 / (128 * s.eta) * sum / (Power(v, 5) * 3 * f) + fit / s.eta;
}

double MiddlePhase(const PhenomDStages& s, double f) {
  return (s.row[internal::kBeta1] * f + s.row[internal::kBeta2] * std::log(f) -
          s.row[internal::kBeta3] / (3 * f * f * f)) /
         s.eta;
}

double MiddlePhaseSlope(const PhenomDStages& s, double f) {
  return (s.row[internal::kBeta1] + s.row[internal::kBeta2] / f +
          s.row[internal::kBeta3] / Power(f, 4)) /
         s.eta;
}

double RingdownPhase(const PhenomDStages& s, double f) {
  const double* a = &s.row[internal::kAlpha1];
  return (a[0] * f - a[1] / f + 4. / 3 * a[2] * std::sqrt(f) * std::sqrt(std::sqrt(f)) +
          a[3] * std::atan((f - a[4] * s.f_ring) / s.f_damp)) /
         s.eta;
}

double RingdownPhaseSlope(const PhenomDStages& s, double f) {
  const double* a = &s.row[internal::kAlpha1];
  return (a[0] + a[1] / (f * f) + a[2] / std::sqrt(std::sqrt(f)) +
          a[3] * s.f_damp / (Square(s.f_damp) + Square(f - a[4] * s.f_ring))) /
         s.eta;
}

void SetPhase(double s1, double s2, PhenomDStages* s) {
  internal::AddSeries(internal::kTaylorF2Phase, internal::kTaylorF2PhaseCount, s->eta, s->delta, s1,
                      s2, &s->phase);
  internal::AddSeries(internal::kTaylorF2PhaseLog, internal::kTaylorF2PhaseLogCount, s->eta,
                      s->delta, s1, s2, &s->phase_log);
  const double j1 = s->join1 = kPhaseJoin, j2 = s->join2 = .5 * s->f_ring;
  s->b1 = InspiralPhaseSlope(*s, j1) - MiddlePhaseSlope(*s, j1);
  s->b0 = InspiralPhase(*s, j1) - MiddlePhase(*s, j1) - s->b1 * j1;
  s->a1 = MiddlePhaseSlope(*s, j2) + s->b1 - RingdownPhaseSlope(*s, j2);
  s->a0 = MiddlePhase(*s, j2) + s->b0 + s->b1 * j2 - RingdownPhase(*s, j2) - s->a1 * j2;
  s->t0 = RingdownPhaseSlope(*s, s->f_peak);
}

}  // namespace

Result<PhenomD> PhenomD::Make(double q, double s1, double s2) {
  STEMMA_RETURN_IF_ERROR(CheckBinary(q, s1, s2));
  PhenomD wave;
  PhenomDStages* const s = &wave.s_;
  s->eta = q / ((1 + q) * (1 + q));
  s->delta = (q - 1) / (q + 1);
  s->chi = (s1 + s2) / 2 * (1 - 76 * s->eta / 113) + s->delta * (s1 - s2) / 2;
  SetTable(s);
  SetRemnant(s1, s2, s);
  SetAmplitude(s1, s2, s);
  SetPhase(s1, s2, s);
  return wave;
}

double PhenomD::Amplitude(double f) const {
  if (f > kFrequencyCut) return 0;
  double a = 0;
  if (f < kAmplitudeJoin) {
    a = InspiralAmplitude(s_, f);
  } else if (f < s_.f_peak) {
    for (size_t n = s_.quartic.size(); n-- > 0;) a = a * f + s_.quartic[n];
  } else {
    a = RingdownAmplitude(s_, f);
  }
  return a * std::sqrt(2 * s_.eta / 3) * std::pow(f, -7. / 6) * std::pow(kPi, -1. / 6);
}

double PhenomD::Phase(double f) const {
  const double phase = f < s_.join1   ? InspiralPhase(s_, f)
                       : f < s_.join2 ? MiddlePhase(s_, f) + s_.b0 + s_.b1 * f
                                      : RingdownPhase(s_, f) + s_.a0 + s_.a1 * f;
  return phase - s_.t0 * f;
}

}  // namespace stemma::models
