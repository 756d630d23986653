// How posix_storage.cc reads. Not for users.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/posix_storage.h"
#include "lineage/storage.h"

namespace stemma::lineage::internal {

// Reads until `bytes` are there or the file ends; says how many came.
Result<uint64_t> ReadSome(const PosixCalls& calls, int fd, const std::string& path, uint64_t offset,
                          uint64_t bytes, char* out);
Status EndsEarly(const std::string& path, uint64_t end, uint64_t wanted);

// Owns `fd`.
std::unique_ptr<ReadableFile> NewPosixReadable(const PosixCalls& calls, std::string path, int fd);

// PosixCalls::is_cached of the kernel.
bool IsCached(int fd, off_t offset, size_t bytes);

}  // namespace stemma::lineage::internal
