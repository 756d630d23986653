// How many galaxies of AI-DES a second one thread makes: drawn, painted, blurred, with noise, and
// prepared as the network's input of 3 x 224 x 224 floats.
//
//   galaxy_bench [GALAXIES]
//
//   sdss   210.3 galaxies/s
//   des    118.0 galaxies/s
//   both   151.2 galaxies/s, half of each
//   paint  31 %, seeing 24 %, noise 20 %, picture 25 % of the time
//
// Each survey makes the same galaxies (200), after ten that are not counted, so that the kernels
// of the seeing are there. The last line comes from a run of the parts one by one.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "models/aides/counts.h"
#include "models/aides/dataset.h"

namespace stemma {
namespace {

using models::SurveyKind;

template <typename Body>
double Seconds(Body body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<double> SecondsOf(SurveyKind kind, int64_t galaxies) {
  STEMMA_ASSIGN_OR_RETURN(const auto data,
                          models::AidesDataset::Make({}, kind, models::GalaxySplit::kTrain));
  std::vector<float> x(static_cast<size_t>(data->Shape().XCount()));
  float y = 0;
  Status status;
  const auto read = [&](int64_t from, int64_t to) {
    for (int64_t id = from; id < to && status.ok(); ++id) {
      status = data->Read(id, {}, x.data(), &y);
    }
  };
  read(galaxies, galaxies + 10);
  const double seconds = Seconds([&] { read(0, galaxies); });
  STEMMA_RETURN_IF_ERROR(status);
  return seconds;
}

// Where the time of one survey goes; what is left of an exposure is its seeing.
struct Parts {
  double paint = 0, seeing = 0, noise = 0, picture = 0;
};

void AddParts(SurveyKind kind, int64_t galaxies, Parts* parts) {
  const models::Survey survey(kind);
  const models::SurveyFacts& facts = models::FactsOf(kind);
  models::Bands bands;
  for (int64_t i = -5; i < galaxies; ++i) {
    Parts one;
    const auto object = static_cast<uint64_t>(i + 5);
    const models::Galaxy galaxy = models::DrawGalaxy(1, object);
    models::Exposure exposure;
    const double clean = Seconds([&] { exposure = survey.Expose(galaxy, {1, object}, false); });
    const double margin = 8 * facts.seeing[models::kBandG] / facts.pixel;
    const size_t side = models::GoodSide(exposure.side + static_cast<size_t>(margin) + 1);
    const models::Grid grid = {side, facts.pixel, .5 * side, .5 * side};
    one.paint = Seconds([&] { models::PaintGalaxy(galaxy, grid, {1, 1, 1}, &bands); });
    one.seeing = std::max(0., clean - one.paint);
    one.noise = Seconds([&] {
      const models::PixelNoise noise(object);
      for (auto& band : exposure.bands) {
        for (size_t k = 0; k < band.size(); ++k) {
          band[k] = noise.Electrons(k, facts.sky[0] + std::max(band[k], 0.), facts.read_noise);
        }
      }
    });
    std::vector<float> x(3 * 224 * 224);
    one.picture =
        Seconds([&] { models::NetworkInput(models::MakePicture(exposure, {}), 224, x.data()); });
    if (i < 0) continue;
    parts->paint += one.paint;
    parts->seeing += one.seeing;
    parts->noise += one.noise;
    parts->picture += one.picture;
  }
}

Status Run(int64_t galaxies) {
  double total = 0;
  for (const SurveyKind kind : {SurveyKind::kSdss, SurveyKind::kDes}) {
    STEMMA_ASSIGN_OR_RETURN(const double seconds, SecondsOf(kind, galaxies));
    std::printf("%-6s %6.1f galaxies/s\n", models::FactsOf(kind).name,
                static_cast<double>(galaxies) / seconds);
    total += seconds;
  }
  std::printf("both   %6.1f galaxies/s, half of each\n", 2 * static_cast<double>(galaxies) / total);
  Parts p;
  for (const SurveyKind kind : {SurveyKind::kSdss, SurveyKind::kDes}) {
    AddParts(kind, std::min<int64_t>(galaxies, 50), &p);
  }
  const double all = p.paint + p.seeing + p.noise + p.picture;
  std::printf("paint %3.0f %%, seeing %.0f %%, noise %.0f %%, picture %.0f %% of the time\n",
              100 * p.paint / all, 100 * p.seeing / all, 100 * p.noise / all,
              100 * p.picture / all);
  return {};
}

}  // namespace
}  // namespace stemma

int main(int argc, char** argv) {
  const int galaxies = argc > 1 ? std::atoi(argv[1]) : 200;
  const stemma::Status status = stemma::Run(std::max(galaxies, 1));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
