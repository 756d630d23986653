// Waveforms and parameters out of an HDF5 file: what is read is what would have been computed.
#include "models/aigw/waveform_file.h"

#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lineage/storage.h"
#include "models/aigw/dataset.h"
#include "models/data/hdf5/hdf5_writer.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace stemma::models {
namespace {

using lineage::PosixStorage;
using tests::HasCode;
using tests::IsOk;
using tests::TempFolder;

AigwSettings Small() {
  AigwSettings settings;
  settings.t_from = -870;
  settings.dt = 2;
  settings.last = 500;
  settings.train_size = settings.validation_size = 30;
  return settings;
}

TEST_CASE("aigw file: what is read is to the bit what would have been computed") {
  const TempFolder folder;
  AigwSettings settings = Small();
  settings.file = folder / "w.h5";
  int64_t told = 0;
  REQUIRE_THAT(WriteWaveformFile(PosixStorage(), settings, AigwSplit::kTrain, 30, settings.file,
                                 [&](int64_t done, int64_t) { told = done; }),
               IsOk());
  CHECK(told == 30);
  settings.train_size = 1000;  // a file's size is its own
  for (const char* target : {"q", "inverse"}) {
    settings.target_q = target;
    const auto computed = AigwDataset::Make(settings, AigwSplit::kTrain);
    const auto data = AigwTrainData(settings);
    REQUIRE_THAT(data.status(), IsOk());
    REQUIRE((*data)->Size() == 30);
    CHECK((*data)->Shape().x == (*computed)->Shape().x);
    CHECK((*data)->Digest() != (*computed)->Digest());
    for (int64_t id = 0; id < 30; ++id) {
      std::vector<float> x(505), wanted(505);
      REQUIRE_THAT((*data)->Read(id, {}, x.data(), &x[500]), IsOk());
      REQUIRE_THAT((*computed)->Read(id, {}, wanted.data(), &wanted[500]), IsOk());
      REQUIRE(std::memcmp(x.data(), wanted.data(), 505 * sizeof(float)) == 0);
    }
  }
  CHECK_THAT(WriteWaveformFile(PosixStorage(), Small(), AigwSplit::kTest, 31, folder / "x.h5", {}),
             HasCode(Code::kInvalidArgument, "1 to 30"));
}

// Waveforms of three samples and labels, as another program may write them.
struct Foreign {
  std::vector<double> waves = {1, 2, 3, 4, 5, 6}, labels = {2, .5, -.3, 1, 0, .8};
  int64_t columns = 3, label_columns = 3;
  const char *waves_name = "a", *labels_name = "b";
  double dt = 0;  // 0: no attribute
};

Status OpenForeign(const std::string& path, const Foreign& foreign,
                   const std::function<void(AigwSettings*)>& change = {}) {
  std::filesystem::remove(path);
  auto writer = Hdf5Writer::Create(PosixStorage(), path);
  STEMMA_RETURN_IF_ERROR(writer.status());
  for (const bool waves : {true, false}) {
    const char* name = waves ? foreign.waves_name : foreign.labels_name;
    const std::vector<double>& values = waves ? foreign.waves : foreign.labels;
    const int64_t columns = waves ? foreign.columns : foreign.label_columns;
    const auto rows = static_cast<int64_t>(values.size()) / columns;
    STEMMA_RETURN_IF_ERROR((*writer)->Add(name, rows, columns, Hdf5Type::kFloat64));
    STEMMA_RETURN_IF_ERROR((*writer)->Append(name, values.data(), rows));
  }
  if (foreign.dt != 0) {
    STEMMA_RETURN_IF_ERROR((*writer)->Attribute(foreign.waves_name, "dt", foreign.dt));
  }
  STEMMA_RETURN_IF_ERROR((*writer)->Close());
  AigwSettings settings;
  settings.t_from = 0;
  settings.t_to = 3;
  settings.dt = settings.last = 1;
  settings.file = path;
  if (change) change(&settings);
  STEMMA_ASSIGN_OR_RETURN(const auto data, WaveformFile::Open(PosixStorage(), settings));
  std::vector<float> x(3), y(5);
  STEMMA_RETURN_IF_ERROR(data->Read(0, {}, x.data(), y.data()));
  CHECK(x == std::vector<float>{1, 2, 3});
  CHECK(y[0] == 2);
  return {};
}

TEST_CASE("aigw file: a file of others fits or is refused with table, row and what is wrong") {
  const TempFolder folder;
  const std::string path = folder / "w.h5";
  CHECK_THAT(OpenForeign(path, {}), IsOk());
  Foreign named;
  named.waves_name = "y";
  named.labels_name = "x";
  CHECK_THAT(OpenForeign(path, named), HasCode(Code::kIncompatible, "'y', row 0, has q = 1"));
  CHECK_THAT(OpenForeign(path, named,
                         [](AigwSettings* s) {
                           s->file_waveforms = "y";
                           s->file_labels = "x";
                         }),
             IsOk());
  CHECK_THAT(OpenForeign(path, {}, [](AigwSettings* s) { s->file_labels = "bb"; }),
             HasCode(Code::kNotFound, "no table 'bb'; there are a, b"));
  CHECK_THAT(OpenForeign(path, {}, [](AigwSettings* s) { s->t_to = 4; }),
             HasCode(Code::kIncompatible, "waveforms of 3 samples"));
  const auto refused = [&](const std::function<void(Foreign*)>& change) {
    Foreign foreign;
    change(&foreign);
    return OpenForeign(path, foreign);
  };
  const Code unfit = Code::kIncompatible;
  CHECK_THAT(refused([](Foreign* f) { f->dt = .5; }), HasCode(unfit, "dt = 0.5"));
  CHECK_THAT(refused([](Foreign* f) { f->dt = 1; }), IsOk());
  CHECK_THAT(refused([](Foreign* f) { f->label_columns = 2; }), HasCode(unfit, "shape (3, 2)"));
  CHECK_THAT(refused([](Foreign* f) { f->labels.resize(3); }), HasCode(unfit, "shape (1, 3)"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [at, value] :
       {std::pair<size_t, double>{3, .5}, {3, nan}, {4, -1.1}, {5, nan}}) {
    CHECK_THAT(refused([&, i = at, v = value](Foreign* f) { f->labels[i] = v; }),
               HasCode(unfit, "'b', row 1"));
  }
  for (const double bad : {nan, 1e300}) {
    CHECK_THAT(refused([&](Foreign* f) { f->waves[4] = bad; }),
               HasCode(Code::kCorruption, "row 1, has a value that is not finite"));
  }
}

}  // namespace
}  // namespace stemma::models
