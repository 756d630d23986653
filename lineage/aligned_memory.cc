#include "lineage/aligned_memory.h"

#include <sys/mman.h>

namespace stemma::lineage {

AlignedMemory AllocateAligned(uint64_t bytes) {
  constexpr uint64_t kPage = 4096, kHugePage = 2 << 20;
  if (bytes == 0) return nullptr;
  const uint64_t align = bytes < kHugePage ? kPage : kHugePage;
  const uint64_t whole = (bytes + align - 1) / align * align;
  AlignedMemory memory(static_cast<char*>(std::aligned_alloc(align, whole)));
  if (memory != nullptr && align == kHugePage) {
    (void)::madvise(memory.get(), whole, MADV_HUGEPAGE);  // a wish
  }
  return memory;
}

}  // namespace stemma::lineage
