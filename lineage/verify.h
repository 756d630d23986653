// Reads every byte that a state keeps on disk and holds it against its digest, at the speed of the
// digest: the proof that a restore would succeed, without a restore. What is damaged is named by
// state, pack, tensor and range of the file.
//
//   STEMMA_ASSIGN_OR_RETURN(const VerifyReport report, VerifyStates(store, graph, ids, {}));
//   report.bytes / report.seconds                       // per second, of all jobs together
//   for (const Damage& damage : report.damaged) ...     // empty: every byte is what was written
//
// A pack is read once, however many of the states share it. Packs are cut into ranges of 64 MiB,
// which `jobs` threads take in turn, so that one large pack keeps them all busy; each thread has
// one buffer of a chunk (1 MiB), which stays in its cache. A read goes through the page cache: what
// is verified there may still be bad on the medium, until the cache has let go of it.
//
// Any thread; may run beside any number of writers, and changes nothing but that, like every
// reader, it takes a pack that is wanted back from a collector's trash. Failure: only what keeps it
// from looking at all. A pack that is missing, cut or has a bad header is damage, and so are a
// layout or settings that are not what their names say, and a state whose packs do not cover it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/pack.h"
#include "lineage/store.h"

namespace stemma::lineage {

// A part of a file whose bytes are not what was written.
struct BadRange {
  uint64_t begin = 0, end = 0;
  std::string tensors;  // "'w1', 'b1'", "padding"
};

// All chunks of an opened pack, by one thread; `storage` and `path` are those it was opened with.
// Failure: the file cannot be read (kIo), or ends early by now (kCorruption).
Result<std::vector<BadRange>> VerifyPack(Storage& storage, const std::string& path,
                                         const PackReader& pack);

struct Damage {
  std::vector<StateId> states;  // that have it: the ones asked for, then others that share it
  std::string path;             // the pack's; empty: no single pack is to blame
  BadRange range;               // empty: the file as a whole, see `what`
  std::string what;             // for people, without the states: "bytes [a, b): 'w1'"
  // kCorruption, kNotFound: the bytes are not there. Anything else says only that they could not be
  // looked at: a disk that does not answer, a file of a newer program.
  Code code = Code::kCorruption;
};

struct VerifyOptions {
  int jobs = 1;      // threads
  bool data = true;  // false: only whether each pack is there, has its size and a right header
};

struct VerifyReport {
  uint64_t states = 0, packs = 0;  // looked at; packs once each
  uint64_t bytes = 0;              // read: headers, data and tables
  double seconds = 0;              // from the first header to the last byte
  std::vector<Damage> damaged;
  bool clean() const { return damaged.empty(); }
};

// kNotFound for an id that `graph` does not hold.
Result<VerifyReport> VerifyStates(const Store& store, const Graph& graph,
                                  const std::vector<StateId>& ids, const VerifyOptions& options);

}  // namespace stemma::lineage
