#include "tools/cli/state_json.h"

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/restore.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {
namespace {
using nlohmann::ordered_json;

ordered_json AttributesJson(const std::map<std::string, lineage::AttributeValue>& attributes) {
  ordered_json json = ordered_json::object();
  for (const auto& [key, value] : attributes) {
    std::visit([&json, &name = key](const auto& v) { json[name] = v; }, value);
  }
  return json;
}

ordered_json BytesJson(const lineage::Graph& graph, const lineage::Record& record) {
  const lineage::StateBytes bytes = lineage::BytesOf(graph, record);
  return {{"stored", bytes.own}, {"shared", bytes.shared}, {"logical", bytes.logical}};
}

ordered_json StateJson(const lineage::Graph& graph, const lineage::Record& record) {
  ordered_json json;
  json["id"] = Hex(record.id);
  json["name"] = lineage::NameOfState(record);
  json["run"] = record.run_name;
  json["step"] = record.step;
  json["samples"] = record.samples;
  json["epoch"] = record.epoch;
  json["parents"] = ordered_json::array();
  for (const lineage::Edge& edge : record.parents) {
    json["parents"].push_back({{"id", Hex(edge.parent)}, {"kind", NameOf(edge.kind)}});
  }
  json["tags"] = ordered_json::array();
  for (const auto& [name, tag] : graph.tags) {
    if (tag.target == record.id) json["tags"].push_back(name);
  }
  const auto run = graph.runs.find(record.run_name);
  json["head"] = run != graph.runs.end() && run->second.head == record.id;
  json["pruned"] = lineage::IsPruned(graph, record.id);
  json["quarantined"] = lineage::IsQuarantined(graph, record.id);
  json["metrics"] = record.metrics;
  json["bytes"] = BytesJson(graph, record);
  json["ranks"] = record.world;
  json["incarnation"] = record.incarnation;
  json["capture"] = record.capture;
  json["reason"] = NameOf(record.reason);
  json["audit"] = record.audit;
  json["wall_ms"] = record.wall_ms;
  json["attributes"] = AttributesJson(record.attributes);
  const auto notes = graph.notes.find(record.id);
  json["notes"] =
      notes == graph.notes.end() ? ordered_json::object() : AttributesJson(notes->second);
  json["timings_s"] = {{"stall", record.timings.stall_s},
                       {"copy", record.timings.copy_s},
                       {"write", record.timings.write_s},
                       {"sync", record.timings.sync_s},
                       {"commit_lag", record.timings.commit_lag_s}};
  return json;
}

std::string Dumped(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json FieldsJson(const std::vector<std::pair<std::string, JsonValue>>& fields) {
  ordered_json json = ordered_json::object();
  for (const auto& [key, value] : fields) {
    std::visit([&json, &name = key](const auto& v) { json[name] = v; }, value);
  }
  return json;
}

ordered_json ChildrenJson(const lineage::Graph& graph, const lineage::StateId& id) {
  ordered_json json = ordered_json::array();
  const auto children = graph.children.find(id);
  if (children == graph.children.end()) return json;
  for (const lineage::StateId& child : children->second) json.push_back(Hex(child));
  return json;
}

ordered_json PacksJson(const lineage::Store& store, const lineage::Record& record) {
  ordered_json json = ordered_json::array();
  const size_t frozen_from = record.packs.size() - record.frozen_packs;
  for (size_t i = 0; i < record.packs.size(); ++i) {
    const lineage::PackRef& pack = record.packs[i];
    json.push_back({{"writer", pack.writer},
                    {"writers", pack.writers},
                    {"frozen", i >= frozen_from},
                    {"id", Hex(pack.pack)},
                    {"bytes", pack.bytes},
                    {"path", store.PackPath(pack.pack)}});
  }
  return json;
}

}  // namespace

std::string JsonLine(const std::vector<std::pair<std::string, JsonValue>>& fields) {
  return Dumped(FieldsJson(fields));
}

std::string StateLine(const lineage::Graph& graph, const lineage::Record& record,
                      const std::vector<std::pair<std::string, JsonValue>>& values) {
  ordered_json json = StateJson(graph, record);
  if (!values.empty()) json["values"] = FieldsJson(values);
  return Dumped(json);
}

Result<std::string> DetailedStateLine(const lineage::Store& store, const lineage::Graph& graph,
                                      const lineage::Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<lineage::Span> spans, lineage::SpansOf(store, record));
  ordered_json json = StateJson(graph, record);
  json["children"] = ChildrenJson(graph, record.id);
  json["packs"] = PacksJson(store, record);
  json["digests"] = {{"settings", Hex(record.settings.blob)},
                     {"environment", Hex(record.environment)},
                     {"layout", Hex(record.layout)},
                     {"plan", Hex(record.plan_digest)}};
  if (!record.settings.changes.empty()) json["settings_changes"] = record.settings.changes;
  json["tensors"] = ordered_json::array();
  for (const lineage::Span& span : spans) {
    json["tensors"].push_back({{"name", span.name},
                               {"section", span.section},
                               {"dtype", std::string(NameOf(span.dtype))},
                               {"shape", span.shape},
                               {"role", NameOf(span.role)},
                               {"bytes", span.bytes()}});
  }
  return Dumped(json);
}

}  // namespace stemma::cli
