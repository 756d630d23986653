#include "models/aigw/combine.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

namespace stemma::models {

namespace {

constexpr size_t kReadingsMin = 50;
constexpr std::array<double, 3> kLow = {1, -kSpinMax, -kSpinMax};
constexpr std::array<double, 3> kHigh = {kMassRatioMax, kSpinMax, kSpinMax};

// Solves a x = b by elimination with the largest pivot; `b` becomes x. A pivot of 0 leaves its
// unknown 0: it does not matter to any equation.
template <size_t n>
void Solve(std::array<std::array<double, n>, n> a, std::array<double, n>* b) {
  for (size_t k = 0; k < n; ++k) {
    size_t best = k;
    for (size_t i = k + 1; i < n; ++i) {
      if (std::abs(a[i][k]) > std::abs(a[best][k])) best = i;
    }
    std::swap(a[k], a[best]);
    std::swap((*b)[k], (*b)[best]);
    if (a[k][k] == 0) continue;
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = a[i][k] / a[k][k];
      for (size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      (*b)[i] -= factor * (*b)[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j) (*b)[k] -= a[k][j] * (*b)[j];
    (*b)[k] = a[k][k] == 0 ? 0 : (*b)[k] / a[k][k];
  }
}

AigwValues ErrorsOf(const AigwValues& outputs, const Binary& binary) {
  AigwValues errors = ValuesOf(binary);
  for (size_t k = 0; k < errors.size(); ++k) errors[k] = outputs[k] - errors[k];
  return errors;
}

// d (q, s1, s2, chi_eff, S_eff) / d (q, s1, s2)
std::array<std::array<double, 3>, 5> Jacobian(const Binary& b) {
  const double sum = 1 + b.q;
  return {{{1, 0, 0},
           {0, 1, 0},
           {0, 0, 1},
           {(b.s1 - b.s2) / (sum * sum), b.q / sum, 1 / sum},
           {.75 * (b.s2 - b.s1 / (b.q * b.q)), 1 + .75 / b.q, 1 + .75 * b.q}}};
}

}  // namespace

AigwValues ValuesOf(const Binary& b) {
  return {b.q, b.s1, b.s2, ChiEffective(b.q, b.s1, b.s2), SpinEffective(b.q, b.s1, b.s2)};
}

Estimate FirstThree(const AigwValues& outputs) {
  std::array<double, 3> p;
  bool clamped = false;
  for (size_t k = 0; k < p.size(); ++k) {
    p[k] = std::clamp(outputs[k], kLow[k], kHigh[k]);
    clamped = clamped || p[k] != outputs[k];
  }
  return {{p[0], p[1], p[2]}, clamped};
}

Result<Combination> Combination::Fit(const std::vector<Reading>& readings) {
  if (readings.size() < kReadingsMin) {
    return Status(Code::kInvalidArgument, "combining five outputs takes the errors of " +
                                              std::to_string(kReadingsMin) + " mergers, not of " +
                                              std::to_string(readings.size()));
  }
  Matrix c{}, weights{};
  for (const Reading& reading : readings) {
    const AigwValues e = ErrorsOf(reading.outputs, reading.truth);
    for (size_t i = 0; i < c.size(); ++i) {
      for (size_t j = 0; j < c.size(); ++j) c[i][j] += e[i] * e[j];
    }
  }
  // Outputs that nearly agree have a matrix that is nearly singular, and one that is never wrong a
  // row of zeros: a millionth of each mean square and an error of 1e-5 keep the inverse finite.
  const auto count = static_cast<double>(readings.size());
  for (size_t i = 0; i < c.size(); ++i) c[i][i] = c[i][i] * (1 + 1e-6) + count * 1e-10;
  for (size_t i = 0; i < c.size(); ++i) {
    AigwValues column{};
    column[i] = count;
    Solve(c, &column);
    for (size_t j = 0; j < c.size(); ++j) weights[j][i] = column[j];
  }
  return Combination(weights);
}

// Until the steps are below 1e-9, 30 of them at most. q stays where the derivatives have sense.
void Combination::Descend(const AigwValues& outputs, const std::array<bool, 3>& fixed,
                          std::array<double, 3>* p) const {
  for (int step = 0; step < 30; ++step) {
    const Binary at = {(*p)[0], (*p)[1], (*p)[2]};
    const AigwValues e = ErrorsOf(outputs, at);
    const auto jacobian = Jacobian(at);
    std::array<std::array<double, 3>, 3> normal{};
    std::array<double, 3> move{};
    for (size_t a = 0; a < 3; ++a) {
      if (fixed[a]) {
        normal[a][a] = 1;
        continue;
      }
      for (size_t i = 0; i < 5; ++i) {
        for (size_t j = 0; j < 5; ++j) {
          const double weighed = jacobian[i][a] * weights_[i][j];
          move[a] += weighed * e[j];
          for (size_t b = 0; b < 3; ++b) normal[a][b] += weighed * jacobian[j][b];
        }
      }
    }
    Solve(normal, &move);
    double longest = 0;
    for (size_t a = 0; a < 3; ++a) {
      (*p)[a] += move[a];
      longest = std::max(longest, std::abs(move[a]));
    }
    if (!fixed[0]) (*p)[0] = std::clamp((*p)[0], .5, 2 * kMassRatioMax);
    if (longest < 1e-9) return;
  }
}

// Whatever lies beyond its end by the largest part of its range is put there, and the rest is
// fitted again.
Estimate Combination::Of(const AigwValues& outputs) const {
  const Binary start = FirstThree(outputs).binary;
  std::array<double, 3> p = {start.q, start.s1, start.s2};
  std::array<bool, 3> fixed = {};
  bool clamped = false;
  for (int round = 0; round < 4; ++round) {
    Descend(outputs, fixed, &p);
    size_t worst = 0;
    double most = 0;
    for (size_t k = 0; k < p.size(); ++k) {
      const double beyond = std::max(kLow[k] - p[k], p[k] - kHigh[k]) / (kHigh[k] - kLow[k]);
      if (beyond > most) {
        most = beyond;
        worst = k;
      }
    }
    if (most == 0) break;
    p[worst] = std::clamp(p[worst], kLow[worst], kHigh[worst]);
    fixed[worst] = clamped = true;
  }
  return {{p[0], p[1], p[2]}, clamped};
}

}  // namespace stemma::models
