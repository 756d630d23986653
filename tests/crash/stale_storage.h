// One client of a network file system: what it sees of other clients' changes may be old, as with
// NFS. Several of them over one disk are several machines.
//
//   StaleStorage node1(disk, now, 60), node2(disk, now, 60);
//   node1 makes a folder;  node2.Exists() may say no for 60 s, and its listings lack it as long
//
// For `age_s` after a client has looked, it goes by what it saw then: that a name is there, that it
// is not there, a size, a time, a listing. It always knows its own changes; a listing that it has
// shows them and nobody else's. Opening a file looks at the server (close-to-open), but a name that
// the client remembers as absent is not asked for again. Changes go to the server, except that a
// name which is remembered as absent cannot be renamed or removed.
//
// ResendAt(n): the client's n-th change of a name is done, its answer is lost, and the request is
// sent again, so that mkdir says "exists" and rename and remove find nothing.
//
// There are no links, locks or appends to an existing file in Storage, so none can be relied on.
// `now` tells seconds and moves only where tests move it. One thread; `base` outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lineage/storage.h"

namespace stemma::tests {

class StaleStorage final : public lineage::Storage {
 public:
  StaleStorage(lineage::Storage& base, std::function<double()> now, double age_s)
      : base_(base), now_(std::move(now)), age_s_(age_s) {}

  // Looks at everything below `path`, as somebody does who has just worked there.
  void Warm(const std::string& path);
  void ResendAt(int change) { resend_ = change; }
  const std::string& resent() const { return resent_; }  // "mkdir", ...; "": not yet
  // How often something was answered from memory that was not so any more.
  int stale_answers() const { return stale_; }

  Result<std::unique_ptr<lineage::WritableFile>> Create(
      const std::string& path, const lineage::WriteOptions& options) override;
  Result<std::string> ReadAll(const std::string& path) override;
  Result<std::string> ReadAt(const std::string& path, uint64_t offset, uint64_t bytes) override;
  Result<uint64_t> SizeOf(const std::string& path) override;
  Result<int64_t> ModifiedMs(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  Status MakeDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDir(const std::string& dir) override { return base_.SyncDir(dir); }
  bool Exists(const std::string& path) override { return Look(path).there; }

 private:
  struct Seen {
    double at = 0;
    bool there = false;
    Status size_status;
    uint64_t bytes = 0;
    int64_t modified_ms = 0;
  };
  struct Listing {
    double at = 0;
    std::vector<std::string> names;
  };

  const Seen& Look(const std::string& path);
  Seen Ask(const std::string& path);
  // The client's own change: known at once.
  void Known(const std::string& path, bool there);
  void Forget(const std::string& path);  // and what lies below it
  Status KnownAbsent(const char* call, const std::string& path);
  bool Resend(const char* call);

  lineage::Storage& base_;
  const std::function<double()> now_;
  const double age_s_;
  std::map<std::string, Seen> seen_;
  std::map<std::string, Listing> listings_;
  int resend_ = -1, stale_ = 0;
  std::string resent_;
};

}  // namespace stemma::tests
