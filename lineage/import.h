// Tensors from outside as the first state of a new run: a safetensors file or one of torch.save,
// read as if an enemy had written it, becomes a pack, a layout and a record like any other. The
// state can be shown, diffed, exported, tagged and forked; what export writes has the same bits.
//
//   STEMMA_ASSIGN_OR_RETURN(const Imported imported,
//                           ImportTensors(*store, "weights.pt", {"pretrained", 0}));
//
// All tensors go to section "params", in the order of the file. With `like` they go to the sections
// that state has them in, in its order, and its parameters and buffers say which tensors there must
// be: one that is missing, unexpected or of another type or shape is refused, by name, unless
// `partial` takes what fits.
//
// The record has no parent, and says where it came from in attributes: kImportFile (graph.h; the
// file's name), "import.sha256" (of the whole file) and "import.bytes"; with a map of names its
// digest, "import.map_sha256"; with `like` that state's id, "import.like". It has no settings, no
// optimizer and no data position, so training cannot go on from it exactly, and Restore says so.
//
// Everything is checked before the run is begun; what may still fail then is the disk. The run's
// name is used up in that case: the run is closed without a state. The file must not change while
// it is read.
//
// Failure: kCorruption for a file that is damaged or of another format, kInvalidArgument for
// tensors that a state cannot hold (a name with blanks or brackets, more than 16 dimensions, a pack
// of a store) or that do not fit, for a name that is taken or none; the storage's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

struct ImportOptions {
  std::string run;                      // the new run's name
  int64_t step = 0;                     // what the state is called by: run@step
  std::string key = {};                 // which dict of a checkpoint; "": the one there is
  std::optional<std::string> map = {};  // rules for names, name_map.h; none: names stay
  std::optional<Record> like = {};      // the state whose tensors these must be
  bool partial = false;                 // with `like`: take what fits
};

struct Imported {
  StateId id;
  uint64_t tensors = 0, bytes = 0;    // bytes of the file
  std::string sha256;                 // of the file, raw
  uint64_t others = 0;                // values in the file that are no tensors
  uint64_t renamed = 0, dropped = 0;  // by the map
  std::vector<std::string> unused;    // rules of the map that fitted nothing
  std::vector<std::string> missing, unexpected, mismatched;  // with `partial`
};

// Reads from the store's own storage.
Result<Imported> ImportTensors(Store& store, const std::string& path, const ImportOptions& options);

}  // namespace stemma::lineage
