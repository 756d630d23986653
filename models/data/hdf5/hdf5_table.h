// One table of an HDF5 file: where its rows lie, and both ways to read them. Internal to
// models/data/hdf5; the contract is Hdf5Table's, in hdf5_file.h.
//
// A part of a row is asked for by Raw in the file's own type, directly or through the library; what
// follows, the order of the bytes and the width, is the same code for both.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/data/hdf5/hdf5_file.h"
#include "models/data/hdf5/hdf5_number.h"
#include "models/data/hdf5/library.h"

namespace stemma::models::internal {

// What the tables of a file share. Destroyed with the library's lock not held.
struct OpenFile {
  std::string path;
  std::unique_ptr<lineage::ReadableFile> bytes;  // for direct reads
  Handle handle;
  ~OpenFile() {
    const Library library;
    handle.Reset();
  }
};

class StoredTable final : public Hdf5Table {
 public:
  // Takes the library's lock.
  static Result<std::shared_ptr<const Hdf5Table>> Open(std::shared_ptr<const OpenFile> file,
                                                       const std::string& name);
  ~StoredTable() override;

  const std::string& name() const override { return name_; }
  const std::vector<int64_t>& shape() const override { return shape_; }
  int64_t columns() const override { return columns_; }
  bool of_bytes() const override { return number_.kind == NumberKind::kByte; }
  bool of_integers() const override {
    return of_bytes() || number_.kind == NumberKind::kInteger;
  }
  bool direct() const override { return direct_; }
  Status Read(int64_t row, float* out) const override;
  Status Read(int64_t row, double* out) const override;
  Result<std::optional<double>> Attribute(const std::string& key) const override;

 private:
  StoredTable(std::shared_ptr<const OpenFile> file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}
  std::string Where() const { return file_->path + ": table '" + name_ + "'"; }

  // These four with the library's lock held.
  Status LookAtShape(const Library& library);
  Status LookAtType(const Library& library);
  Status FindRows(const Library& library);  // fills addresses_, which stays empty without success
  bool FindChunks();

  Status CompareWays();  // leaves direct_ true where direct reads give what the library gives
  // With more than two dimensions, [first, first + count) is the whole row.
  Status Raw(int64_t row, int64_t first, int64_t count, char* out) const;
  Status RawDirect(int64_t row, int64_t first, int64_t count, char* out) const;
  Status RawByLibrary(int64_t row, int64_t first, int64_t count, char* out) const;
  Result<const char*> RowOf(int64_t row) const;  // until this thread asks for the next

  const std::shared_ptr<const OpenFile> file_;
  const std::string name_;
  Handle data_, type_;
  std::vector<int64_t> shape_;
  int64_t columns_ = 0;
  int dimensions_ = 0;
  StoredNumber number_;
  bool direct_ = false;
  int64_t chunk_rows_ = 0, chunk_columns_ = 0, chunks_across_ = 0;  // contiguous: one chunk
  std::vector<uint64_t> addresses_;                                 // of chunks, row by row
};

}  // namespace stemma::models::internal
