#include "models/data/hdf5/hdf5_file.h"

#include <algorithm>

#include "core/text.h"
#include "models/data/hdf5/hdf5_table.h"

namespace stemma::models {
namespace {

using internal::Handle;
using internal::Library;
using internal::OpenFile;

// Links to other files and to other names are passed over: a table is counted once, and here.
herr_t TakeTable(hid_t group, const char* name, const H5L_info_t* link, void* names) {
  if (link->type != H5L_TYPE_HARD) return 0;
  const Handle object(H5Oopen(group, name, H5P_DEFAULT), H5Oclose);
  if (object.ok() && H5Iget_type(object.id()) == H5I_DATASET) {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  }
  return 0;
}

class LibraryFile final : public Hdf5File {
 public:
  LibraryFile(std::shared_ptr<const OpenFile> file, std::vector<std::string> names)
      : file_(std::move(file)), names_(std::move(names)) {}

  const std::vector<std::string>& names() const override { return names_; }

  Result<std::shared_ptr<const Hdf5Table>> Table(const std::string& name) const override {
    {
      const Library library;
      if (name.empty() || H5Oexists_by_name(file_->handle.id(), name.c_str(), H5P_DEFAULT) <= 0) {
        return Missing(name);
      }
    }
    return internal::StoredTable::Open(file_, name);
  }

 private:
  Status Missing(const std::string& name) const {
    std::string there;
    for (const std::string& known : names_) {
      there += (there.empty() ? "; there are " : ", ") + Printable(known);
    }
    const std::string meant = Nearest(name, names_);
    if (!meant.empty()) there = "; did you mean '" + Printable(meant) + "'?";
    return {Code::kNotFound, file_->path + " has no table '" + name + "'" +
                                 (there.empty() ? "; it has none at its top" : there)};
  }

  const std::shared_ptr<const OpenFile> file_;
  const std::vector<std::string> names_;
};

Status CannotOpen(const std::string& path, const Library& library) {
  const std::string reason = Printable(library.Reason());
  const bool locked = reason.find("lock file") != std::string::npos;
  const bool cut = reason.find("truncated") != std::string::npos;
  return {cut ? Code::kCorruption : Code::kIo,
          path + ": " + reason +
              (locked ? "; somebody writes to the file, or the file system has no locks: then set "
                        "HDF5_USE_FILE_LOCKING=FALSE in the environment"
                      : "")};
}

}  // namespace

Result<std::shared_ptr<const Hdf5File>> Hdf5File::Open(lineage::Storage& disk,
                                                       const std::string& path) {
  auto file = std::make_shared<OpenFile>();
  file->path = path;
  STEMMA_ASSIGN_OR_RETURN(file->bytes, disk.OpenToRead(path));
  std::vector<std::string> names;
  {
    const Library library;
    file->handle = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (!file->handle.ok()) {
      const Status failed = CannotOpen(path, library);
      const bool other = H5Fis_hdf5(path.c_str()) == 0;
      return other ? Status(Code::kIncompatible, path + " is no HDF5 file") : failed;
    }
    if (H5Literate(file->handle.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, TakeTable, &names) < 0) {
      return Status(Code::kCorruption, path + ": " + Printable(library.Reason()));
    }
  }
  std::sort(names.begin(), names.end());
  return std::shared_ptr<const Hdf5File>(
      std::make_shared<LibraryFile>(std::move(file), std::move(names)));
}

}  // namespace stemma::models
