#include "lineage/repair/mend.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/storage.h"
#include "lineage/verify.h"

namespace stemma::lineage {
namespace {

constexpr uint64_t kObjectMax = uint64_t{1} << 30;  // as GetBlob

std::vector<std::string> NamesIn(Storage& storage, const std::string& dir) {
  Result<std::vector<std::string>> names = storage.List(dir);
  return names.ok() ? *std::move(names) : std::vector<std::string>();
}

// Copies of the pack in a store's trash.
std::vector<std::string> InTrash(Storage& storage, const Paths& paths, const ObjectId& pack) {
  std::vector<std::string> found;
  for (const std::string& folder : NamesIn(storage, paths.TrashDir())) {
    const auto epoch = ParseEpoch(folder);
    if (!epoch || !storage.Exists(paths.Trashed(*epoch, pack))) continue;
    found.push_back(paths.Trashed(*epoch, pack));
  }
  return found;
}

// And those that a repair took out of it.
std::vector<std::string> SetAside(Storage& storage, const Paths& paths, const ObjectId& pack) {
  std::vector<std::string> found;
  for (const std::string& name : NamesIn(storage, paths.TmpDir())) {
    if (ParseAside(name) == pack) found.push_back(paths.TmpDir() + "/" + name);
  }
  return found;
}

bool IsDone(const Status& status) { return status.ok() || status.code() == Code::kNotFound; }

std::string TemporaryIn(const Paths& paths) { return paths.TmpDir() + "/repair-" + NewUlid(); }

Status PutObjectFile(Storage& storage, const Paths& paths, const std::string& path,
                     std::string_view bytes) {
  const std::string temporary = TemporaryIn(paths);
  Status put = WriteSynced(storage, temporary, bytes);
  if (put.ok()) put = storage.Rename(temporary, path);
  if (!put.ok()) (void)storage.Remove(temporary);
  if (put.ok()) put = storage.SyncDir(ParentOf(path));
  return put;
}

}  // namespace

std::vector<Mender::Copy> Mender::CopiesOf(const ObjectId& pack) const {
  std::vector<Copy> copies;
  const auto add = [&](const Store& store) {
    Storage& storage = store.storage();
    const Paths paths(store.path());
    const std::string home = paths.Object(ObjectKind::kPack, pack);
    if (storage.Exists(home)) copies.push_back({&storage, home});
    for (auto find : {&InTrash, &SetAside}) {
      for (std::string& path : find(storage, paths, pack)) {
        copies.push_back({&storage, std::move(path)});
      }
    }
  };
  add(store_);
  for (const Store* other : others_) add(*other);
  return copies;
}

// Header and table from a copy in which they are right; each chunk from the first copy that has it,
// beginning with the one that gave the last. `to`: null to see whether it can be done.
Result<Mend> Mender::CopyPack(const PackRef& pack, const Layout& layout, WritableFile* to) const {
  const std::vector<Copy> copies = CopiesOf(pack.pack);
  const std::string name = "pack " + Hex(pack.pack).substr(0, 16);
  std::unique_ptr<PackReader> whole;  // of the copy whose header and table are right
  const Copy* frame = nullptr;
  std::vector<std::unique_ptr<ReadableFile>> files;
  for (const Copy& copy : copies) {
    auto file = copy.storage->OpenToRead(copy.path);
    files.push_back(file.ok() ? *std::move(file) : nullptr);
    const Result<uint64_t> size = copy.storage->SizeOf(copy.path);
    if (frame != nullptr || !size.ok() || *size != pack.bytes) continue;
    auto reader = PackReader::Open(*copy.storage, copy.path, pack.pack, layout);
    if (!reader.ok()) continue;
    whole = *std::move(reader);
    frame = &copy;
  }
  if (frame == nullptr) {
    return Status(Code::kNotFound, name + ": " +
                                       (copies.empty() ? "no other copy of it was found"
                                                       : "no copy has a header that is right"));
  }
  const PackChunks chunks = whole->chunks();
  const auto pass = [&](uint64_t begin, uint64_t end) -> Status {  // of the frame
    STEMMA_ASSIGN_OR_RETURN(const std::string bytes,
                            frame->storage->ReadAt(frame->path, begin, end - begin));
    return to == nullptr ? Status() : to->Append(bytes);
  };
  STEMMA_RETURN_IF_ERROR(pass(0, chunks.begin));
  std::vector<uint64_t> given(copies.size(), 0);
  std::string chunk;
  size_t last = 0;
  for (uint64_t at = 0; at < chunks.bytes; at += kChunkBytes) {
    chunk.resize(std::min(kChunkBytes, chunks.bytes - at));
    const auto digest = chunks.digests.substr(at / kChunkBytes * kXxh128Bytes, kXxh128Bytes);
    const auto has = [&](size_t copy) {
      return files[copy] != nullptr &&
             files[copy]->Read(chunks.begin + at, chunk.size(), chunk.data()).ok() &&
             Xxh128(chunk) == digest;
    };
    size_t tried = 0;
    while (tried < copies.size() && !has(last)) {
      last = (last + 1) % copies.size();
      ++tried;
    }
    if (tried == copies.size()) {
      return Status(Code::kNotFound,
                    name + ": no copy has bytes [" + std::to_string(chunks.begin + at) + ", " +
                        std::to_string(chunks.begin + at + chunk.size()) + ") as written, " +
                        whole->TensorsIn(chunks.begin + at, chunks.begin + at + chunk.size()));
    }
    given[last] += chunk.size();
    if (to != nullptr) STEMMA_RETURN_IF_ERROR(to->Append(chunk));
  }
  STEMMA_RETURN_IF_ERROR(pass(chunks.begin + chunks.bytes, pack.bytes));
  Mend mend;
  mend.bytes = pack.bytes;
  std::multimap<uint64_t, std::string, std::greater<>> by_bytes;
  for (size_t i = 0; i < copies.size(); ++i) {
    const bool frames = &copies[i] == frame && chunks.bytes == 0;
    if (given[i] > 0 || frames) by_bytes.emplace(given[i], copies[i].path);
  }
  for (auto& [bytes, path] : by_bytes) mend.from.push_back(path);
  return mend;
}

Result<Mend> Mender::TryPack(const PackRef& pack, const Layout& layout) const {
  return CopyPack(pack, layout, nullptr);
}

Status Mender::MendPack(const PackRef& pack, const Layout& layout) const {
  Storage& storage = store_.storage();
  const std::string temporary = TemporaryIn(paths_);
  WriteOptions options;
  options.reserve = pack.bytes;
  STEMMA_ASSIGN_OR_RETURN(auto file, storage.Create(temporary, options));
  Status done = CopyPack(pack, layout, file.get()).status();
  if (done.ok()) done = file->Sync();
  if (done.ok()) done = file->Close();
  if (done.ok()) {
    auto reader = PackReader::Open(storage, temporary, pack.pack, layout);
    done = reader.status();
    if (done.ok()) {
      const auto bad = VerifyPack(storage, temporary, **reader);
      done = bad.status();
      if (done.ok() && !bad->empty()) {
        done = {Code::kCorruption, temporary + " is not what was written to it: the disk fails"};
      }
    }
  }
  if (done.ok()) done = Install(pack, temporary);
  if (!done.ok()) (void)storage.Remove(temporary);
  return done;
}

// Copies in the trash are taken out of it first: no collector can then put one in the new file's
// place. They lie in tmp/, where the next repair finds them, until the new file has its name.
Status Mender::Install(const PackRef& pack, const std::string& temporary) const {
  Storage& storage = store_.storage();
  const std::string home = paths_.Object(ObjectKind::kPack, pack.pack);
  for (const std::string& trashed : InTrash(storage, paths_, pack.pack)) {
    Status moved = storage.Rename(trashed, paths_.Aside(pack.pack, NewUlid()));
    if (!IsDone(moved)) return moved;
  }
  STEMMA_RETURN_IF_ERROR(storage.Rename(temporary, home));
  STEMMA_RETURN_IF_ERROR(storage.SyncDir(ParentOf(home)));
  for (const std::string& aside : SetAside(storage, paths_, pack.pack)) {
    (void)storage.Remove(aside);
  }
  return {};
}

Result<std::string> Mender::Bytes(ObjectKind kind, const ObjectId& id) const {
  std::optional<Status> first;
  std::vector<const Store*> all = {&store_};
  all.insert(all.end(), others_.begin(), others_.end());
  for (const Store* store : all) {
    const std::string path = Paths(store->path()).Object(kind, id);
    Result<std::string> bytes = store->storage().ReadBounded(path, kObjectMax);
    if (bytes.ok() && Sha256(*bytes) == id) return bytes;
    if (first) continue;
    first = bytes.ok() ? Status(Code::kCorruption, path + ": its content is not what its name says")
                       : bytes.status();
  }
  return *first;
}

Result<Mend> Mender::TryObject(ObjectKind kind, const ObjectId& id) const {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, Bytes(kind, id));
  Mend mend;
  mend.bytes = bytes.size();
  for (const Store* other : others_) {
    const std::string path = Paths(other->path()).Object(kind, id);
    const Result<std::string> there = other->storage().ReadBounded(path, kObjectMax);
    if (there.ok() && *there == bytes) mend.from = {path};
    if (!mend.from.empty()) break;
  }
  return mend;
}

Status Mender::MendObject(ObjectKind kind, const ObjectId& id) const {
  STEMMA_ASSIGN_OR_RETURN(const std::string bytes, Bytes(kind, id));
  return PutObjectFile(store_.storage(), paths_, paths_.Object(kind, id), bytes);
}

}  // namespace stemma::lineage
