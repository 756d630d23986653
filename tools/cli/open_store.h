// What all verbs on a store share: the flag, the opened store with its graph, and states in words.
#pragma once

#include <memory>
#include <string>

#include "core/status.h"
#include "lineage/index.h"
#include "lineage/span.h"
#include "lineage/store.h"
#include "tools/cli/flags.h"

namespace stemma::cli {

struct OpenedStore {
  std::unique_ptr<lineage::Store> store;
  lineage::Graph graph;
};

// --store, with its default.
void AddStoreFlag(Flags* flags, std::string* path);

// Opens for reading, never creates. A store that is not there is said with the way out.
Result<std::unique_ptr<lineage::Store>> OpenStoreOnly(const std::string& path);
// The same with its graph.
Result<OpenedStore> OpenStore(const std::string& path);

// The same tree as columns, from this machine's cache where that is current: for verbs that ask
// about many states.
struct IndexedStore {
  std::unique_ptr<lineage::Store> store;
  lineage::Index index;
};
Result<IndexedStore> OpenIndexed(const std::string& path);

// The one state that `text` names: a plain name as everywhere (lineage::Resolve), or a query that
// selects exactly one. kNotFound, or kInvalidArgument that lists the candidates.
Result<lineage::StateId> OneState(const OpenedStore& opened, const std::string& text);

// "5be1c07d lamb1@18000"; the id alone when the graph does not hold the state.
std::string Words(const lineage::Graph& graph, const lineage::StateId& id);

// "train", "fork", "reshape", "import".
const char* NameOf(lineage::EdgeKind kind);
// "periodic", "requested", "signal", "final", "fork".
const char* NameOf(lineage::Reason reason);

// "replicated", "per rank", "sharded", "frozen".
const char* NameOf(lineage::Role role);

std::string AttributeText(const lineage::AttributeValue& value);

// "2026-11-21 10:12:33 UTC".
std::string TimeText(int64_t wall_ms);

}  // namespace stemma::cli
