// Files of a series' folder: small, for people, whole or not at all.
//
// Failure: kIo with the path and the cause; kNotFound where a file is read that is not there.
#pragma once

#include <string>

#include "core/status.h"

namespace stemma::scale {

Status MakeFolder(const std::string& path);  // and those above it
Result<std::string> ReadFile(const std::string& path);
// By a temporary file beside it and a rename.
Status WriteFile(const std::string& path, const std::string& text);

// Holds a folder for one process until it is destroyed; the kernel lets go of it at the latest when
// the process ends.
class FolderLock {
 public:
  FolderLock() = default;
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  // kInvalidArgument when another process holds it.
  static Result<FolderLock> Take(const std::string& folder);

 private:
  int file_ = -1;
};

}  // namespace stemma::scale
