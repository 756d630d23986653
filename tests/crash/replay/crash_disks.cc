#include "tests/crash/replay/crash_disks.h"

#include <algorithm>
#include <string_view>

#include "core/digest.h"
#include "lineage/names.h"

namespace stemma::tests {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

std::string Image::Digest() const {
  Xxh128Stream digest;
  for (const Entry& entry : entries) {
    const uint64_t lengths[] = {entry.path.size(), entry.bytes.size(), entry.folder ? 1u : 0u};
    digest.Update({reinterpret_cast<const char*>(lengths), sizeof lengths});
    digest.Update(entry.path);
    digest.Update(entry.bytes);
  }
  return digest.Finish();
}

Status Image::PutOn(lineage::Storage& disk) const {
  for (const Entry& entry : entries) {
    if (entry.folder) {
      STEMMA_RETURN_IF_ERROR(disk.MakeDir(entry.path));
      continue;
    }
    STEMMA_ASSIGN_OR_RETURN(const auto file, disk.Create(entry.path, {}));
    STEMMA_RETURN_IF_ERROR(file->Append(entry.bytes));
    STEMMA_RETURN_IF_ERROR(file->Close());
  }
  return {};
}

CrashDisks::CrashDisks() { NewNode(true); }

size_t CrashDisks::NewNode(bool folder) {
  nodes_.emplace_back();
  nodes_.back().folder = folder;
  return nodes_.size() - 1;
}

// REQUIRES: it is there, since the disk has made the change.
size_t CrashDisks::Walk(const std::string& path) const {
  size_t node = 0;
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") node = nodes_[node].entries.at(part);
    at = slash + 1;
  }
  return node;
}

void CrashDisks::Put(const std::string& path, size_t node, bool renamed) {
  const size_t folder = Walk(lineage::ParentOf(path));
  const std::string name = lineage::BaseOf(path);
  nodes_[folder].entries[name] = node;
  names_.push_back({folder, node, name, false, renamed, false});
}

void CrashDisks::Take(const std::string& path, bool renamed) {
  const size_t folder = Walk(lineage::ParentOf(path));
  const std::string name = lineage::BaseOf(path);
  const size_t node = nodes_[folder].entries.at(name);
  nodes_[folder].entries.erase(name);
  names_.push_back({folder, node, name, true, renamed, false});
}

void CrashDisks::Write(Node* node, const std::string& bytes) {
  for (uint64_t done = 0; done < bytes.size();) {
    const uint64_t count = std::min<uint64_t>(kPage - node->bytes % kPage, bytes.size() - done);
    node->parts.push_back({node->bytes, bytes.substr(done, count), false});
    node->bytes += count;
    done += count;
  }
}

void CrashDisks::Apply(const Change& change, bool dropped) {
  switch (change.kind) {
    case Change::Kind::kCreate:
      files_.push_back(NewNode(false));
      return Put(change.path, files_.back(), false);
    case Change::Kind::kMakeDir:
      return Put(change.path, NewNode(true), false);
    case Change::Kind::kWrite:
      return Write(&nodes_[files_[change.file]], change.bytes);
    case Change::Kind::kSyncFile:
      if (dropped) return;
      for (Part& part : nodes_[files_[change.file]].parts) part.synced = true;
      return;
    case Change::Kind::kRename: {
      const size_t node = Walk(change.path);
      Put(change.to, node, true);
      return Take(change.path, true);
    }
    case Change::Kind::kRemove:
      return Take(change.path, false);
    case Change::Kind::kSyncDir: {
      if (dropped) return;
      const size_t folder = Walk(change.path);
      for (Name& name : names_) name.synced |= name.folder == folder;
      return;
    }
    case Change::Kind::kMark:
      return;
  }
}

std::vector<CrashDisks::Item> CrashDisks::Unsynced() const {
  std::vector<Item> items;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (!names_[i].synced) items.push_back({true, i, 0});
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (size_t part = 0; part < nodes_[i].parts.size(); ++part) {
      if (!nodes_[i].parts[part].synced) items.push_back({false, i, part});
    }
  }
  return items;
}

std::string CrashDisks::TextOf(const Item& item) const {
  if (item.name) return (names_[item.at].gone ? "end of name " : "name ") + names_[item.at].name;
  std::string names;
  for (const Name& name : names_) {
    if (name.node == item.at && !name.gone) names += " " + name.name;
  }
  return "part " + std::to_string(item.part) + " of" + names;
}

// The old name's end counts only where the new name is: a rename never leaves none.
CrashDisks::Tree CrashDisks::TreeAfter(const std::vector<bool>& kept) const {
  Tree tree(nodes_.size());
  for (size_t i = 0; i < names_.size(); ++i) {
    const Name& name = names_[i];
    if (!name.synced && !kept[i]) continue;
    std::map<std::string, size_t>& entries = tree[name.folder];
    if (!name.gone) {
      entries[name.name] = name.node;
      continue;
    }
    if (name.renamed && !names_[i - 1].synced && !kept[i - 1]) continue;
    const auto found = entries.find(name.name);
    if (found == entries.end() || found->second != name.node) continue;
    if (!name.renamed && !tree[name.node].empty()) continue;
    entries.erase(found);
  }
  return tree;
}

std::string CrashDisks::BytesAfter(size_t node, const std::vector<std::vector<bool>>& kept,
                                   Lost lost) const {
  std::string bytes;
  for (size_t i = 0; i < nodes_[node].parts.size(); ++i) {
    const Part& part = nodes_[node].parts[i];
    if (!part.synced && !kept[node][i]) continue;
    bytes.resize(part.offset, '\0');
    bytes += part.bytes;
  }
  if (lost == Lost::kZeros) bytes.resize(nodes_[node].bytes, '\0');
  return bytes;
}

void CrashDisks::List(const Tree& tree, size_t node, const std::string& path,
                      const std::vector<std::vector<bool>>& kept, Lost lost, Image* image) const {
  for (const auto& [name, child] : tree[node]) {
    const std::string below = path + "/" + name;
    if (nodes_[child].folder) {
      image->entries.push_back({below, true, ""});
      List(tree, child, below, kept, lost, image);
    } else {
      image->entries.push_back({below, false, BytesAfter(child, kept, lost)});
    }
  }
}

Image CrashDisks::After(const std::vector<bool>& kept, Lost lost) const {
  std::vector<bool> names(names_.size());
  std::vector<std::vector<bool>> parts(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) parts[i].resize(nodes_[i].parts.size());
  const std::vector<Item> items = Unsynced();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!kept[i]) continue;
    if (items[i].name) {
      names[items[i].at] = true;
    } else {
      parts[items[i].at][items[i].part] = true;
    }
  }
  Image image;
  List(TreeAfter(names), 0, "", parts, lost, &image);
  return image;
}

}  // namespace stemma::tests
