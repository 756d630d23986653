#include <algorithm>
#include <cstdio>
#include <vector>

#include "core/bytes.h"
#include "core/text.h"
#include "lineage/graph.h"
#include "lineage/marks.h"
#include "lineage/repair/quarantine.h"
#include "lineage/reshape/reshape.h"
#include "lineage/restore.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Graph;
using lineage::Record;
using lineage::Span;
using Rows = std::vector<std::vector<std::string>>;

constexpr char kNotes[] =
    "How to name a state: r50@ (newest of run r50), r50@12000, r50@<=12000, r50@~2 (two back),\n"
    "tag:best, or eight digits of its id.\n";

std::string ShapeText(const Span& span) {
  std::string text = "[";
  for (size_t i = 0; i < span.shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(span.shape[i]);
  }
  return text + "]";
}

std::string Number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

void AddFamily(const Graph& graph, const Record& record, Rows* rows) {
  for (const lineage::Edge& edge : record.parents) {
    std::string text = Words(graph, edge.parent) + ", by " + NameOf(edge.kind);
    const auto parent = graph.states.find(edge.parent);
    const bool known = parent != graph.states.end() && edge.kind != lineage::EdgeKind::kFork;
    const std::string how =
        edge.kind == lineage::EdgeKind::kReshape ? lineage::ReshapeText(record) : "";
    if (!how.empty()) {
      text += ", " + how;
    } else if (known && parent->second.world != record.world) {
      text += ", reshape from " + std::to_string(parent->second.world) + " ranks to " +
              std::to_string(record.world);
    }
    rows->push_back({"parent", text});
  }
  if (record.parents.empty()) {
    const bool imported = lineage::HowMade(record) == lineage::EdgeKind::kImport;
    const bool trained = !record.plan_digest.empty();
    rows->push_back({"parent", !imported ? "none: the run started from nothing"
                               : trained
                                   ? "none: the run started from a file's weights, see import.file"
                                   : "none: its bytes came from a file, see import.file"});
  }
  const auto children = graph.children.find(record.id);
  if (children == graph.children.end()) return;
  for (const lineage::StateId& child : children->second) {
    rows->push_back({"child", Words(graph, child)});
  }
}

void AddNames(const Graph& graph, const Record& record, Rows* rows) {
  rows->push_back({"state", Hex(record.id)});
  std::string name = lineage::NameOfState(record);
  const auto run = graph.runs.find(record.run_name);
  if (run != graph.runs.end() && run->second.head == record.id) name += ", the run's head";
  if (lineage::IsPruned(graph, record.id)) name += ", pruned";
  if (lineage::IsQuarantined(graph, record.id)) name += ", quarantined";
  rows->push_back({"name", name});
  for (const auto& [tag_name, tag] : graph.tags) {
    if (tag.target != record.id) continue;
    rows->push_back({"tag", tag_name + (tag.why.empty() ? "" : ": " + tag.why)});
  }
}

void AddProgress(const Record& record, Rows* rows) {
  rows->push_back({"progress", "step " + std::to_string(record.step) + ", " +
                                   std::to_string(record.samples) + " samples, epoch " +
                                   Number(record.epoch)});
  for (const auto& [name, value] : record.metrics) {
    rows->push_back({"metric", name + " " + Number(value)});
  }
}

void AddMaking(const Graph& graph, const Record& record, Rows* rows) {
  rows->push_back({"made", TimeText(record.wall_ms) + ", " + NameOf(record.reason) + ", on " +
                               std::to_string(record.world) +
                               (record.world == 1 ? " rank" : " ranks") + ", incarnation " +
                               std::to_string(record.incarnation)});
  if (record.reason != lineage::Reason::kFork) {
    rows->push_back({"capture", "waited " + HumanDuration(record.timings.stall_s) + ", copy " +
                                    HumanDuration(record.timings.copy_s) + ", write " +
                                    HumanDuration(record.timings.write_s) + ", sync " +
                                    HumanDuration(record.timings.sync_s) + ", commit " +
                                    HumanDuration(record.timings.commit_lag_s)});
  }
  rows->push_back({"audit", record.audit.empty() ? "not made" : record.audit});
  for (const auto& [key, value] : record.attributes) {
    rows->push_back({"attribute", key + " = " + AttributeText(value)});
  }
  const auto notes = graph.notes.find(record.id);
  if (notes == graph.notes.end()) return;
  for (const auto& [key, value] : notes->second) {
    rows->push_back({"note", key + " = " + AttributeText(value)});
  }
}

void AddBytes(const lineage::Store& store, const Graph& graph, const Record& record, Rows* rows) {
  const lineage::StateBytes bytes = lineage::BytesOf(graph, record);
  rows->push_back({"bytes", HumanBytes(bytes.own) + " stored by it, " + HumanBytes(bytes.shared) +
                                " shared with its parent, " + HumanBytes(bytes.logical) +
                                " logical"});
  const size_t frozen_from = record.packs.size() - record.frozen_packs;
  for (size_t i = 0; i < record.packs.size(); ++i) {
    const lineage::PackRef& pack = record.packs[i];
    rows->push_back({"pack", std::to_string(pack.writer + 1) + " of " +
                                 std::to_string(pack.writers) + "  " + HumanBytes(pack.bytes) +
                                 (i < frozen_from ? "  " : "  frozen  ") +
                                 store.PackPath(pack.pack)});
  }
  const auto digest = [](const std::string& id) {
    return id.empty() ? std::string("none") : Hex(id).substr(0, 16);
  };
  const char* const changed = record.settings.changes.empty() ? "" : " and a fork's changes";
  rows->push_back({"digests", "settings " + digest(record.settings.blob) + changed +
                                  ", environment " + digest(record.environment) + ", layout " +
                                  digest(record.layout) + ", plan " + digest(record.plan_digest)});
}

// The parameters by name and shape; other sections as totals unless all are asked for.
void PrintTensors(const std::vector<Span>& spans, bool all) {
  struct Total {
    std::string name;
    size_t spans = 0;
    int64_t elements = 0, bytes = 0;
  };
  std::vector<Total> sections;  // in the order of the layout
  Rows rows;
  for (const Span& span : spans) {
    const auto same = [&span](const Total& one) { return one.name == span.section; };
    const auto found = std::find_if(sections.begin(), sections.end(), same);
    const bool first = found == sections.end();
    if (first) sections.push_back({span.section, 0, 0, 0});
    Total& total = first ? sections.back() : *found;
    ++total.spans;
    total.elements += span.count();
    total.bytes += span.bytes();
    if (!all && span.section != "params") continue;
    rows.push_back({"  " + span.name, std::string(NameOf(span.dtype)), ShapeText(span),
                    HumanBytes(static_cast<uint64_t>(span.bytes())), all ? span.section : "",
                    all ? NameOf(span.role) : ""});
  }
  Rows totals = {{"section", "tensors", "elements", "bytes"}};
  for (const Total& total : sections) {
    totals.push_back({total.name, std::to_string(total.spans), std::to_string(total.elements),
                      HumanBytes(static_cast<uint64_t>(total.bytes))});
  }
  Print("\n");
  for (const std::string& line : Columns(totals)) Print(line + "\n");
  Print(all ? "\ntensors\n" : "\nparameters (--all lists every tensor)\n");
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

Status PrintState(const OpenedStore& opened, const Record& record, bool all) {
  Rows rows;
  AddNames(opened.graph, record, &rows);
  const std::string damage = lineage::QuarantineWords(*opened.store, opened.graph, record.id);
  if (!damage.empty()) rows.push_back({"damage", damage});
  AddFamily(opened.graph, record, &rows);
  AddProgress(record, &rows);
  AddMaking(opened.graph, record, &rows);
  AddBytes(*opened.store, opened.graph, record, &rows);
  for (const std::string& line : Columns(rows)) Print(line + "\n");
  STEMMA_ASSIGN_OR_RETURN(const std::vector<Span> spans, lineage::SpansOf(*opened.store, record));
  PrintTensors(spans, all);
  return {};
}

Status PrintJson(const OpenedStore& opened, const Record& record) {
  STEMMA_ASSIGN_OR_RETURN(const std::string line,
                          DetailedStateLine(*opened.store, opened.graph, record));
  Print(line);
  return {};
}

Status StoredWithout(const std::string& what) {
  return {Code::kNotFound, "the state was stored without " + what};
}

Status PrintText(Result<std::string> read) {
  STEMMA_ASSIGN_OR_RETURN(std::string text, std::move(read));
  if (!text.empty() && text.back() != '\n') text += '\n';
  Print(text);
  return {};
}

}  // namespace

Result<int> RunShow(const Arguments& arguments) {
  std::string path, state;
  bool settings = false, environment = false, json = false, all = false;
  Flags flags("show", "One state: what it holds, how it was made, where its bytes are.");
  flags.Word("STATE", &state, "which one");
  flags.Switch("settings", &settings, "only its settings, as a recipe that runs again");
  flags.Switch("environment", &environment, "only what it was made on, as JSON");
  flags.Switch("all", &all, "every tensor, not only the parameters");
  flags.Switch("json", &json, "everything as one JSON object");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(opened, state));
  const Record& record = opened.graph.states.at(id);
  Status status;
  if (settings) {
    status = record.settings.empty() ? StoredWithout("settings")
                                     : PrintText(opened.store->GetSettings(record.settings));
  } else if (environment) {
    status = record.environment.empty() ? StoredWithout("an environment")
                                        : PrintText(opened.store->GetBlob(record.environment));
  } else {
    status = json ? PrintJson(opened, record) : PrintState(opened, record, all);
  }
  STEMMA_RETURN_IF_ERROR(std::move(status));
  return 0;
}

}  // namespace stemma::cli
