// In a build with --define hdf5=off: everything says so.
#include "models/data/hdf5/hdf5_file.h"
#include "models/data/hdf5/hdf5_writer.h"

namespace stemma::models {
namespace {

Status LeftOut(const std::string& path) {
  return {Code::kIncompatible, path +
                                   ": this build has no HDF5; build it without --define hdf5=off "
                                   "(Debian's libhdf5-dev, which tools/setup installs)"};
}

}  // namespace

Result<std::shared_ptr<const Hdf5File>> Hdf5File::Open(lineage::Storage&, const std::string& path) {
  return LeftOut(path);
}

Result<std::unique_ptr<Hdf5Writer>> Hdf5Writer::Create(lineage::Storage&, const std::string& path) {
  return LeftOut(path);
}

}  // namespace stemma::models
