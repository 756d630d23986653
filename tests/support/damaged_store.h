#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/memory_storage.h"
#include "lineage/names.h"
#include "lineage/store.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"
#include "tests/support/toy_state.h"

namespace stemma::tests {

// A store that somebody is about to damage: states base@10 and base@20 of one writer, and fork@20,
// which shares the second one's pack. Packs have four chunks, those of "w1" first, unless the test
// asks for smaller ones.
struct DamagedStore {
  lineage::MemoryStorage disk;
  std::unique_ptr<lineage::Store> store = lineage::OpenStore(disk);
  lineage::Graph graph;
  std::vector<lineage::StateId> ids;  // base@10, base@20, fork@20
  uint64_t data_begin = 0;            // of every pack

  // `elements` of each tensor.
  explicit DamagedStore(int64_t elements = 1 << 19) {
    const std::vector<lineage::Span> spans = {
        ToySpans::MakeSpan("w1", "params", DType::kF32, {elements}),
        ToySpans::MakeSpan("m/w1", "optim/m", DType::kF32, {elements})};
    SoloCohort solo;
    ToySpans state(spans, 0);
    ToyRank toy{*store, solo, state, nullptr, nullptr};
    REQUIRE_THAT(toy.Begin("base", false, {}), IsOk());
    const auto settings = store->PutBlob("lr = 1");
    for (const int64_t step : {10, 20}) {
      state.Fill(step);
      lineage::CaptureRequest request;
      request.record.step = step;
      request.record.settings = *settings;
      if (!ids.empty()) request.record.parents = {{ids.back(), lineage::EdgeKind::kTrain}};
      REQUIRE_THAT(toy.capturer->Capture(std::move(request)), IsOk());
      const auto durable = toy.capturer->Finish(solo);
      REQUIRE_THAT(durable.status(), IsOk());
      ids.push_back(durable->back().id);
    }
    REQUIRE_THAT(toy.writer->Close(), IsOk());
    graph = lineage::MustLoad(*store);
    const auto fork = store->Fork(graph, ids[1], "fork", {});
    REQUIRE_THAT(fork.status(), IsOk());
    ids.push_back(*fork);
    graph = lineage::MustLoad(*store);
    data_begin = 8 + Decoder(*disk.ReadAt(Pack(0), 0, 8)).U64();
    disk.AdvanceMs(3600 * 1000);
  }

  const lineage::ObjectId& PackOf(size_t state) const {
    return graph.states.at(ids[state]).packs[0].pack;
  }
  std::string Pack(size_t state) const { return store->PackPath(PackOf(state)); }

  // Where a collector that died has left it.
  std::string ToTrash(size_t state) {
    const lineage::Paths paths(store->path());
    if (!disk.Exists(paths.TrashDir())) REQUIRE_THAT(disk.MakeDir(paths.TrashDir()), IsOk());
    if (!disk.Exists(paths.TrashOf(1))) REQUIRE_THAT(disk.MakeDir(paths.TrashOf(1)), IsOk());
    const std::string trashed = paths.Trashed(1, PackOf(state));
    REQUIRE_THAT(disk.Rename(Pack(state), trashed), IsOk());
    for (const std::string& dir :
         {paths.TrashOf(1), paths.TrashDir(), paths.root(), lineage::ParentOf(Pack(state))}) {
      REQUIRE_THAT(disk.SyncDir(dir), IsOk());
    }
    return trashed;
  }

  // All files as they are now, in a store of its own.
  void CopyTo(lineage::MemoryStorage* other, const std::string& path) const {
    auto& from = const_cast<lineage::MemoryStorage&>(disk);
    Copy(from, store->path(), other, path);
  }

 private:
  static void Copy(lineage::MemoryStorage& from, const std::string& path,
                   lineage::MemoryStorage* to, const std::string& at) {
    const auto names = from.List(path);
    if (!names.ok()) {  // a file
      REQUIRE_THAT(WriteDurable(*to, at, *from.ReadAll(path)), IsOk());
      return;
    }
    REQUIRE_THAT(to->MakeDir(at), IsOk());
    for (const std::string& name : *names) Copy(from, path + "/" + name, to, at + "/" + name);
    REQUIRE_THAT(to->SyncDir(lineage::ParentOf(at)), IsOk());
  }
};

}  // namespace stemma::tests
