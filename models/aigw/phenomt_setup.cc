#include "models/aigw/phenomt_setup.h"

#include <algorithm>

#include "models/aigw/phenom_fits.h"

namespace stemma::models::internal {

namespace {

constexpr double kThetaCollocation[6] = {.33, .45, .55, .65, .75, .82};
constexpr double kThetaCut = .81;     // the inspiral's frequency ends here
constexpr double kThetaMerger = .95;  // the merger's frequency is collocated here
constexpr double kAmplitudeCollocation[3] = {-2000, -250, -150};
constexpr double kAmplitudeMerger = -25;

double ThetaTime(double theta, double eta) { return -5 / (eta * Power(theta, 8)); }

void SetRemnant(PhenomTStages* s) {
  const double m1 = (1 + s->delta) / 2, m2 = (1 - s->delta) / 2;
  s->final_spin = Sum("spin0", *s) + (m1 * m1 + m2 * m2) * s->spin +
                  Sum("spin_eq_num", *s) / (1 + Sum("spin_eq_den", *s)) + Sum("spin_uneq", *s);
  s->final_mass =
      1 - (Sum("energy0", *s) * (1 + Sum("energy_eq_num", *s)) / (1 + Sum("energy_eq_den", *s)) +
           Sum("energy_uneq", *s));
  const auto mode = [&](const char* name) {
    return 2 * kPi * SumAt(name, s->final_spin, 0, 0, 0) / s->final_mass;
  };
  s->omega_ring = mode("f_ring");
  s->alpha1 = mode("f_damp");
  s->alpha2 = mode("f_damp_n2");
}

double OmegaOfTheta(const PhenomTStages& s, double theta) {
  return theta * theta * theta / 4 * InspiralSeries(s, theta, Log(theta));
}

// d omega / dt of the inspiral; d theta / dt = eta theta^9 / 40.
double OmegaSlopeInspiral(const PhenomTStages& s, double t) {
  const double theta = Theta(s, t), log_theta = Log(theta);
  double slope = 0;
  for (int n = 13; n >= 1; --n) slope = slope * theta + n * s.k[static_cast<size_t>(n)];
  slope += kThetaLog * (6 * log_theta + 1) * Power(theta, 5);
  const double d_omega =
      theta * theta / 4 * (3 * InspiralSeries(s, theta, log_theta) + theta * slope);
  return s.eta / 40 * Power(theta, 9) * d_omega;
}

double OmegaSlopeMerger(const PhenomTStages& s, double t) {
  const double sh = s.alpha1 * t, x = Asinh(sh);
  const double slope = s.e[1] + x * (2 * s.e[2] + x * (3 * s.e[3] + x * 4 * s.e[4]));
  return -s.omega_ring * slope * s.alpha1 / std::sqrt(1 + sh * sh);
}

void SetInspiralFrequency(double s1, double s2, PhenomTStages* s) {
  AddSeries(kTaylorT3Omega, kTaylorT3OmegaCount, s->eta, s->delta, s1, s2, &s->k);
  const double t0 = Sum("t0", *s) + 5 / (s->eta * Power(kThetaCollocation[0], 8));
  const double theta0 = Theta(*s, -t0);
  const char* const names[6] = {"", "w_cp1", "w_cp2", "w_cp3", "w_cp4", "w_cp5"};
  std::array<std::array<double, 6>, 6> a;
  std::array<double, 6> b;
  for (size_t j = 0; j < 6; ++j) {
    const double theta = kThetaCollocation[j];
    const double omega = j == 0 ? OmegaOfTheta(*s, theta0) : Sum(names[j], *s);
    b[j] = 4 / Power(theta, 3) * (omega - OmegaOfTheta(*s, theta));
    for (int n = 0; n < 6; ++n) a[j][static_cast<size_t>(n)] = Power(theta, 8 + n);
  }
  Solve(a, &b);
  std::copy(b.begin(), b.end(), s->k.begin() + 8);
  for (size_t n = 0; n < 6; ++n) s->k_phase[n] = b[n] / static_cast<double>(n + 3);
}

void SetRingdownFrequency(PhenomTStages* s) {
  s->omega_peak = Sum("w_peak", *s);
  s->c2 = Sum("rd_d2", *s);
  s->c3 = Sum("rd_d3", *s);
  s->c1 = (1 + s->c3) * (s->omega_ring - s->omega_peak) / (s->c2 * s->c3);
}

void SetMergerFrequency(PhenomTStages* s) {
  s->t_cut = ThetaTime(kThetaCut, s->eta);
  const double slope_peak = s->c1 * s->c2 * s->c2 * s->c3 / ((1 + s->c3) * (1 + s->c3));
  s->e[0] = 1 - s->omega_peak / s->omega_ring;
  s->e[1] = -slope_peak / (s->omega_ring * s->alpha1);
  const double sh = s->alpha1 * s->t_cut, x0 = Asinh(sh);
  const double x1 = Asinh(s->alpha1 * ThetaTime(kThetaMerger, s->eta));
  const double dx = s->alpha1 / std::sqrt(1 + sh * sh);
  std::array<std::array<double, 3>, 3> a;
  for (int n = 2; n < 5; ++n) {
    const auto column = static_cast<size_t>(n - 2);
    a[0][column] = Power(x0, n);
    a[1][column] = Power(x1, n);
    a[2][column] = dx * n * Power(x0, n - 1);
  }
  const double ring = s->omega_ring;
  std::array<double, 3> b = {1 - OmegaOfTheta(*s, kThetaCut) / ring - s->e[0] - s->e[1] * x0,
                             1 - Sum("w_merger", *s) / ring - s->e[0] - s->e[1] * x1,
                             -OmegaSlopeInspiral(*s, s->t_cut) / ring - s->e[1] * dx};
  Solve(a, &b);
  std::copy(b.begin(), b.end(), s->e.begin() + 2);
}

// phi(0) = 0 belongs to the merger and the ringdown; the inspiral follows at t_cut.
void SetPhaseConstants(PhenomTStages* s) {
  s->phase_merger = -Merger(*s, 0).phase;
  s->phase_inspiral = Merger(*s, s->t_cut).phase - Inspiral(*s, s->t_cut).phase;
}

void SetInspiralAmplitude(double s1, double s2, PhenomTStages* s) {
  AddSeries(kAmplitudeRe, kAmplitudeReCount, s->eta, s->delta, s1, s2, &s->amp_re);
  AddSeries(kAmplitudeIm, kAmplitudeImCount, s->eta, s->delta, s1, s2, &s->amp_im);
  const char* const names[3] = {"a_cp1", "a_cp2", "a_cp3"};
  std::array<std::array<double, 3>, 3> a;
  std::array<double, 3> b;
  for (size_t j = 0; j < 3; ++j) {
    const double omega = At(*s, kAmplitudeCollocation[j]).omega, v = Exp(Log(omega / 2) / 3);
    b[j] = (Sum(names[j], *s) - InspiralComplexAmplitude(*s, omega).real()) /
           (2 * s->eta * kAmplitudeFront * v * v);
    for (int n = 0; n < 3; ++n) a[j][static_cast<size_t>(n)] = Power(v, 8 + n);
  }
  Solve(a, &b);
  std::copy(b.begin(), b.end(), s->amp_re.begin() + 8);
}

// d|H|/dt along omega(t), analytic: a one-sided difference would cost six digits of the amplitude.
double InspiralAmplitudeSlope(const PhenomTStages& s, double t) {
  const double omega = At(s, t).omega;
  const double omega_slope = t < s.t_cut ? OmegaSlopeInspiral(s, t) : OmegaSlopeMerger(s, t);
  const double v = Exp(Log(omega / 2) / 3), x = v * v;
  std::complex<double> dh = 0;  // d h / d x
  for (int n = 10; n >= 0; --n) {
    const auto i = static_cast<size_t>(n);
    dh = dh * v + (1 + n / 2.0) * std::complex<double>(s.amp_re[i], s.amp_im[i]);
  }
  dh = 2 * s.eta * kAmplitudeFront * (dh - kAmplitudeLog * (4 * Log(16 * x) + 1) * x * x * x);
  const std::complex<double> h = InspiralComplexAmplitude(s, omega);
  return (std::conj(h) * dh).real() / InspiralAmplitude(s, omega) * (2.0 / 3) * x / omega *
         omega_slope;
}

void SetRingdownAmplitude(double peak, PhenomTStages* s) {
  s->r3 = Sum("rd_c3", *s);
  s->r2 = .5 * (s->alpha2 - s->alpha1);
  const double limit = .5 * s->alpha1 / Tanh(s->r3);
  if (std::abs(s->r2) > std::abs(limit)) s->r2 = -limit;
  s->r1 = peak * s->alpha1 * Cosh(s->r3) * Cosh(s->r3) / s->r2;
  s->r4 = peak - s->r1 * Tanh(s->r3);
}

void SetMergerAmplitude(double peak, PhenomTStages* s) {
  const double a1 = s->alpha1, cut = kAmplitudeCut;
  const auto row = [&](double t) -> std::array<double, 4> {
    return {1, 1 / Cosh(a1 * t), Exp(Log(Cosh(2 * a1 * t)) / -7), t * t};
  };
  const std::array<double, 4> at_cut = row(cut);
  const std::array<double, 4> slope = {0, -a1 * Tanh(a1 * cut) * at_cut[1],
                                       -2.0 / 7 * a1 * Tanh(2 * a1 * cut) * at_cut[2], 2 * cut};
  std::array<double, 4> b = {InspiralAmplitude(*s, At(*s, cut).omega), Sum("a_merger", *s), peak,
                             InspiralAmplitudeSlope(*s, cut)};
  Solve<4>({at_cut, row(kAmplitudeMerger), row(0), slope}, &b);
  s->amp_merger = b;
}

}  // namespace

double Sum(const char* name, const PhenomTStages& s) {
  return SumAt(name, s.eta, s.spin, s.dchi, s.delta);
}

void SetUp(double q, double s1, double s2, PhenomTStages* s) {
  *s = PhenomTStages{};
  s->eta = q / ((1 + q) * (1 + q));
  s->delta = (q - 1) / (q + 1);  // never sqrt(1 - 4 eta): rounding makes that NaN at q = 1
  const double m1 = (1 + s->delta) / 2, m2 = (1 - s->delta) / 2;
  s->spin = (m1 * m1 * s1 + m2 * m2 * s2) / (m1 * m1 + m2 * m2);
  s->dchi = s1 - s2;
  SetRemnant(s);
  SetInspiralFrequency(s1, s2, s);
  SetRingdownFrequency(s);
  SetMergerFrequency(s);
  SetPhaseConstants(s);
  SetInspiralAmplitude(s1, s2, s);
  const double peak = Sum("a_peak", *s);
  SetRingdownAmplitude(peak, s);
  SetMergerAmplitude(peak, s);
}

}  // namespace stemma::models::internal
