#include "lineage/reshape/copy_pack.h"

#include <algorithm>
#include <memory>

#include "core/digest.h"
#include "lineage/names.h"
#include "lineage/pack.h"

namespace stemma::lineage::internal {
namespace {

// Streams a file whose header and table have been read once, and takes no byte on trust: what is
// read again must still be what was proved then.
class PackCopy {
 public:
  PackCopy(std::string path, const ObjectId& id, const PackReader& proved, ReadableFile& in,
           WritableFile& out)
      : path_(std::move(path)), id_(id), proved_(proved), in_(in), out_(out) {}

  Status Run(uint64_t file_bytes) {
    const PackChunks chunks = proved_.chunks();
    for (uint64_t at = 0; at < chunks.begin;) {
      STEMMA_RETURN_IF_ERROR(Take(at, std::min(kChunkBytes, chunks.begin - at)));
      named_.Update(tile_);
      at += tile_.size();
    }
    const uint64_t end = chunks.begin + chunks.bytes;
    for (uint64_t at = chunks.begin, chunk = 0; at < end; at += tile_.size(), ++chunk) {
      STEMMA_RETURN_IF_ERROR(Take(at, std::min(kChunkBytes, end - at)));
      if (Xxh128(tile_) == chunks.digests.substr(chunk * kXxh128Bytes, kXxh128Bytes)) continue;
      return {Code::kCorruption,
              path_ + ": bytes [" + std::to_string(at) + ", " + std::to_string(at + tile_.size()) +
                  ") do not have their digest: " + proved_.TensorsIn(at, at + tile_.size())};
    }
    return CopyTail(end, file_bytes, chunks.digests.size());
  }

 private:
  // Reads the next bytes and appends them.
  Status Take(uint64_t at, uint64_t bytes) {
    tile_.resize(bytes);
    STEMMA_RETURN_IF_ERROR(in_.Read(at, bytes, tile_.data()));
    return out_.Append(tile_);
  }

  // The table, which the id covers, and zeros.
  Status CopyTail(uint64_t at, uint64_t file_bytes, uint64_t table_bytes) {
    STEMMA_RETURN_IF_ERROR(Take(at, file_bytes - at));
    named_.Update(std::string_view(tile_).substr(0, table_bytes));
    const bool padded = std::all_of(tile_.begin() + static_cast<ptrdiff_t>(table_bytes),
                                    tile_.end(), [](char c) { return c == 0; });
    if (padded && named_.Finish() == id_) return {};
    return {Code::kCorruption, path_ + " changed while it was copied: it no longer has its id"};
  }

  const std::string path_;
  const ObjectId& id_;
  const PackReader& proved_;
  ReadableFile& in_;
  WritableFile& out_;
  Sha256Stream named_;
  std::string tile_;
};

Status WriteCopy(const Store& from, const PackRef& pack, const Layout& layout, Storage& to,
                 const std::string& temporary) {
  Storage& storage = from.storage();
  const std::string path = from.PackPath(pack.pack);
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<PackReader> proved,
                          PackReader::Open(storage, path, pack.pack, layout));
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, storage.SizeOf(path));
  if (bytes != pack.bytes) {
    return {Code::kCorruption, path + ": " + std::to_string(bytes) + " bytes, expected " +
                                   std::to_string(pack.bytes) + "; run fsck"};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> in, storage.OpenToRead(path));
  WriteOptions options;
  options.reserve = bytes;
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> out, to.Create(temporary, options));
  STEMMA_RETURN_IF_ERROR(PackCopy(path, pack.pack, *proved, *in, *out).Run(bytes));
  STEMMA_RETURN_IF_ERROR(out->Sync());
  return out->Close();
}

}  // namespace

Status CopyPack(const Store& from, const PackRef& pack, const Layout& layout, const Store& to,
                const std::string& temporary) {
  Storage& storage = to.storage();
  const std::string path = to.PackPath(pack.pack);
  Status status = WriteCopy(from, pack, layout, storage, temporary);
  if (status.ok()) status = storage.Rename(temporary, path);
  if (!status.ok()) {
    (void)storage.Remove(temporary);
    return status;
  }
  return storage.SyncDir(ParentOf(path));
}

// Whoever put it there may have died before its folder was synced.
Result<bool> HasPack(const Store& to, const PackRef& pack) {
  Storage& storage = to.storage();
  const std::string path = to.PackPath(pack.pack);
  if (!storage.Exists(path)) return false;
  STEMMA_ASSIGN_OR_RETURN(const uint64_t bytes, storage.SizeOf(path));
  if (bytes != pack.bytes) {
    return Status(Code::kCorruption, path + ": " + std::to_string(bytes) + " bytes, expected " +
                                         std::to_string(pack.bytes) + "; run fsck there");
  }
  STEMMA_RETURN_IF_ERROR(storage.SyncDir(ParentOf(path)));
  return true;
}

}  // namespace stemma::lineage::internal
