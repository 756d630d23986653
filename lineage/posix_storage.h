// The file system, through a table of the system calls that tests like to break. Production uses
// PosixStorage() (storage.h), which calls the kernel.
//
//   PosixCalls calls;                        // the kernel's
//   calls.write = RefuseDirect;              // EINVAL as an old tmpfs gives it
//   auto storage = NewPosixStorage(calls);
//
// Direct writes: the file is made buffered, then O_DIRECT is switched on by fcntl. (open() with
// O_CREAT | O_DIRECT may create the file and still answer EINVAL, after which O_EXCL finds it
// taken.) EINVAL there or at a write switches it off again, and the rest is written buffered.
//
// Direct reads (ReadableFile::GoDirect): switched on and off by fcntl as a request needs it, and
// off for good where it fails. What is in the page cache is taken from there. The pages that
// O_DIRECT passes by are the costly part of a large read: 1 MiB costs a core 0.03 ms instead of
// 0.5.
//
// Maps: a file that another machine replaces is gone from a network file system, and the next page
// of it that somebody asks for is a SIGBUS. So nothing is mapped there.
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::lineage {

struct PosixCalls {
  ssize_t (*write)(int fd, const void* bytes, size_t count);
  int (*set_flags)(int fd, int flags);  // fcntl F_SETFL
  int (*fallocate)(int fd, int mode, off_t offset, off_t bytes);
  int (*sync)(int fd);  // fdatasync
  ssize_t (*pread)(int fd, void* bytes, size_t count, off_t offset);
  // Whether all of it is in the page cache; false where the kernel (before 6.5) cannot tell.
  bool (*is_cached)(int fd, off_t offset, size_t bytes);
  bool (*is_remote)(int fd);  // on a disk that other machines change as well, as fstatfs tells
  PosixCalls();
};

std::unique_ptr<Storage> NewPosixStorage(const PosixCalls& calls);

// "write /s/x: No space left on device": kNotFound for ENOENT and ENOTDIR, kInvalidArgument with
// "exists" for EEXIST, kIo otherwise.
Status FromErrno(const char* call, const std::string& path, int error);

}  // namespace stemma::lineage
