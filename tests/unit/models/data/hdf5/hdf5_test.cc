#include <hdf5/serial/hdf5.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "lineage/storage.h"
#include "models/aigw/dataset.h"
#include "models/aigw/waveform_file.h"
#include "models/data/hdf5/hdf5_file.h"
#include "models/data/hdf5/hdf5_writer.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using lineage::PosixStorage;
using tests::HasCode;
using tests::IsOk;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "hdf5-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// How a table is stored, as other programs may do it.
struct Stored {
  hid_t type = H5T_IEEE_F32LE;
  hsize_t chunk[2] = {0, 0};  // 0: contiguous
  bool deflate = false;
  hsize_t user_block = 0;
  hsize_t rows_left_out = 0;  // at the end: never written
  std::vector<hsize_t> shape = {5, 7};
};

double ValueAt(int64_t row, int64_t column) { return static_cast<double>(row) * 100.25 + column; }

void PutTable(hid_t file, const char* name, const Stored& how) {
  const hid_t space =
      H5Screate_simple(static_cast<int>(how.shape.size()), how.shape.data(), nullptr);
  const hid_t made = H5Pcreate(H5P_DATASET_CREATE);
  if (how.chunk[0] > 0) H5Pset_chunk(made, static_cast<int>(how.shape.size()), how.chunk);
  if (how.deflate) H5Pset_deflate(made, 4);
  const hid_t data = H5Dcreate2(file, name, how.type, space, H5P_DEFAULT, made, H5P_DEFAULT);
  REQUIRE(data >= 0);
  const hsize_t columns = how.shape.size() > 1 ? how.shape[1] : 1;
  for (hsize_t row = 0; row + how.rows_left_out < how.shape[0]; ++row) {
    std::vector<double> values;
    for (hsize_t c = 0; c < columns; ++c) {
      values.push_back(ValueAt(static_cast<int64_t>(row), static_cast<int64_t>(c)));
    }
    const hsize_t start[2] = {row, 0}, extent[2] = {1, columns};
    const hid_t memory = H5Screate_simple(1, &columns, nullptr);
    if (how.shape.size() > 2) break;
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, extent, nullptr);
    REQUIRE(H5Dwrite(data, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, values.data()) >= 0);
    H5Sclose(memory);
  }
  H5Dclose(data);
  H5Pclose(made);
  H5Sclose(space);
}

void PutFile(const std::string& path, const Stored& how, const char* name = "data") {
  const hid_t made = H5Pcreate(H5P_FILE_CREATE);
  if (how.user_block > 0) H5Pset_userblock(made, how.user_block);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, made, H5P_DEFAULT);
  REQUIRE(file >= 0);
  PutTable(file, name, how);
  H5Fclose(file);
  H5Pclose(made);
}

Result<std::shared_ptr<const Hdf5Table>> TableOf(const std::string& path,
                                                 const std::string& name = "data") {
  STEMMA_ASSIGN_OR_RETURN(const auto file, Hdf5File::Open(PosixStorage(), path));
  return file->Table(name);
}

TEST_CASE("hdf5: every way to store a table gives the same numbers, read from many threads") {
  struct Case {
    const char* what;
    Stored how;
    bool direct;
  };
  const std::vector<Case> cases = {
      {"contiguous", {}, true},
      {"float64", {H5T_IEEE_F64LE}, true},
      {"big endian float32", {H5T_IEEE_F32BE}, true},
      {"big endian float64", {H5T_IEEE_F64BE}, true},
      {"chunks that divide nothing", {H5T_IEEE_F32LE, {2, 3}}, true},
      {"chunks of big endian float64", {H5T_IEEE_F64BE, {3, 7}}, true},
      {"behind a user's block", {H5T_IEEE_F32LE, {0, 0}, false, 1024}, true},
      {"compressed", {H5T_IEEE_F32LE, {2, 7}, true}, false},
      {"compressed big endian float64", {H5T_IEEE_F64BE, {2, 4}, true}, false},
      {"a chunk that was never written", {H5T_IEEE_F32LE, {2, 3}, false, 0, 3}, false},
      {"nothing was ever written", {H5T_IEEE_F32LE, {0, 0}, false, 0, 5}, false},
  };
  const Folder folder;
  for (const Case& one : cases) {
    INFO(one.what);
    PutFile(folder / "t.h5", one.how);
    const auto table = TableOf(folder / "t.h5");
    REQUIRE_THAT(table.status(), IsOk());
    CHECK((*table)->direct() == one.direct);
    REQUIRE((*table)->rows() == 5);
    REQUIRE((*table)->columns() == 7);
    const int64_t written = 5 - static_cast<int64_t>(one.how.rows_left_out);
    std::vector<int> wrong(3);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int64_t i = 0; i < 20; ++i) {
          const int64_t row = (i * 3 + static_cast<int64_t>(t)) % 5;
          float narrow[7];
          double wide[7];
          if (!(*table)->Read(row, narrow).ok() || !(*table)->Read(row, wide).ok()) ++wrong[t];
          for (int64_t c = 0; c < 7; ++c) {
            const double expected = row < written ? ValueAt(row, c) : 0;
            if (narrow[c] != static_cast<float>(expected) || wide[c] != expected) ++wrong[t];
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == std::vector<int>(3));
  }
}

TEST_CASE("hdf5: what is no such table is refused by name, with what was expected") {
  const Folder folder;
  const std::string path = folder / "t.h5";
  const auto refused = [&](const Stored& how) {
    PutFile(path, how);
    return TableOf(path).status();
  };
  Stored how;
  how.type = H5T_STD_I32LE;
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "'data' holds integers of 32 bits"));
  how.type = H5T_VAX_F32;
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "not IEEE's 32 or 64"));
  how.type = H5T_C_S1;
  how.rows_left_out = 5;
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "no numbers"));
  how = {};
  how.shape = {2, 3, 4};
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "shape (2, 3, 4)"));
  how.shape = {0, 4};
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "is empty"));
  how.shape = {4};
  CHECK_THAT(refused(how), IsOk());

  PutFile(path, {}, "waveforms");
  CHECK_THAT(TableOf(path, "waveform").status(),
             HasCode(Code::kNotFound, "did you mean 'waveforms'?"));
  CHECK_THAT(TableOf(path, "x/y").status(), HasCode(Code::kNotFound, "there are waveforms"));
  CHECK_THAT(TableOf(path, "").status(), HasCode(Code::kNotFound));
  CHECK_THAT(TableOf(folder / "none.h5").status(), HasCode(Code::kNotFound, "none.h5"));

  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t group = H5Gcreate2(file, "deep", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  PutTable(group, "data", {});
  H5Gclose(group);
  H5Fclose(file);
  CHECK_THAT(TableOf(path, "deep/data").status(), IsOk());
  CHECK_THAT(TableOf(path, "deep").status(), HasCode(Code::kIncompatible, "'deep'"));
}

TEST_CASE("hdf5: a file that is cut short, is something else, or is locked says so") {
  const Folder folder;
  const std::string path = folder / "t.h5";
  REQUIRE_THAT(lineage::WriteSynced(PosixStorage(), folder / "x.h5", "no such thing"), IsOk());
  CHECK_THAT(TableOf(folder / "x.h5").status(), HasCode(Code::kIncompatible, "is no HDF5 file"));
  PutFile(path, {});
  const auto whole = std::filesystem::file_size(path);
  for (const uint64_t bytes : {whole - 1, whole / 2, uint64_t{100}}) {
    std::filesystem::resize_file(path, bytes);
    CHECK_THAT(TableOf(path).status(), HasCode(Code::kCorruption, "truncated"));
  }
  std::filesystem::resize_file(path, 0);
  CHECK_FALSE(TableOf(path).ok());

  PutFile(path, {});
  const int held = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX) == 0);
  CHECK_THAT(TableOf(path).status(), HasCode(Code::kIo, "HDF5_USE_FILE_LOCKING=FALSE"));
  ::close(held);
  CHECK_THAT(TableOf(path).status(), IsOk());

  // Cut while it is open: a direct read notices.
  Stored how;
  how.shape = {1000, 7};
  PutFile(path, how);
  const auto table = TableOf(path);
  REQUIRE_THAT(table.status(), IsOk());
  std::filesystem::resize_file(path, 4096);
  float row[7];
  CHECK_THAT((*table)->Read(999, row), HasCode(Code::kCorruption, "t.h5"));
}

TEST_CASE("hdf5: a file has its name only when it is whole, and nothing is overwritten") {
  const Folder folder;
  const std::string path = folder / "t.h5";
  {
    auto writer = Hdf5Writer::Create(PosixStorage(), path);
    REQUIRE_THAT(writer.status(), IsOk());
    REQUIRE_THAT((*writer)->Add("b", 2, 3, Hdf5Type::kFloat64), IsOk());
    const double row[3] = {1, 2, 3};
    REQUIRE_THAT((*writer)->Append("b", row, 1), IsOk());
    CHECK_THAT((*writer)->Close(), HasCode(Code::kInvalidArgument, "1 of 2 rows"));
    CHECK(std::filesystem::exists(path + ".part"));
  }
  CHECK(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
  {
    auto writer = Hdf5Writer::Create(PosixStorage(), path);
    REQUIRE_THAT(writer.status(), IsOk());
    REQUIRE_THAT((*writer)->Add("b", 2, 3, Hdf5Type::kFloat32), IsOk());
    REQUIRE_THAT((*writer)->Add("a", 1, 1, Hdf5Type::kFloat64), IsOk());
    REQUIRE_THAT((*writer)->Attribute("b", "dt", .1), IsOk());
    const double rows[6] = {1, 2, 3, .1, 5, 1e300};
    REQUIRE_THAT((*writer)->Append("b", rows, 2), IsOk());
    REQUIRE_THAT((*writer)->Append("a", rows + 3, 1), IsOk());
    REQUIRE_THAT((*writer)->Close(), IsOk());
  }
  CHECK_THAT(Hdf5Writer::Create(PosixStorage(), path).status(),
             HasCode(Code::kInvalidArgument, "exists"));
  CHECK_THAT(Hdf5Writer::Create(PosixStorage(), folder / "no/t.h5").status(),
             HasCode(Code::kIo, "no/t.h5"));
  const auto file = Hdf5File::Open(PosixStorage(), path);
  REQUIRE_THAT(file.status(), IsOk());
  CHECK((*file)->names() == std::vector<std::string>{"a", "b"});
  const auto b = (*file)->Table("b");
  REQUIRE_THAT(b.status(), IsOk());
  float row[3];
  REQUIRE_THAT((*b)->Read(1, row), IsOk());
  CHECK((row[0] == .1F && row[1] == 5 && std::isinf(row[2])));
  CHECK(**(*b)->Attribute("dt") == .1);
  CHECK_FALSE((*b)->Attribute("q")->has_value());
}

AigwSettings Small() {
  AigwSettings settings;
  settings.t_from = -870;
  settings.dt = 2;
  settings.last = 500;
  settings.train_size = settings.validation_size = 30;
  return settings;
}

TEST_CASE("aigw file: what is read is to the bit what would have been computed") {
  const Folder folder;
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
  const Folder folder;
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
