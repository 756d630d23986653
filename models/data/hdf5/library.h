// What every call of the HDF5 library here goes through: its one lock, its handles, its errors.
// Internal to models/data/hdf5, and the only header here that includes HDF5's.
//
//   const Library library;                                  // locked until the end of the block
//   Handle file(H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
//   if (!file.ok()) return {Code::kIo, path + ": " + library.Reason()};
//
// The library has one lock for the process, where it was built thread-safe at all. Ours is taken in
// every case, so that a build without that is safe, too. Handles close under it: their owner holds
// a Library when it destroys them.
#pragma once

#include <hdf5/serial/hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace stemma::models::internal {

class Library {
 public:
  Library();  // takes the lock; failures of this thread are told by Reason, not printed
  // The innermost cause of the last failed call, in the library's words.
  std::string Reason() const;

 private:
  const std::lock_guard<std::mutex> lock_;
};

// Closes an identifier of the library when it goes.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept { *this = std::move(other); }
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() { Reset(); }
  void Reset() {
    if (id_ >= 0) close_(id_);
    id_ = -1;
  }
  bool ok() const { return id_ >= 0; }
  hid_t id() const { return id_; }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

}  // namespace stemma::models::internal
