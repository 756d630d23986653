#include "tools/scale/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace stemma::scale {
namespace {

double NormalBelow(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// Solves the normal equations for the columns in `active`. False: they are dependent.
bool Solve(const std::vector<std::vector<double>>& rows, const std::vector<double>& target,
           const std::vector<size_t>& active, std::vector<double>* x) {
  const size_t n = active.size();
  std::vector<std::vector<double>> m(n, std::vector<double>(n + 1, 0.0));
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) m[i][j] += rows[r][active[i]] * rows[r][active[j]];
      m[i][n] += rows[r][active[i]] * target[r];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    size_t pivot = i;
    for (size_t k = i + 1; k < n; ++k) {
      if (std::fabs(m[k][i]) > std::fabs(m[pivot][i])) pivot = k;
    }
    std::swap(m[i], m[pivot]);
    if (std::fabs(m[i][i]) < 1e-14) return false;
    for (size_t k = 0; k < n; ++k) {
      if (k == i) continue;
      const double factor = m[k][i] / m[i][i];
      for (size_t j = i; j <= n; ++j) m[k][j] -= factor * m[i][j];
    }
  }
  for (size_t i = 0; i < n; ++i) (*x)[active[i]] = m[i][n] / m[i][i];
  return true;
}

}  // namespace

// E[max] is the integral of P(max > x) over x > 0 less the one of P(max <= x) over x < 0.
double ExpectedMaximumOfNormals(int64_t n) {
  constexpr double kEnd = 10, kStep = 1e-2;
  const auto count = static_cast<double>(n);
  double sum = 0;
  for (double x = kStep / 2; x < kEnd; x += kStep) {
    // log1p keeps what pow would round away where almost everything lies below x.
    const double above = -std::expm1(count * std::log1p(-NormalBelow(-x)));
    const double below = std::pow(NormalBelow(-x), count);
    sum += (above - below) * kStep;
  }
  return sum;
}

double ExpectedMaximumOfExponentials(int64_t n) {
  double sum = 0;
  for (int64_t k = n; k >= 1; --k) sum += 1 / static_cast<double>(k);
  return sum;
}

Quantiles QuantilesOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    const double part = place - static_cast<double>(below);
    return values[below] * (1 - part) + values[above] * part;
  };
  return {at(0.1), at(0.5), at(0.9)};
}

std::vector<double> NonNegativeLeastSquares(const std::vector<std::vector<double>>& rows,
                                            const std::vector<double>& target) {
  const size_t columns = rows.empty() ? 0 : rows[0].size();
  std::vector<double> best(columns, 0.0);
  double least = -1;
  for (size_t set = 0; set < (size_t{1} << columns); ++set) {
    std::vector<size_t> active;
    for (size_t c = 0; c < columns; ++c) {
      if ((set >> c & 1) != 0) active.push_back(c);
    }
    std::vector<double> x(columns, 0.0);
    if (active.size() > rows.size() || !Solve(rows, target, active, &x)) continue;
    if (std::any_of(x.begin(), x.end(), [](double v) { return v < 0; })) continue;
    double squares = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      double miss = -target[r];
      for (size_t c = 0; c < columns; ++c) miss += rows[r][c] * x[c];
      squares += miss * miss;
    }
    if (least >= 0 && squares >= least) continue;
    least = squares;
    best = x;
  }
  return best;
}

}  // namespace stemma::scale
