// Memory for O_DIRECT: blocks that begin at multiples of 4096.
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
