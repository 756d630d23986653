// The disks that a crash may leave, computed from a recording of changes. The model is POSIX with
// nothing added: a file's bytes are safe after its own fsync, a name after the fsync of its folder,
// and of everything else any part may be there and any part may be gone, in any order:
//
//   * an unsynced write survives by pages of 4 KiB, each for itself; a lost page before a kept one
//     reads as zeros, as does one at the end where the size was kept (Lost::kZeros);
//   * an unsynced name survives for itself, whatever became of the bytes of its file;
//   * a rename is atomic: the old name, the new one or both survive, never none;
//   * a folder with something in it is not removed.
//
//   CrashDisks disks;
//   for (const Change& change : recording) {
//     disks.Apply(change);
//     const Image image = disks.After(kept, Lost::kGone);   // kept: one flag for each Unsynced()
//   }
//
// One thread. A plain value.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lineage/storage.h"
#include "tests/crash/replay/recorded_storage.h"

namespace stemma::tests {

enum class Lost {
  kGone,   // a file ends behind its last kept byte
  kZeros,  // its size is kept, what is lost reads as zeros
};

// What is there after a crash: every folder and file by its path, parents first.
struct Image {
  struct Entry {
    std::string path;
    bool folder = false;
    std::string bytes;
  };
  std::vector<Entry> entries;

  std::string Digest() const;
  Status PutOn(lineage::Storage& disk) const;  // an empty one
};

class CrashDisks {
 public:
  CrashDisks();
  // `dropped`: a sync that does nothing, as if the program had not called it.
  void Apply(const Change& change, bool dropped = false);

  // What may be there or not, in the order in which it was done.
  struct Item {
    bool name = false;  // else a part of a file
    size_t at = 0;      // index among the names, or of the file
    size_t part = 0;
  };
  std::vector<Item> Unsynced() const;
  std::string TextOf(const Item& item) const;

  Image After(const std::vector<bool>& kept, Lost lost) const;

 private:
  struct Name {  // one change of one folder: `node` gets a name there, or loses it
    size_t folder = 0, node = 0;
    std::string name;
    bool gone = false;
    bool renamed = false;  // the entry before it is the rename's other half
    bool synced = false;
  };
  struct Part {  // of one write, within one page
    uint64_t offset = 0;
    std::string bytes;
    bool synced = false;
  };
  struct Node {
    bool folder = false;
    std::map<std::string, size_t> entries;  // as the program sees them
    std::vector<Part> parts;
    uint64_t bytes = 0;
  };
  using Tree = std::vector<std::map<std::string, size_t>>;  // by node

  size_t Walk(const std::string& path) const;
  void Put(const std::string& path, size_t node, bool renamed);
  void Take(const std::string& path, bool renamed);
  size_t NewNode(bool folder);
  void Write(Node* node, const std::string& bytes);
  Tree TreeAfter(const std::vector<bool>& kept) const;
  std::string BytesAfter(size_t node, const std::vector<std::vector<bool>>& kept, Lost lost) const;
  void List(const Tree& tree, size_t node, const std::string& path,
            const std::vector<std::vector<bool>>& kept, Lost lost, Image* image) const;

  std::vector<Node> nodes_;    // 0: the root
  std::vector<size_t> files_;  // a recording's number of a file -> its node
  std::vector<Name> names_;
};

}  // namespace stemma::tests
