#include "models/data/hdf5/library.h"

namespace stemma::models::internal {
namespace {

std::mutex& LibraryMutex() {
  static std::mutex* const mutex = new std::mutex;  // handles may be closed until the very end
  return *mutex;
}

herr_t TakeInnermost(unsigned place, const H5E_error2_t* error, void* text) {
  if (place == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

}  // namespace

Library::Library() : lock_(LibraryMutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string Library::Reason() const {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, TakeInnermost, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "HDF5 gives no reason" : text;
}

}  // namespace stemma::models::internal
