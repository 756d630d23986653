// Tar archives: the regular files in one, in order, and archives that `tar` reads.
//
//   TarReader tar(file, bytes, "train-000003.tar");
//   TarEntry entry;
//   for (;;) {
//     STEMMA_ASSIGN_OR_RETURN(const bool more, tar.Next(&entry));
//     if (!more) break;                                       // two blocks of zeros
//     ... entry.size bytes at entry.offset of the file
//   }
//
// Read are ustar with its prefix, sizes in octal or base 256, pax headers ('x' with path and size,
// 'g' without them) and GNU's long names ('L'). Folders are passed over. Everything else ends the
// reading: a link or a device, a header whose checksum is wrong, a name with a control character,
// an entry that ends behind the file, a file that ends before the two blocks of zeros.
//
// The bytes may be anybody's: nothing is believed before it was checked against the file's size,
// and no name or pax header takes more than 1 MiB.
//
// Owner: the caller; the file outlives the reader. Thread: one. Failure: kCorruption, "SHARD,
// header at byte OFFSET: what"; what the file's Read says. Source: POSIX.1-2017 pax, "ustar
// Interchange Format"; the GNU tar manual, "Basic Tar Format".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::models {

constexpr uint64_t kTarBlock = 512;

struct TarEntry {
  std::string name;
  uint64_t offset = 0;  // of its bytes; its own header is the block before
  uint64_t size = 0;
};

class TarReader {
 public:
  TarReader(lineage::ReadableFile& file, uint64_t file_bytes, std::string path)
      : file_(file), bytes_(file_bytes), path_(std::move(path)) {}

  // The next regular file; false at the archive's end.
  Result<bool> Next(TarEntry* entry);

 private:
  struct Long;  // what headers before an entry say of it
  Status Wrong(const std::string& what) const;
  Status CheckEnd(uint64_t size) const;
  Result<std::string> Text(uint64_t size) const;
  Status Skip(uint64_t size);
  Status TakeExtension(char type, uint64_t size, Long* said);

  lineage::ReadableFile& file_;
  const uint64_t bytes_;
  const std::string path_;
  uint64_t at_ = 0;  // of the header that is read, or is next
};

// Whether TarReader takes it for a file's: not empty, and no control character in it.
bool IsTarName(const std::string& name);

// The size that a header of an entry states. kCorruption, without a place, when the checksum of its
// 512 bytes is wrong or the size is no number.
Result<uint64_t> TarSizeIn(std::string_view header);

// The 512 bytes (or, with a long name, the three or more blocks) before the bytes of a file: mode
// 0644, owner and time 0, so that equal files give equal archives.
// REQUIRES: the name is not empty and has no NUL
std::string TarHeader(const std::string& name, uint64_t size);
// What follows the bytes of a file, up to the next block; and what follows the last file.
std::string TarPadding(uint64_t size);
std::string TarEnd();

}  // namespace stemma::models
