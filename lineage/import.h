// Tensors from outside as the first state of a new run: a safetensors file, read as if an enemy had
// written it, becomes a pack, a layout and a record like any other. The state can be shown, diffed,
// exported, tagged and forked; `ExportSafetensors` gives the same bits back.
//
//   STEMMA_ASSIGN_OR_RETURN(const Imported imported,
//                           ImportSafetensors(*store, "weights.safetensors", {"pretrained", 0}));
//
// All tensors go to section "params", in the order of the file's data. The record has no parent,
// and says where it came from in attributes: kImportFile (graph.h; the file's name),
// "import.sha256" (of the whole file) and "import.bytes". It has no settings, no optimizer and no
// data position, so training cannot go on from it exactly, and Restore says so.
//
// Everything is checked before the run is begun; what may still fail then is the disk. The run's
// name is used up in that case: the run is closed without a state. The file must not change while
// it is read.
//
// Failure: kCorruption for a file that is no safetensors, kInvalidArgument for tensors that a state
// cannot hold (a name with blanks or brackets, more than 16 dimensions, a pack of a store), for a
// name that is taken or none; the storage's own.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct ImportOptions {
  std::string run;   // the new run's name
  int64_t step = 0;  // what the state is called by: run@step
};

struct Imported {
  StateId id;
  uint64_t tensors = 0, bytes = 0;  // bytes of the file
  std::string sha256;               // of the file, raw
};

// Reads from the store's own storage.
Result<Imported> ImportSafetensors(Store& store, const std::string& path,
                                   const ImportOptions& options);

}  // namespace stemma::lineage
