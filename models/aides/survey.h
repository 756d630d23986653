// Two telescopes that look at the same galaxy: one like SDSS's (coarse pixels, worse seeing,
// shallow), one like DES's (finer, sharper, deeper). "Like": scales and widths are those of
// kSurveys, round numbers near the published ones; no catalogue and no camera is copied.
//
//   const Survey sdss(SurveyKind::kSdss);
//   Exposure e = sdss.Expose(galaxy, {seed, object});     // three bands of electrons above the sky
//
// What happens to the light, in this order:
//   cut-out   a square of +-2 Petrosian radii, seeing included, and a margin of four seeing widths
//   paint     paint.h, the centre somewhere within the middle pixel
//   seeing    convolution with a Moffat profile, beta 3.5, one width per band
//   electrons Poisson(sky + source) + Gaussian read noise - sky, for each pixel of the cut-out
//
// Noise is keyed by (seed, object, survey, band, pixel): each pixel has its own counter of Philox,
// so no order of work and no number of threads changes it. Same bits on every machine.
//
// A real DES cut-out is +-12 KRON_RADIUS of its catalogue; there is no catalogue here, so both use
// the Petrosian radius, each with its own seeing. The painted grid reaches beyond the cut-out
// instead of being padded with zeros, so light also comes in from outside: with zeros the cut-out's
// own edges would be too dark. What wraps around falls into the margin, and 1e-3 of it beyond.
//
// Owner: whoever made it. Any thread, any number at once: kernels are made once, when first needed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/status.h"
#include "models/aides/convolve.h"
#include "models/aides/galaxy.h"
#include "models/aides/paint.h"

namespace stemma::models {

// Part of the noise's key: never renumber.
enum class SurveyKind : uint32_t { kSdss = 0, kDes = 1 };

struct SurveyFacts {
  const char* name;
  double pixel;        // arcseconds
  PerBand seeing;      // full width at half maximum, arcseconds
  PerBand zero_point;  // the magnitude that gives one electron
  PerBand sky;         // electrons a pixel
  double read_noise;   // electrons, standard deviation, a pixel
};

const SurveyFacts& FactsOf(SurveyKind kind);
// "sdss" or "des"; anything else is kInvalidArgument.
Result<SurveyKind> SurveyByName(const std::string& name);

struct NoiseKey {
  uint64_t seed = 0, object = 0;
};

struct Exposure {
  size_t side = 0;       // pixels of the cut-out
  Bands bands;           // electrons above the sky, side * side each
  double petrosian = 0;  // arcseconds, seeing included
  // Of the r band, of the best weighted sum over the cut-out: sqrt(sum signal^2 / variance).
  double signal_to_noise = 0;
};

class Survey {
 public:
  explicit Survey(SurveyKind kind) : kind_(kind) {}

  // `noisy` false: the expected electrons themselves, to look at.
  Exposure Expose(const Galaxy& galaxy, const NoiseKey& key, bool noisy = true) const;
  SurveyKind kind() const { return kind_; }

 private:
  static constexpr size_t kSides = 40;  // GoodSide has fewer values
  struct Kernel {
    std::once_flag made;
    std::array<std::unique_ptr<WrappedConvolution>, kBands> bands;
  };
  const Kernel& KernelFor(size_t side) const;

  SurveyKind kind_;
  mutable std::array<Kernel, kSides> kernels_;
};

// The kernel of a star on a grid of this side, its centre at (0, 0), sum 1.
std::vector<double> StarKernel(double fwhm_pixels, size_t side);

}  // namespace stemma::models
