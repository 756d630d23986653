// The family tree as columns: what queries, listings and the collector run on, where a Graph of
// whole records would be too slow. One row per state, parents before children; inside a query a
// state is its row.
//
//   STEMMA_ASSIGN_OR_RETURN(const Index index, IndexOf(graph, store));
//   for (Row row = 0; row < index.size(); ++row) if (index.step[row] % 1000 == 0) ...
//   const Values* loss = index.metrics.Find("loss");       // the rows that have it, ascending
//   for (Row child : index.ChildrenOf(row)) ...
//
// Columns are views (column.h): [], size(), begin(), end(), data(); ids and texts come out as views
// that compare with strings and turn into them. IndexOf() makes one from a graph, LoadIndex()
// (index_cache.h) the same one from the logs or from what it kept of them, many times faster.
//
// Plain data, never changed once built; any thread. A parent that no log of the store holds is not
// an edge here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/column.h"
#include "lineage/record.h"
#include "lineage/store.h"

namespace stemma::lineage {

using Row = uint32_t;
constexpr Row kNoRow = ~Row{0};

// A typed value in a column. Texts lie in Index::texts. As wide as `bits`, so that no byte of a
// Value is left open: columns are written to a file as they are.
enum class ValueKind : uint64_t { kBool = 1, kInt = 2, kFloat = 3, kText = 4 };
struct Value {
  ValueKind kind = ValueKind::kInt;
  uint64_t bits = 0;  // 0 or 1; two's complement; the bits of the f64; number of the text
};

// The values of one key: `at` ascends, `values` runs parallel to it.
struct Values {
  Column<uint32_t> at;
  Column<Value> values;

  const Value* Find(uint32_t where) const;  // nullptr: it has none
};

// Keys, ascending, and what each is where. `at` counts states, or settings.
struct Table {
  std::vector<std::string> keys;
  std::vector<Values> columns;

  const Values* Find(std::string_view key) const;  // nullptr: nobody has it
};

struct RunRow {
  std::string name, ulid;
  Column<Row> states;  // in the order of its logs
  Row head = kNoRow;
  uint32_t newest_incarnation = 0;
};

struct TagRow {
  std::string name;
  Row target = kNoRow;  // kNoRow: a state that no log holds
  uint32_t version = 0;
};

// A lifetime that states share.
struct ScopeRow {
  std::string name;
  bool open = false;
  Column<Row> members;  // ascending
};

// Bits of Index::flags.
constexpr uint8_t kSuspectFlag = 1;      // a replica differed when it was captured
constexpr uint8_t kPrunedFlag = 2;       // its bytes were given up
constexpr uint8_t kQuarantinedFlag = 4;  // its bytes were found damaged

// Neighbours of one row.
struct Rows {
  const Row* first = nullptr;
  const Row* last = nullptr;
  const Row* begin() const { return first; }
  const Row* end() const { return last; }
  size_t size() const { return static_cast<size_t>(last - first); }
};

struct Index {
  // One entry per state.
  IdColumn id;
  Column<uint32_t> run;  // into runs
  Column<uint32_t> incarnation;
  Column<uint64_t> capture;
  Column<int64_t> step;
  Column<uint64_t> samples;
  Column<double> epoch;
  Column<uint32_t> world;
  Column<Reason> reason;
  Column<int64_t> wall_ms;
  Column<uint64_t> logical_bytes, own_bytes, shared_bytes;  // as StateBytes
  Column<uint8_t> flags;
  Column<uint32_t> settings;  // counts distinct settings blobs; what `hp` is about
  Column<EdgeKind> edge;      // as HowMade

  // Neighbours of row r: parents[parent_begin[r] .. parent_begin[r + 1]), first parent first.
  Column<uint32_t> parent_begin, child_begin;
  Column<Row> parents, children;

  Table metrics, attributes;  // by state; an attribute that a note gave wins over the record's
  Values suspect;             // what the audit said of those with kSuspectFlag
  Table hp;                   // by settings: "optim.lr" and so on, from the settings' TOML

  std::vector<RunRow> runs;      // names ascending
  std::vector<TagRow> tags;      // names ascending
  std::vector<ScopeRow> scopes;  // names ascending
  TextColumn texts;
  std::vector<std::string> warnings;  // as Graph's

  uint64_t stored_bytes = 0;  // on disk: each pack of a state that is not pruned once

  size_t size() const { return id.size(); }
  Rows ParentsOf(Row row) const {
    return {parents.data() + parent_begin[row], parents.data() + parent_begin[row + 1]};
  }
  Rows ChildrenOf(Row row) const {
    return {children.data() + child_begin[row], children.data() + child_begin[row + 1]};
  }
  Row FirstParent(Row row) const {
    return parent_begin[row] == parent_begin[row + 1] ? kNoRow : parents[parent_begin[row]];
  }
  Row Find(std::string_view state) const;  // kNoRow: not here
  const RunRow* FindRun(std::string_view name) const;

  // By id, for Find: rows in the order of their ids.
  Column<Row> by_id;
};

// From a loaded graph. Settings that cannot be read or parsed are a warning; their states have no
// hp.
Index IndexOf(const Graph& graph, const Store& store);

}  // namespace stemma::lineage
