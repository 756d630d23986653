#include <hdf5/serial/hdf5.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "lineage/storage.h"
#include "models/data/hdf5/hdf5_file.h"
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
  const TempFolder folder;
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

// The numbers 0, 1, 2, ... of a table (4, 5, 6, 3).
void PutPictures(const std::string& path, hid_t type, const std::vector<hsize_t>& chunk,
                 bool deflate) {
  const hsize_t shape[] = {4, 5, 6, 3};
  std::vector<double> values(4 * 5 * 6 * 3);
  std::iota(values.begin(), values.end(), 0.);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(4, shape, nullptr), made = H5Pcreate(H5P_DATASET_CREATE);
  if (!chunk.empty()) H5Pset_chunk(made, 4, chunk.data());
  if (deflate) H5Pset_deflate(made, 4);
  const hid_t data = H5Dcreate2(file, "data", type, space, H5P_DEFAULT, made, H5P_DEFAULT);
  REQUIRE(H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
  H5Dclose(data);
  H5Pclose(made);
  H5Sclose(space);
  H5Fclose(file);
}

TEST_CASE("hdf5: a row of more dimensions is all of its numbers, of whatever type") {
  struct Case {
    const char* what;
    hid_t type;
    std::vector<hsize_t> chunk;
    bool deflate, direct;
  };
  const std::vector<Case> cases = {
      {"floats", H5T_IEEE_F32LE, {}, false, true},
      {"big endian integers of 16 bits", H5T_STD_I16BE, {}, false, true},
      {"integers of 64 bits", H5T_STD_I64LE, {}, false, true},
      {"a chunk for each picture", H5T_STD_U16LE, {1, 5, 6, 3}, false, true},
      {"chunks of some lines", H5T_STD_U32BE, {3, 2, 6, 3}, false, true},
      {"chunks of parts of lines", H5T_STD_I32LE, {2, 5, 4, 3}, false, false},
      {"compressed", H5T_STD_U16LE, {1, 5, 6, 3}, true, false},
  };
  const TempFolder folder;
  for (const Case& one : cases) {
    INFO(one.what);
    PutPictures(folder / "t.h5", one.type, one.chunk, one.deflate);
    const auto table = TableOf(folder / "t.h5");
    REQUIRE_THAT(table.status(), IsOk());
    CHECK((*table)->direct() == one.direct);
    CHECK((*table)->shape() == std::vector<int64_t>{4, 5, 6, 3});
    REQUIRE((*table)->columns() == 90);
    CHECK_FALSE((*table)->of_bytes());
    CHECK((*table)->of_integers() == (one.type != H5T_IEEE_F32LE));
    for (int64_t row = 0; row < 4; ++row) {
      std::vector<float> narrow(90), expected(90);
      std::vector<double> wide(90);
      REQUIRE_THAT((*table)->Read(row, narrow.data()), IsOk());
      REQUIRE_THAT((*table)->Read(row, wide.data()), IsOk());
      std::iota(expected.begin(), expected.end(), static_cast<float>(90 * row));
      CHECK(narrow == expected);
      CHECK(std::vector<float>(wide.begin(), wide.end()) == expected);
    }
  }
  Stored bytes{H5T_STD_U8LE, {}, false, 0, 0, {2}};  // 0 and 100.25: the library cuts
  PutFile(folder / "t.h5", bytes);
  const auto table = TableOf(folder / "t.h5");
  REQUIRE_THAT(table.status(), IsOk());
  CHECK(((*table)->of_bytes() && (*table)->of_integers()));
  float value = 0;
  REQUIRE_THAT((*table)->Read(1, &value), IsOk());
  CHECK(value == 100);
}

TEST_CASE("hdf5: what is no such table is refused by name, with what was expected") {
  const TempFolder folder;
  const std::string path = folder / "t.h5";
  const auto refused = [&](const Stored& how) {
    PutFile(path, how);
    return TableOf(path).status();
  };
  Stored how;
  how.type = H5T_VAX_F32;
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "not IEEE's 32 or 64"));
  how.type = H5T_C_S1;
  how.rows_left_out = 5;
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "no numbers"));
  how = {};
  how.shape = {1, 1 << 15, (1 << 13) + 1};
  CHECK_THAT(refused(how), HasCode(Code::kIncompatible, "more than 2^28 numbers"));
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
  const TempFolder folder;
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
  const TempFolder folder;
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

}  // namespace
}  // namespace stemma::models
