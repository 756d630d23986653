#include "models/aigw/phenom_fits.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/check.h"

namespace stemma::models::internal {

namespace {

double Polynomial(int first, int count, double x) {
  double result = 0;
  for (int i = count - 1; i >= 0; --i) result = result * x + kCoefficients[first + i];
  return result;
}

}  // namespace

double Power(double base, int power) {
  double result = 1;
  for (int i = 0; i < std::abs(power); ++i) result *= base;
  return power < 0 ? 1 / result : result;
}

double SumAt(const char* name, double eta, double spin, double dchi, double delta) {
  const GroupSum* found = std::find_if(
      kSums, kSums + kSumCount, [&](const GroupSum& s) { return std::strcmp(s.name, name) == 0; });
  STEMMA_CHECK(found != kSums + kSumCount, name);
  double sum = 0;
  for (const Group* g = kGroups + found->first; g != kGroups + found->first + found->count; ++g) {
    sum += g->c * Power(eta, g->e) * Power(spin, g->s) * Power(dchi, g->dchi) *
           Power(delta, g->delta) * Polynomial(g->num_first, g->num_count, eta) /
           Polynomial(g->den_first, g->den_count, eta);
  }
  return Power(eta, found->eta_power) * sum;
}

}  // namespace stemma::models::internal
