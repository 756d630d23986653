#include "models/data/hdf5/hdf5_writer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "core/check.h"
#include "models/data/hdf5/library.h"

namespace stemma::models {
namespace {

using internal::Handle;
using internal::Library;

struct Growing {
  Handle data;
  hsize_t rows = 0, columns = 0, written = 0;
};

class LibraryWriter final : public Hdf5Writer {
 public:
  LibraryWriter(lineage::Storage& disk, std::string path)
      : disk_(disk), path_(std::move(path)), part_(path_ + ".part") {}

  ~LibraryWriter() override {
    if (!file_.ok()) return;
    CloseHandles();
    (void)disk_.Remove(part_);
  }

  Status Begin() {
    if (disk_.Exists(path_)) {
      return {Code::kInvalidArgument, path_ + " exists; choose another name or remove it"};
    }
    if (disk_.Exists(part_)) STEMMA_RETURN_IF_ERROR(disk_.Remove(part_));
    const Library library;
    file_ = Handle(H5Fcreate(part_.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    return file_.ok() ? Status() : Failed(library);
  }

  Status Add(const std::string& table, int64_t rows, int64_t columns, Hdf5Type type) override {
    const Library library;
    Growing& made = tables_[table];
    made.rows = static_cast<hsize_t>(rows);
    made.columns = static_cast<hsize_t>(columns);
    const hsize_t shape[2] = {made.rows, made.columns};
    const Handle space(H5Screate_simple(2, shape, nullptr), H5Sclose);
    const Handle how(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_layout(how.id(), H5D_CONTIGUOUS);
    H5Pset_fill_time(how.id(), H5D_FILL_TIME_NEVER);  // every row is written anyway
    made.data = Handle(H5Dcreate2(file_.id(), table.c_str(),
                                  type == Hdf5Type::kFloat32 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE,
                                  space.id(), H5P_DEFAULT, how.id(), H5P_DEFAULT),
                       H5Dclose);
    return made.data.ok() ? Status() : Failed(library);
  }

  Status Attribute(const std::string& table, const std::string& key, double value) override {
    const Library library;
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const Handle made(H5Acreate2(At(table).data.id(), key.c_str(), H5T_IEEE_F64LE, space.id(),
                                 H5P_DEFAULT, H5P_DEFAULT),
                      H5Aclose);
    const bool written = made.ok() && H5Awrite(made.id(), H5T_NATIVE_DOUBLE, &value) >= 0;
    return written ? Status() : Failed(library);
  }

  Status Append(const std::string& table, const float* rows, int64_t count) override {
    return AppendAs(table, rows, H5T_NATIVE_FLOAT, count);
  }
  Status Append(const std::string& table, const double* rows, int64_t count) override {
    return AppendAs(table, rows, H5T_NATIVE_DOUBLE, count);
  }

  Status Close() override {
    for (const auto& [name, table] : tables_) {
      if (table.written == table.rows) continue;
      return {Code::kInvalidArgument, path_ + ": table '" + name + "' has " +
                                          std::to_string(table.written) + " of " +
                                          std::to_string(table.rows) + " rows"};
    }
    STEMMA_RETURN_IF_ERROR(Flush());
    CloseHandles();
    STEMMA_RETURN_IF_ERROR(disk_.Rename(part_, path_));
    const size_t slash = path_.rfind('/');
    return disk_.SyncDir(slash == std::string::npos ? "." : path_.substr(0, slash + 1));
  }

 private:
  Status Failed(const Library& library) const {
    return {Code::kIo, part_ + ": " + library.Reason()};
  }

  Growing& At(const std::string& table) {
    const auto found = tables_.find(table);
    STEMMA_CHECK(found != tables_.end(), table);
    return found->second;
  }

  Status AppendAs(const std::string& name, const void* rows, hid_t type, int64_t count) {
    const Library library;
    Growing& table = At(name);
    const hsize_t start[2] = {table.written, 0};
    const hsize_t extent[2] = {static_cast<hsize_t>(count), table.columns};
    STEMMA_CHECK(table.written + extent[0] <= table.rows, name);
    const Handle space(H5Dget_space(table.data.id()), H5Sclose);
    const Handle memory(H5Screate_simple(2, extent, nullptr), H5Sclose);
    H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start, nullptr, extent, nullptr);
    if (H5Dwrite(table.data.id(), type, memory.id(), space.id(), H5P_DEFAULT, rows) < 0) {
      return Failed(library);
    }
    table.written += extent[0];
    return {};
  }

  Status Flush() {
    const Library library;
    if (H5Fflush(file_.id(), H5F_SCOPE_GLOBAL) < 0) return Failed(library);
    void* descriptor = nullptr;
    if (H5Fget_vfd_handle(file_.id(), H5P_DEFAULT, &descriptor) < 0) return Failed(library);
    if (::fsync(*static_cast<int*>(descriptor)) != 0) {
      return {Code::kIo, "fsync " + part_ + ": " + std::strerror(errno)};
    }
    return {};
  }

  void CloseHandles() {
    const Library library;
    tables_.clear();
    file_.Reset();
  }

  lineage::Storage& disk_;
  const std::string path_, part_;
  Handle file_;
  std::map<std::string, Growing> tables_;
};

}  // namespace

Result<std::unique_ptr<Hdf5Writer>> Hdf5Writer::Create(lineage::Storage& disk,
                                                       const std::string& path) {
  auto writer = std::make_unique<LibraryWriter>(disk, path);
  STEMMA_RETURN_IF_ERROR(writer->Begin());
  return std::unique_ptr<Hdf5Writer>(std::move(writer));
}

}  // namespace stemma::models
