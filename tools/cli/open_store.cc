#include "tools/cli/open_store.h"

#include <cstdio>
#include <ctime>

#include "core/bytes.h"
#include "core/toml.h"
#include "lineage/graph.h"
#include "lineage/index_cache.h"
#include "lineage/query/query.h"
#include "lineage/storage.h"

namespace stemma::cli {
namespace {

// To stderr, when there were any, with the way to see them.
void SayWarnings(size_t warnings, const std::string& path) {
  if (warnings == 0) return;
  std::fprintf(stderr, "note: %zu warning(s) while reading %s; `stemma fsck` shows them\n",
               warnings, path.c_str());
}

}  // namespace

void AddStoreFlag(Flags* flags, std::string* path) {
  *path = "stemma-store";
  flags->Text("store", path, "DIR", "the store");
}

Result<std::unique_ptr<lineage::Store>> OpenStoreOnly(const std::string& path) {
  auto store = lineage::Store::Open(path, /*create=*/false, lineage::PosixStorage());
  if (store.status().code() != Code::kNotFound) return store;
  return Status(Code::kNotFound, store.status().message() +
                                     "; --store=DIR names another place, `stemma train` makes one");
}

Result<OpenedStore> OpenStore(const std::string& path) {
  OpenedStore opened;
  STEMMA_ASSIGN_OR_RETURN(opened.store, OpenStoreOnly(path));
  STEMMA_ASSIGN_OR_RETURN(opened.graph, opened.store->Load());
  SayWarnings(opened.graph.warnings.size(), path);
  return opened;
}

Result<IndexedStore> OpenIndexed(const std::string& path) {
  IndexedStore opened;
  STEMMA_ASSIGN_OR_RETURN(opened.store, OpenStoreOnly(path));
  STEMMA_ASSIGN_OR_RETURN(opened.index,
                          lineage::LoadIndex(*opened.store, lineage::IndexCacheDir()));
  SayWarnings(opened.index.warnings.size(), path);
  return opened;
}

Result<lineage::StateId> OneState(const OpenedStore& opened, const std::string& text) {
  if (lineage::IsPlainState(text)) return lineage::Resolve(opened.graph, text);
  STEMMA_ASSIGN_OR_RETURN(const lineage::Query query, lineage::ParseQuery(text));
  const lineage::Index index = lineage::IndexOf(opened.graph, *opened.store);
  STEMMA_ASSIGN_OR_RETURN(const lineage::Row row, lineage::One(query, index));
  return lineage::StateId(index.id[row]);
}

std::string Words(const lineage::Graph& graph, const lineage::StateId& id) {
  const std::string digits = Hex(id).substr(0, 8);
  const auto found = graph.states.find(id);
  return found == graph.states.end() ? digits + " (not in this store)"
                                     : digits + " " + lineage::NameOfState(found->second);
}

const char* NameOf(lineage::EdgeKind kind) {
  switch (kind) {
    case lineage::EdgeKind::kTrain:
      return "train";
    case lineage::EdgeKind::kFork:
      return "fork";
    case lineage::EdgeKind::kReshape:
      return "reshape";
    case lineage::EdgeKind::kImport:
      return "import";
  }
  return "unknown";
}

const char* NameOf(lineage::Reason reason) {
  switch (reason) {
    case lineage::Reason::kPeriodic:
      return "periodic";
    case lineage::Reason::kRequested:
      return "requested";
    case lineage::Reason::kSignal:
      return "signal";
    case lineage::Reason::kFinal:
      return "final";
    case lineage::Reason::kFork:
      return "fork";
  }
  return "unknown";
}

const char* NameOf(lineage::Role role) {
  switch (role) {
    case lineage::Role::kReplicated:
      return "replicated";
    case lineage::Role::kPerRank:
      return "per rank";
    case lineage::Role::kSharded:
      return "sharded";
    case lineage::Role::kFrozen:
      return "frozen";
  }
  return "unknown";
}

std::string AttributeText(const lineage::AttributeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return TomlText(value);
}

std::string TimeText(int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

}  // namespace stemma::cli
