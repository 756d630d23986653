// Tables in HDF5 files, read by row: (N, columns) numbers under a name, or (N, height, width, 3)
// and the like, where a row is all that has one first index, 2^28 numbers at most. Free of
// LibTorch; no header of HDF5's is seen from here.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto file, Hdf5File::Open(disk, "waves.h5"));
//   file->names();                                    // {"data", "labels"}
//   STEMMA_ASSIGN_OR_RETURN(const auto data, file->Table("data"));
//   std::vector<float> row(data->columns());
//   STEMMA_RETURN_IF_ERROR(data->Read(17, row.data()));
//
// The library has one lock per process, so more threads do not make it faster. Rows that lie in the
// file as they are, contiguous or in chunks without a filter, are therefore read without it: it is
// asked once where they lie, then each Read is a pread, and any number of threads go at once. The
// first and the last row are read both ways at first; where they differ, and where rows are
// compressed, the library reads them, one thread at a time (direct() is false).
//
// Types are IEEE floating point of 32 or 64 bits and integers of 8 to 64, in either byte order,
// converted to what the caller wants; everything else is refused. No value is checked here.
//
// Owner: a table keeps its file open. Thread: any number at once. Failure: kNotFound for a file or
// a table that is not there (with the nearest name), kIncompatible for what is no such table and in
// a build without HDF5, kCorruption for a file that is cut short, kIo for what else the library
// says; a lock that cannot be had names HDF5_USE_FILE_LOCKING, the library's own switch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

class Hdf5Table {
 public:
  virtual ~Hdf5Table() = default;
  virtual const std::string& name() const = 0;
  virtual const std::vector<int64_t>& shape() const = 0;
  int64_t rows() const { return shape()[0]; }
  virtual int64_t columns() const = 0;   // numbers of a row: 1 where the table has one dimension
  virtual bool of_bytes() const = 0;     // unsigned integers of 8 bits
  virtual bool of_integers() const = 0;  // these or wider ones
  virtual bool direct() const = 0;       // read without the library
  // One row. A float64 that no float32 can hold becomes infinite. REQUIRES: 0 <= row < rows()
  virtual Status Read(int64_t row, float* out) const = 0;
  virtual Status Read(int64_t row, double* out) const = 0;
  // A number that is attached to the table; none where there is no such attribute.
  virtual Result<std::optional<double>> Attribute(const std::string& key) const = 0;
};

class Hdf5File {
 public:
  virtual ~Hdf5File() = default;
  static Result<std::shared_ptr<const Hdf5File>> Open(lineage::Storage& disk,
                                                      const std::string& path);
  // The tables beside each other at the top of the file, in the byte-wise order of their names.
  virtual const std::vector<std::string>& names() const = 0;
  // `name` may be a path: "group/data".
  virtual Result<std::shared_ptr<const Hdf5Table>> Table(const std::string& name) const = 0;
};

}  // namespace stemma::models
