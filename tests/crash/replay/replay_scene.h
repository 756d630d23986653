// A store's whole life on a recorded disk, what it promised on the way, and the judge of any disk
// that a crash may have made of it.
//
//   const Life life = RecordLife();
//   for (disk : every crash disk of life.recording) Judge(disk, promises until then)
//
// The life: a run of two writers, a fork, tags that move and go, a note, a prune, a collection that
// frees, a prune that is taken back, a second incarnation, training on the fork, and a collector on
// the way of it all. Time is the disk's and passes only where the collector waits.
#pragma once

#include <string>
#include <vector>

#include "lineage/memory_storage.h"
#include "lineage/record.h"
#include "tests/crash/replay/recorded_storage.h"

namespace stemma::tests {

// What somebody was told. The n-th Mark of the recording stands for the n-th promise.
struct Promise {
  enum class Kind { kStore, kRun, kState, kTag, kNoTag, kNote, kPruned, kUnpruned };
  Kind kind = Kind::kStore;
  std::string name;  // of the run or the tag
  lineage::StateId id;
  int64_t step = 0;
};

struct Life {
  Recording recording;
  std::vector<Promise> promises;
  std::string failure;  // why it could not be lived; "": it was
};

// Creates the store, lives, and ends.
Life RecordLife();
// Only the creation of the store.
Life RecordCreation();

// What of the first `count` promises `disk` does not keep, and what else is wrong with it; "" when
// nothing is. Looks only.
std::string Judge(lineage::Storage& disk, const std::vector<Promise>& promises, size_t count);

// Then life goes on there: the store is opened (made again where nothing was promised), a collector
// frees what is not wanted, the run is resumed and captures once more; and all promises still hold.
std::string GoOn(lineage::MemoryStorage& disk, const std::vector<Promise>& promises, size_t count);

}  // namespace stemma::tests
