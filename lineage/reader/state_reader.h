// One state for tools that look at some of it: a span at a time, or the upper half of one. Packs
// are opened when the first span that lies in them is asked for, and of a pack only the chunks are
// read that hold what is wanted: a span of a kilobyte out of a state of a terabyte costs one pack's
// header and a chunk or two of each plane.
//
//   STEMMA_ASSIGN_OR_RETURN(const auto state, StateReader::Open(store, record));
//   STEMMA_ASSIGN_OR_RETURN(const std::string bytes, state->Read("fc.weight"));
//   STEMMA_ASSIGN_OR_RETURN(const std::string bf16, state->ReadHigh("fc.weight"));  // half the I/O
//
// Every byte is verified before it is handed out; no ranks, no agreement. Spans asked for in the
// order of the layout are read fastest: the last chunks are kept. Owner: the caller; `store`
// outlives it. One thread at a time. Failure: kNotFound for a name that the state does not have;
// kCorruption that names state, pack, span and byte range, also where the packs do not hold all of
// the span.
#pragma once

#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/store.h"

namespace stemma::lineage {

// The value of ReadHigh is truncated: |x - high| <= kHighError |x|, infinities and NaNs apart.
constexpr double kHighError = 1.0 / 128;

class StateReader {
 public:
  // Reads the layout only. kNotFound when the state's bytes are gone.
  static Result<std::unique_ptr<StateReader>> Open(const Store& store, const Record& record);
  virtual ~StateReader() = default;

  virtual const Layout& layout() const = 0;
  // A span's bytes, in C order. `rank`: whose, of a PerRank span.
  virtual Result<std::string> Read(const std::string& span, int rank = 0) = 0;
  // The upper 16 bits of each element of an f32 span, which are a bf16. kInvalidArgument for a span
  // that is not stored in planes: other types, and what each rank has of its own.
  virtual Result<std::string> ReadHigh(const std::string& span) = 0;
};

// One span of a state, and no more of it. Whoever wants several keeps a StateReader.
Result<std::string> ReadSpan(const Store& store, const Record& record, const std::string& span,
                             int rank = 0);

}  // namespace stemma::lineage
