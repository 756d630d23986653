#include "lineage/memory_storage.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "core/random.h"
#include "lineage/names.h"

namespace stemma::lineage {
namespace {

constexpr size_t kPageBytes = 4096;

}  // namespace

// A file or a folder; what of it is durable stands beside what is seen.
struct MemoryStorage::Node {
  using Entries = std::map<std::string, std::shared_ptr<Node>>;
  bool folder = false;
  std::string data;
  size_t synced = 0;         // bytes of `data` that survive
  Entries entries, durable;  // names seen; names that survive
  int64_t modified_ms = 0;
  bool linked = true;  // false: removed or replaced; its last durable name may go

  bool HasDurableName(const Node* node, const std::string& name, const Node* but_in) const {
    for (const auto& [other, entry] : durable) {
      if (entry.get() == node && (this != but_in || other != name)) return true;
      if (entry->folder && entry->HasDurableName(node, name, but_in)) return true;
    }
    return false;
  }

  // What a sync of the folder `of` makes durable. A name that a rename took away stays, until the
  // new name is durable: rename is atomic on every file system that a store is for, so at no moment
  // has a file no name.
  Entries Settled(const Node& of) const {
    Entries settled = of.entries;
    for (const auto& [name, node] : of.durable) {
      if (settled.count(name) != 0 || !node->linked) continue;
      const bool named_here =
          std::any_of(of.entries.begin(), of.entries.end(),
                      [&node = node](const auto& entry) { return entry.second == node; });
      if (!named_here && !HasDurableName(node.get(), name, &of)) settled.emplace(name, node);
    }
    return settled;
  }

  // In any case between "all unsynced is gone" (no seed) and "some of it is there".
  void Crash(Random* random, const Node& root) {
    if (random != nullptr) {
      const Entries settled = root.Settled(*this);
      Entries kept = durable;
      for (const auto& [name, node] : entries) {
        const auto was = durable.find(name);
        if ((was == durable.end() || was->second != node) && random->Below(2) == 1) {
          kept[name] = node;
        }
      }
      for (const auto& [name, node] : durable) {  // a removal may survive as well
        if (settled.count(name) == 0 && random->Below(2) == 1) kept.erase(name);
      }
      durable = std::move(kept);
      synced += random->Below(data.size() - synced + 1);
    }
    data.resize(synced);
    entries = durable;
    for (auto& [name, node] : entries) node->Crash(random, root);
  }

  void LoseFirstPage() {
    const size_t end = std::min(data.size(), (synced / kPageBytes + 1) * kPageBytes);
    data.replace(synced, end - synced, end - synced, '\0');
    synced = data.size();
    durable = entries;
    for (auto& [name, node] : entries) node->LoseFirstPage();
  }
};

namespace {

std::vector<std::string> Parts(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0 && path.substr(0, slash) != ".") parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

Status Missing(std::string_view call, const std::string& path) {
  return Status(Code::kNotFound, std::string(call) + " " + path + ": No such file or directory");
}
Status Taken(std::string_view call, const std::string& path) {
  return Status(Code::kInvalidArgument, std::string(call) + " " + path + ": exists");
}
Status Wrong(std::string_view call, const std::string& path, const char* what) {
  return Status(Code::kIo, std::string(call) + " " + path + ": " + what);
}

}  // namespace

class MemoryStorage::File final : public WritableFile {
 public:
  File(MemoryStorage& disk, std::string path, std::shared_ptr<Node> node, uint64_t boot)
      : disk_(disk), path_(std::move(path)), node_(std::move(node)), boot_(boot) {}

  Status Append(std::string_view bytes) override {
    MutexLock lock(disk_.mutex_);
    STEMMA_RETURN_IF_ERROR(Usable("write"));
    if (bytes.size() > disk_.bytes_max_ - std::min(disk_.bytes_, disk_.bytes_max_)) {
      return Wrong("write", path_, "No space left on device");
    }
    node_->data.append(bytes);
    node_->modified_ms = disk_.now_ms_;
    disk_.bytes_ += bytes.size();
    return {};
  }
  Status Sync() override {
    MutexLock lock(disk_.mutex_);
    STEMMA_RETURN_IF_ERROR(Usable("fsync"));
    node_->synced = node_->data.size();
    return {};
  }
  Status Close() override {
    MutexLock lock(disk_.mutex_);
    STEMMA_RETURN_IF_ERROR(Usable("close"));
    open_ = false;
    return {};
  }

 private:
  Status Usable(const char* call) STEMMA_REQUIRES(disk_.mutex_) {
    if (!open_) return Wrong(call, path_, "the file is closed");
    return boot_ == disk_.boots_ ? Status() : Wrong(call, path_, "opened before a crash");
  }

  MemoryStorage& disk_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
  const uint64_t boot_;
  bool open_ = true;
};

MemoryStorage::MemoryStorage() : root_(std::make_shared<Node>()) { root_->folder = true; }
MemoryStorage::~MemoryStorage() = default;

MemoryStorage::Node* MemoryStorage::Walk(std::string_view path) {
  Node* node = root_.get();
  for (const std::string& part : Parts(path)) {
    const auto at = node->entries.find(part);
    if (at == node->entries.end()) return nullptr;
    node = at->second.get();
  }
  return node;
}

Result<MemoryStorage::Node*> MemoryStorage::ParentFor(std::string_view call,
                                                      const std::string& path) {
  Node* const parent = Walk(ParentOf(path));
  if (parent == nullptr || !parent->folder || BaseOf(path).empty()) return Missing(call, path);
  return parent;
}

Result<std::unique_ptr<WritableFile>> MemoryStorage::Create(const std::string& path,
                                                            const WriteOptions& options) {
  MutexLock lock(mutex_);
  STEMMA_ASSIGN_OR_RETURN(Node* const parent, ParentFor("create", path));
  if (bytes_max_ < bytes_ || options.reserve > bytes_max_ - bytes_) {
    return Wrong("fallocate", path, "No space left on device");
  }
  auto node = std::make_shared<Node>();
  if (!parent->entries.emplace(BaseOf(path), node).second) return Taken("create", path);
  node->modified_ms = parent->modified_ms = now_ms_;
  return std::unique_ptr<WritableFile>(std::make_unique<File>(*this, path, node, boots_));
}

Result<std::string> MemoryStorage::ReadAll(const std::string& path) {
  MutexLock lock(mutex_);
  const Node* const node = Walk(path);
  if (node == nullptr) return Missing("open", path);
  if (node->folder) return Wrong("read", path, "Is a directory");
  return node->data;
}

Result<std::string> MemoryStorage::ReadAt(const std::string& path, uint64_t offset,
                                          uint64_t bytes) {
  MutexLock lock(mutex_);
  const Node* const node = Walk(path);
  if (node == nullptr) return Missing("open", path);
  if (node->folder) return Wrong("read", path, "Is a directory");
  if (offset > node->data.size() || bytes > node->data.size() - offset) {
    return Status(Code::kCorruption, path + " ends at byte " + std::to_string(node->data.size()) +
                                         ", wanted " + std::to_string(offset + bytes));
  }
  return node->data.substr(offset, bytes);
}

Result<uint64_t> MemoryStorage::SizeOf(const std::string& path) {
  MutexLock lock(mutex_);
  const Node* const node = Walk(path);
  if (node == nullptr) return Missing("stat", path);
  if (node->folder) return Wrong("stat", path, "not a regular file");
  return static_cast<uint64_t>(node->data.size());
}

Result<int64_t> MemoryStorage::ModifiedMs(const std::string& path) {
  MutexLock lock(mutex_);
  const Node* const node = Walk(path);
  if (node == nullptr) return Missing("stat", path);
  return node->modified_ms;
}

Result<std::vector<std::string>> MemoryStorage::List(const std::string& dir) {
  MutexLock lock(mutex_);
  const Node* const node = Walk(dir);
  if (node == nullptr || !node->folder) return Missing("opendir", dir);
  std::vector<std::string> names;
  for (const auto& [name, entry] : node->entries) names.push_back(name);
  return names;
}

Status MemoryStorage::MakeDir(const std::string& path) {
  MutexLock lock(mutex_);
  STEMMA_ASSIGN_OR_RETURN(Node* const parent, ParentFor("mkdir", path));
  auto node = std::make_shared<Node>();
  node->folder = true;
  if (!parent->entries.emplace(BaseOf(path), node).second) return Taken("mkdir", path);
  node->modified_ms = parent->modified_ms = now_ms_;
  return {};
}

Status MemoryStorage::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  const std::string both = from + " to " + to;
  STEMMA_ASSIGN_OR_RETURN(Node* const old_parent, ParentFor("rename", from));
  STEMMA_ASSIGN_OR_RETURN(Node* const new_parent, ParentFor("rename", to));
  const auto at = old_parent->entries.find(BaseOf(from));
  if (at == old_parent->entries.end()) return Missing("rename", both);
  const std::shared_ptr<Node> node = at->second;
  const Node* const there = Walk(to);
  if (there != nullptr && there->folder != node->folder) {
    return node->folder ? Missing("rename", both) : Wrong("rename", both, "Is a directory");
  }
  if (there != nullptr && !there->entries.empty()) {
    return Status(Code::kInvalidArgument, "rename " + both + ": exists and is not empty");
  }
  old_parent->entries.erase(at);
  std::shared_ptr<Node>& place = new_parent->entries[BaseOf(to)];
  if (place != nullptr) place->linked = false;
  place = node;
  old_parent->modified_ms = new_parent->modified_ms = now_ms_;
  return {};
}

Status MemoryStorage::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  STEMMA_ASSIGN_OR_RETURN(Node* const parent, ParentFor("remove", path));
  const auto at = parent->entries.find(BaseOf(path));
  if (at == parent->entries.end()) return Missing("remove", path);
  if (!at->second->entries.empty()) {
    return Status(Code::kInvalidArgument, "remove " + path + ": exists and is not empty");
  }
  bytes_ -= std::min<uint64_t>(bytes_, at->second->data.size());
  at->second->linked = false;
  parent->entries.erase(at);
  parent->modified_ms = now_ms_;
  return {};
}

Status MemoryStorage::SyncDir(const std::string& dir) {
  MutexLock lock(mutex_);
  Node* const node = Walk(dir);
  if (node == nullptr || !node->folder) return Missing("fsync", dir);
  node->durable = root_->Settled(*node);
  return {};
}

bool MemoryStorage::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return Walk(path) != nullptr;
}

void MemoryStorage::Crash(std::optional<uint64_t> seed) {
  MutexLock lock(mutex_);
  ++boots_;
  if (!seed) return root_->Crash(nullptr, *root_);
  Random random(*seed, "crash");
  root_->Crash(&random, *root_);
}

void MemoryStorage::CrashInHoles() {
  MutexLock lock(mutex_);
  ++boots_;
  root_->LoseFirstPage();
}

bool MemoryStorage::Flip(const std::string& path, uint64_t offset, uint8_t mask) {
  MutexLock lock(mutex_);
  Node* const node = Walk(path);
  if (node == nullptr || offset >= node->data.size()) return false;
  node->data[offset] = static_cast<char>(node->data[offset] ^ static_cast<char>(mask));
  return true;
}

bool MemoryStorage::Truncate(const std::string& path, uint64_t bytes) {
  MutexLock lock(mutex_);
  Node* const node = Walk(path);
  if (node == nullptr || bytes > node->data.size()) return false;
  node->data.resize(bytes);
  node->synced = std::min<size_t>(node->synced, bytes);
  return true;
}

void MemoryStorage::AdvanceMs(int64_t ms) {
  MutexLock lock(mutex_);
  now_ms_ += ms;
}

void MemoryStorage::LimitBytes(uint64_t bytes) {
  MutexLock lock(mutex_);
  bytes_max_ = bytes;
}

}  // namespace stemma::lineage
