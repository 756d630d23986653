#pragma once

#include <string>

#include "lineage/storage.h"

#include "tests/support/status_matchers.h"

namespace stemma::tests {

// A durable file with these bytes, in place of the one that may be there. The main thread only.
inline void MustPut(lineage::Storage& disk, const std::string& path, const std::string& bytes) {
  (void)disk.Remove(path);
  REQUIRE_THAT(lineage::WriteDurable(disk, path, bytes), IsOk());
}

}  // namespace stemma::tests
