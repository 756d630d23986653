// Writes an HDF5 file of tables that Hdf5File, h5py and everybody else reads: contiguous, little
// endian, the oldest format that the library can write.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto file, Hdf5Writer::Create(disk, "waves.h5"));
//   STEMMA_RETURN_IF_ERROR(file->Add("data", 1000, 500, Hdf5Type::kFloat32));
//   STEMMA_RETURN_IF_ERROR(file->Attribute("data", "dt", 2));
//   STEMMA_RETURN_IF_ERROR(file->Append("data", rows.data(), 64));        // and so on, in order
//   STEMMA_RETURN_IF_ERROR(file->Close());
//
// The file has its name only when all is in it and on the disk; until then it is called PATH.part,
// and is removed if Close is never reached. One writer per path. Thread: one at a time.
//
// Failure: kInvalidArgument when PATH exists, or Close comes before the last row; kIo with the
// library's reason (a full disk); kIncompatible in a build without HDF5.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

enum class Hdf5Type { kFloat32, kFloat64 };

class Hdf5Writer {
 public:
  virtual ~Hdf5Writer() = default;
  static Result<std::unique_ptr<Hdf5Writer>> Create(lineage::Storage& disk,
                                                    const std::string& path);
  // REQUIRES of all below: a table is added once, before it is named
  virtual Status Add(const std::string& table, int64_t rows, int64_t columns, Hdf5Type type) = 0;
  virtual Status Attribute(const std::string& table, const std::string& key, double value) = 0;
  // The next `count` rows; converted where the table has the other type.
  virtual Status Append(const std::string& table, const float* rows, int64_t count) = 0;
  virtual Status Append(const std::string& table, const double* rows, int64_t count) = 0;
  virtual Status Close() = 0;
};

}  // namespace stemma::models
