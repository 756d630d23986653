#include "models/aides/survey.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/random.h"
#include "models/aides/counts.h"
#include "models/aides/moffat.h"
#include "models/numeric/elementary.h"

namespace stemma::models {

namespace {

constexpr double kBeta = 3.5;
constexpr double kMarginWidths = 4;
// The Petrosian radius of a star with beta 3.5, in seeing widths.
constexpr double kStarPetrosian = 1.22;
constexpr size_t kSideMax = 200;  // of a cut-out: the network's picture is never a smaller one

// One exposure of 54 s at a 2.5 m telescope; four of 90 s at a 4 m one: bands g, r, i.
constexpr SurveyFacts kSurveys[] = {
    {"sdss", .396, {1.44, 1.32, 1.26}, {30.0, 29.9, 29.7}, {360, 650, 1000}, 6},
    {"des", .263, {1.12, .96, .88}, {31.8, 31.8, 31.7}, {700, 1450, 2900}, 14},
};

// Where in the middle pixel the galaxy is, for this telescope.
void Point(SurveyKind kind, const NoiseKey& key, double middle, Grid* grid) {
  Random draw(Key({key.seed, key.object, static_cast<uint64_t>(kind)}), "aides pointing");
  grid->center_x = middle + draw.Uniform() - .5;
  grid->center_y = middle + draw.Uniform() - .5;
}

std::vector<double> Cut(const std::vector<double>& from, size_t side, size_t margin, size_t kept) {
  std::vector<double> to(kept * kept);
  for (size_t y = 0; y < kept; ++y) {
    std::copy_n(&from[(y + margin) * side + margin], kept, &to[y * kept]);
  }
  return to;
}

double SignalToNoise(const std::vector<double>& signal, double background) {
  double sum = 0;
  for (const double s : signal) sum += s * s / (std::max(s, 0.) + background);
  return std::sqrt(sum);
}

}  // namespace

const SurveyFacts& FactsOf(SurveyKind kind) { return kSurveys[static_cast<uint32_t>(kind)]; }

Result<SurveyKind> SurveyByName(const std::string& name) {
  for (const SurveyKind kind : {SurveyKind::kSdss, SurveyKind::kDes}) {
    if (name == FactsOf(kind).name) return kind;
  }
  return Status(Code::kInvalidArgument, "no survey is called '" + name + "': sdss or des");
}

std::vector<double> StarKernel(double fwhm_pixels, size_t side) {
  const Moffat star(kBeta, fwhm_pixels);
  std::vector<double> kernel(side * side);
  double sum = 0;
  for (size_t y = 0; y < side; ++y) {
    for (size_t x = 0; x < side; ++x) {
      const double dx = static_cast<double>(std::min(x, side - x));
      const double dy = static_cast<double>(std::min(y, side - y));
      sum += kernel[y * side + x] = star.At(dx * dx + dy * dy);
    }
  }
  for (double& value : kernel) value /= sum;
  return kernel;
}

const Survey::Kernel& Survey::KernelFor(size_t side) const {
  size_t index = 0;
  for (size_t other = GoodSide(0); other < side; other = GoodSide(other + 1)) ++index;
  Kernel& kernel = kernels_[index];
  std::call_once(kernel.made, [&] {
    const SurveyFacts& facts = FactsOf(kind_);
    for (size_t band = 0; band < kBands; ++band) {
      kernel.bands[band] = std::make_unique<WrappedConvolution>(
          side, StarKernel(facts.seeing[band] / facts.pixel, side));
    }
  });
  return kernel;
}

Exposure Survey::Expose(const Galaxy& galaxy, const NoiseKey& key, bool noisy) const {
  const SurveyFacts& facts = FactsOf(kind_);
  Exposure out;
  const double own = PetrosianRadius(galaxy), blur = kStarPetrosian * facts.seeing[kBandR];
  out.petrosian = std::sqrt(own * own + blur * blur);
  out.side = std::min(kSideMax, static_cast<size_t>(std::ceil(4 * out.petrosian / facts.pixel)));
  const double reach = std::ceil(kMarginWidths * facts.seeing[kBandG] / facts.pixel);
  const auto margin = static_cast<size_t>(reach);
  Grid grid;
  grid.side = GoodSide(out.side + 2 * margin);
  grid.pixel = facts.pixel;
  Point(kind_, key, reach + .5 * static_cast<double>(out.side - 1), &grid);
  PerBand flux = galaxy.Flux();
  for (size_t band = 0; band < kBands; ++band) {
    flux[band] *= internal::Exp(.4 * 2.302585092994046 * facts.zero_point[band]);
  }
  Bands painted;
  PaintGalaxy(galaxy, grid, flux, &painted);
  const Kernel& kernel = KernelFor(grid.side);
  const double read_variance = facts.read_noise * facts.read_noise;
  for (size_t band = 0; band < kBands; ++band) {
    kernel.bands[band]->Apply(&painted[band]);
    out.bands[band] = Cut(painted[band], grid.side, margin, out.side);
    std::vector<double>& pixels = out.bands[band];
    const double sky = facts.sky[band];
    if (band == kBandR) out.signal_to_noise = SignalToNoise(pixels, sky + read_variance);
    if (!noisy) continue;
    const PixelNoise noise(
        Key({key.seed, key.object, static_cast<uint64_t>(kind_), static_cast<uint64_t>(band)}));
    for (size_t i = 0; i < pixels.size(); ++i) {
      pixels[i] = noise.Electrons(i, sky + std::max(pixels[i], 0.), facts.read_noise) - sky;
    }
  }
  return out;
}

}  // namespace stemma::models
