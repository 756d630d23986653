// The file of an index cache: written whole, checked before use. Not for users.
//
//   "STMIDX1\n" | byte order u32 | version u32 | header bytes u64 | file bytes u64
//     | XXH3-128 of header | XXH3-128 of all before                                   64 bytes
//   header: which store; its log files, how they begin and their lengths; sections and their
//     digests; the rest
//   sections, each at a multiple of 64: columns as they lie in memory, then copies of log files
//
// Columns are this machine's own arrays, so the byte order is in the file. Not a format of the
// store: a file of another version is thrown away, never converted.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/file_copies.h"
#include "lineage/index.h"
#include "lineage/storage.h"
#include "lineage/store_files.h"

namespace stemma::lineage::internal {

struct IndexFile {
  StoreFiles files;                   // as they were when the index was made
  Index index;                        // without tags; its columns lie in the file
  Copies copies;                      // by path; not of files that were torn
  Copies torn;                        // those
  std::vector<Copy> columns;          // what CheckColumn looks at
  std::shared_ptr<const void> owner;  // of all views
};

// Writes aside and renames.
Status WriteIndexFile(Storage& storage, const std::string& path, const std::string& store,
                      const StoreFiles& files, const Index& index, const Copies& copies);

// kNotFound when there is none; kCorruption or kIncompatible for one that must not be used. All is
// checked but the columns' digests: those are CheckColumn's, so that several threads can do it, and
// nothing of `index` may be used before all are right and CheckRows is.
Result<IndexFile> OpenIndexFile(Storage& storage, const std::string& path,
                                const std::string& store);
// The store whose cache it is, without reading more than that. Failure: as OpenIndexFile.
Result<std::string> StoreOfIndexFile(Storage& storage, const std::string& path);
bool CheckColumn(const Copy& column);
// Whether every row, run and begin in it is within bounds.
bool CheckRows(const Index& index);

}  // namespace stemma::lineage::internal
