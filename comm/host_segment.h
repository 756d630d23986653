// Plain memory for buckets: 4096-byte aligned, so that vector code and direct I/O may use it, and
// touched once at construction, so that the first step does not pay for its pages; in huge pages
// where the kernel has them and it is large, because passes over all of it lose a twentieth of
// their time to page tables otherwise. Owned by whoever holds it.
#pragma once

#include <memory>
#include <string_view>

#include "comm/communicator.h"
#include "core/status.h"

namespace stemma::comm {

Result<std::unique_ptr<Segment>> AllocateHost(int64_t bytes, std::string_view what);

}  // namespace stemma::comm
