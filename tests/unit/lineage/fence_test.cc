#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lineage/graph.h"
#include "lineage/memory_storage.h"
#include "lineage/store.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;

TEST_CASE("row 11: a zombie of an old incarnation is fenced before its record") {
  MemoryStorage disk;
  const std::unique_ptr<Store> store = OpenStore(disk);
  auto zombie = *store->StartRun("base");
  const StateId a = MustAppend(*store, *zombie, 10);
  auto next = *store->NextIncarnation("base");
  CHECK(next->incarnation() == 2);
  CHECK_THAT(zombie->Append(MakeRecord(*store, 20, a)).status(),
             HasCode(Code::kIncompatible, "fenced"));
  const StateId b = MustAppend(*store, *next, 20, a);
  const Graph graph = MustLoad(*store);
  CHECK(graph.states.size() == 2);
  CHECK(graph.runs.at("base").head == b);
}

// Lets the test act in the middle of an append: after the frame, before the second look.
class Interrupting final : public WritableFile {
 public:
  Interrupting(std::unique_ptr<WritableFile> file, std::function<void()>* hook)
      : file_(std::move(file)), hook_(hook) {}
  Status Append(std::string_view bytes) override { return file_->Append(bytes); }
  Status Sync() override {
    const Status synced = file_->Sync();
    if (*hook_) std::exchange(*hook_, nullptr)();
    return synced;
  }
  Status Close() override { return file_->Close(); }

 private:
  std::unique_ptr<WritableFile> file_;
  std::function<void()>* hook_;
};

class InterruptingStorage final : public Storage {
 public:
  explicit InterruptingStorage(Storage& base) : base_(base) {}
  std::function<void()> after_sync;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                               const WriteOptions& options) override {
    STEMMA_ASSIGN_OR_RETURN(auto file, base_.Create(path, options));
    return std::unique_ptr<WritableFile>(
        std::make_unique<Interrupting>(std::move(file), &after_sync));
  }
  Result<std::string> ReadAll(const std::string& path) override { return base_.ReadAll(path); }
  Result<std::string> ReadAt(const std::string& p, uint64_t o, uint64_t n) override {
    return base_.ReadAt(p, o, n);
  }
  Result<uint64_t> SizeOf(const std::string& path) override { return base_.SizeOf(path); }
  Result<int64_t> ModifiedMs(const std::string& path) override { return base_.ModifiedMs(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return base_.List(dir); }
  Status MakeDir(const std::string& path) override { return base_.MakeDir(path); }
  Status Rename(const std::string& a, const std::string& b) override { return base_.Rename(a, b); }
  Status Remove(const std::string& path) override { return base_.Remove(path); }
  Status SyncDir(const std::string& dir) override { return base_.SyncDir(dir); }
  bool Exists(const std::string& path) override { return base_.Exists(path); }

 private:
  Storage& base_;
};

TEST_CASE("row 11: a record that lost the race against a restart is withdrawn") {
  MemoryStorage disk;
  InterruptingStorage slow(disk);
  const std::unique_ptr<Store> store = OpenStore(slow);
  const std::unique_ptr<Store> other = OpenStore(disk);
  auto zombie = *store->StartRun("base");
  const Record record = MakeRecord(*store, 10, {});
  SECTION("nobody went on from it: it is gone") {
    slow.after_sync = [&] { (void)other->NextIncarnation("base"); };
    CHECK_THAT(zombie->Append(record).status(), HasCode(Code::kIncompatible, "withdrawn"));
    CHECK(MustLoad(*store).states.empty());
  }
  SECTION("the restart had read it and went on from it: it stays") {
    StateId child;
    slow.after_sync = [&] {
      auto next = *other->NextIncarnation("base");
      child = MustAppend(*other, *next, 20, *MustLoad(*other).runs.at("base").head);
    };
    CHECK_THAT(zombie->Append(record).status(), HasCode(Code::kIncompatible, "withdrawn"));
    const Graph graph = MustLoad(*store);
    CHECK(graph.states.size() == 2);
    CHECK(graph.runs.at("base").head == child);
    CHECK(MainLine(graph, graph.runs.at("base")).size() == 2);
  }
}

}  // namespace
}  // namespace stemma::lineage
