#include "tools/cli/state_json.h"

#include "core/bytes.h"
#include "lineage/graph.h"
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

}  // namespace

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

std::string JsonLine(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace stemma::cli
