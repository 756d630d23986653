// Bytes of tensors that are made of other states' tensors: each is a row of extracts, ranges of
// elements of spans that some open states hold in whatever packs. What the pack writer reads a
// derived state from. Internal to lineage/reshape.
//
//   tensor "w" of a stack of two     = {state 0, span 3, [0, n)}, {state 1, span 3, [0, n)}
//   rows 10 to 19 of "w" [100, 8]    = {state 0, span 3, [80, 160)}
//
// Memory: one tile of the writer, and a few MiB of chunks of the pack that is being read. Every
// byte is held against its digest on the way. A pack that a collector moves meanwhile is brought
// back. One thread; the states outlive it. Failure: as PackReader.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/open_state.h"
#include "lineage/pack.h"
#include "lineage/store.h"

namespace stemma::lineage::internal {

struct Extract {
  size_t state = 0;
  uint32_t span = 0;              // of that state's layout
  uint64_t first = 0, count = 0;  // elements
};

// A state that extracts are taken from.
struct Origin {
  const Record* record = nullptr;
  std::unique_ptr<OpenState> state;
};

class DerivedSource final : public PieceSource {
 public:
  // `tensors` runs parallel to the spans of the layout that is written. `beat` is called after
  // every GiB that was read, and may be empty.
  DerivedSource(const Store& store, const std::vector<Origin>& origins, const Layout& layout,
                const std::vector<std::vector<Extract>>& tensors, std::function<void()> beat);

  Status Read(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes, char* out) override;

 private:
  // Elements [first, first + count) of a span of one state, and the pack that holds them.
  struct Part {
    uint64_t first = 0, count = 0;
    PackReader* pack = nullptr;
  };
  using Key = std::pair<uint32_t, uint32_t>;  // span, rank

  Status ReadExtract(const Extract& extract, uint32_t rank, uint64_t element, char* out);
  Status ReadPart(const Part& part, const Extract& extract, uint32_t rank, char* out);

  const Store& store_;
  const std::vector<Origin>& origins_;
  const Layout& layout_;
  const std::vector<std::vector<Extract>>& tensors_;
  const std::function<void()> beat_;
  std::vector<std::map<Key, std::vector<Part>>> parts_;  // by state
  PackReader* last_ = nullptr;
  uint64_t since_beat_ = 0;
};

}  // namespace stemma::lineage::internal
