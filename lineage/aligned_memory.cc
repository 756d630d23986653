#include "lineage/aligned_memory.h"

namespace stemma::lineage {

AlignedMemory AllocateAligned(uint64_t bytes) {
  constexpr uint64_t kAlign = 4096;
  if (bytes == 0) return nullptr;
  return AlignedMemory(
      static_cast<char*>(std::aligned_alloc(kAlign, (bytes + kAlign - 1) / kAlign * kAlign)));
}

}  // namespace stemma::lineage
