// Memory for O_DIRECT: blocks that begin at multiples of 4096. Large ones ask for huge pages: a
// request to the disk is a list of pages, and with pages of 4 KiB the list limits the rate: 1
// instead of 3 GB/s on a virtual disk, read by 4 threads.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace stemma::lineage {

struct FreeDeleter {
  void operator()(char* memory) const { std::free(memory); }
};
using AlignedMemory = std::unique_ptr<char, FreeDeleter>;

// At least `bytes` bytes, not touched yet; null when there is none or bytes is 0.
AlignedMemory AllocateAligned(uint64_t bytes);

}  // namespace stemma::lineage
