// The directory of a zip archive, read as if an enemy had written it: where the bytes of each
// member lie in the file. Members are stored, as torch.save stores them; one that is compressed is
// marked, and not read; an encrypted one is refused. zip64 is read.
//
//   STEMMA_ASSIGN_OR_RETURN(const ZipDirectory zip, ReadZip(*file, file_bytes));
//   const ZipMember& pickle = zip.at("archive/data.pkl");
//   file->Read(pickle.begin, pickle.bytes, out);
//
// Checked: every number against the file's length before it is used, local headers against the
// directory, no name twice, no byte in two members. Not checked: the members' CRC-32, which
// torch.save can be told to leave out.
//
// Memory: the directory, 64 MiB at most. Pure functions of the file; any thread. Failure:
// kCorruption for what is no archive, kInvalidArgument for an encrypted one; the file's own.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/status.h"
#include "lineage/storage.h"

namespace stemma::lineage {

struct ZipMember {
  uint64_t begin = 0, bytes = 0;  // of the data, in the file
  bool compressed = false;        // then nothing here reads it
};
using ZipDirectory = std::map<std::string, ZipMember>;

Result<ZipDirectory> ReadZip(ReadableFile& file, uint64_t file_bytes);

}  // namespace stemma::lineage
