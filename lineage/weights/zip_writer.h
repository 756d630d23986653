// A zip archive of stored members, written in one pass: each member's CRC-32 follows its bytes, so
// nothing is read twice and nothing kept. Every member's data begins at a multiple of 64, as torch
// wants it to map a file. zip64 where a member or the archive passes 4 GiB.
//
//   ZipWriter zip(file);
//   zip.Begin("archive/data/0", bytes);
//   zip.Append(part); zip.Append(part);            // `bytes` bytes in all
//   zip.End();
//   zip.Finish();                                  // the directory; neither syncs nor closes
//
// Thread: one at a time. Failure: the file's own; the archive is worthless then.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::lineage {

class ZipWriter {
 public:
  explicit ZipWriter(WritableFile& file) : file_(file) {}
  // REQUIRES: no member is open.
  Status Begin(const std::string& name, uint64_t bytes);
  Status Append(std::string_view bytes);
  // REQUIRES: what was announced was appended.
  Status End();
  Status Finish();
  Status Add(const std::string& name, std::string_view bytes);  // all three

  uint64_t written() const { return written_; }

 private:
  struct Member {
    std::string name;
    uint64_t header = 0, bytes = 0;
    uint32_t crc = 0;
  };
  Status Put(std::string_view bytes);
  Status Flush();

  WritableFile& file_;
  std::string buffer_;
  uint64_t written_ = 0, in_member_ = 0;
  std::vector<Member> members_;
};

}  // namespace stemma::lineage
