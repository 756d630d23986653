#include <algorithm>
#include <cstdio>

#include "core/bytes.h"
#include "lineage/graph.h"
#include "tools/cli/bounds_lines.h"
#include "tools/cli/diff_lines.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_diff.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

using lineage::Record;
using Rows = std::vector<std::vector<std::string>>;

constexpr size_t kLayersShown = 10;

constexpr char kNotes[] =
    "L2 is |B - A|, relative is |B - A| / |A|, cosine compares directions (1: the same), changed\n"
    "counts elements that differ by more than eps. All in float64, over verified bytes.\n"
    "\n"
    "--approx reads half of the bytes, the upper 16 bits of f32 tensors, and shows for each value\n"
    "between which bounds it lies: what diff shows without --approx is never outside. One number\n"
    "where two would show the same digits. With --json an end that is infinite is null.\n";

std::string Number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void PrintRows(const Rows& rows) {
  for (const std::string& line : Columns(rows)) Print(line + "\n");
}

std::vector<std::string> ChangeRow(const std::string& name, const Change& change) {
  return {"  " + name,
          Number("%.4g", change.L2()),
          Number("%.3g", change.RelativeL2()),
          Number("%.4g", change.max),
          Number("%.8f", change.Cosine()),
          std::to_string(change.changed) + " of " + std::to_string(change.count)};
}

void PrintTensors(const TensorDiff& diff, bool by_layer) {
  if (diff.identical()) {
    Print(diff.same_packs ? "tensors   identical: both states consist of the same packs\n"
                          : "tensors   identical: every bit, optimizer state included\n");
    return;
  }
  std::vector<LayerChange> layers = diff.layers;
  const auto differs = [](const LayerChange& layer) { return layer.change.changed > 0; };
  const auto first = std::find_if(layers.begin(), layers.end(), differs);
  const std::string first_name = first == layers.end() ? "" : first->layer;
  std::vector<LayerChange> totals;
  for (const LayerChange& layer : layers) {
    if (totals.empty() || totals.back().section != layer.section) {
      totals.push_back({layer.section, "", {}});
    }
    totals.back().change.Add(layer.change);
  }
  Rows rows = {{"tensors", "L2", "relative", "max", "cosine", "changed"}};
  for (const LayerChange& total : totals) rows.push_back(ChangeRow(total.section, total.change));
  if (!by_layer) {
    layers.erase(std::remove_if(layers.begin(), layers.end(),
                                [](const LayerChange& layer) { return layer.section != "params"; }),
                 layers.end());
  }
  const bool cut = !by_layer && layers.size() > kLayersShown;
  if (cut) {
    std::stable_sort(layers.begin(), layers.end(), [](const auto& x, const auto& y) {
      return x.change.RelativeL2() > y.change.RelativeL2();
    });
    layers.resize(kLayersShown);
  }
  rows.push_back({cut ? "ten layers that changed most" : "layers"});
  for (const LayerChange& layer : layers) rows.push_back(ChangeRow(layer.layer, layer.change));
  PrintRows(rows);
  Print(first_name.empty() ? "no tensor differs\n"
                           : "first layer that differs: " + first_name + "\n");
  if (cut)
    Print("--by-layer lists every layer in the order of the network, and the optimizer's state\n");
  for (const std::string& text : diff.different) Print("not comparable: " + text + "\n");
}

std::string ChangeLine(const LayerChange& layer) {
  return JsonLine({{"kind", "layer"},
                   {"section", layer.section},
                   {"layer", layer.layer},
                   {"l2", layer.change.L2()},
                   {"relative_l2", layer.change.RelativeL2()},
                   {"max", layer.change.max},
                   {"cosine", layer.change.Cosine()},
                   {"changed", layer.change.changed},
                   {"count", layer.change.count}});
}

void PrintJson(const Record& a, const Record& b, const std::vector<SettingChange>& changes,
               const TensorDiff* tensors) {
  Print(JsonLine({{"kind", "states"},
                  {"a", Hex(a.id)},
                  {"b", Hex(b.id)},
                  {"metrics_a", a.metrics},
                  {"metrics_b", b.metrics}}));
  for (const SettingChange& change : changes) {
    Print(JsonLine(
        {{"kind", "setting"}, {"key", change.key}, {"from", change.from}, {"to", change.to}}));
  }
  if (!tensors) return;
  Print(JsonLine({{"kind", "tensors"},
                  {"identical", tensors->identical()},
                  {"not_comparable", tensors->different}}));
  for (const LayerChange& layer : tensors->layers) Print(ChangeLine(layer));
}

}  // namespace

Result<int> RunDiff(const Arguments& arguments) {
  std::string path, name_a, name_b;
  double eps = 0;
  bool by_layer = false, settings_only = false, approx = false, json = false;
  Flags flags("diff", "What differs between two states: settings, metrics, weights.");
  flags.Word("A", &name_a, "a state");
  flags.Word("B", &name_b, "another state");
  flags.Number("eps", &eps, "E", "elements closer than this count as equal");
  flags.Switch("by-layer", &by_layer,
               "every layer in the order of the network, and the optimizer's state");
  flags.Switch("approx", &approx, "half of the bytes; bounds instead of values");
  flags.Switch("settings", &settings_only, "only the settings; reads no tensor");
  flags.Switch("json", &json,
               "one JSON object per line: states, setting, tensors, layer or layer_bounds");
  AddStoreFlag(&flags, &path);
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (!(eps >= 0)) return Status(Code::kInvalidArgument, "--eps is a distance: 0 or more");
  if (approx && settings_only) {
    return Status(Code::kInvalidArgument, "--settings reads no tensor: leave out --approx");
  }

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id_a, OneState(opened, name_a));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id_b, OneState(opened, name_b));
  const Record& a = opened.graph.states.at(id_a);
  const Record& b = opened.graph.states.at(id_b);
  STEMMA_ASSIGN_OR_RETURN(const auto changes, DiffStoredSettings(*opened.store, a, b));
  TensorDiff tensors;
  TensorBounds bounds;
  if (approx) {
    STEMMA_ASSIGN_OR_RETURN(bounds, BoundTensors(*opened.store, a, b, eps));
  } else if (!settings_only) {
    STEMMA_ASSIGN_OR_RETURN(tensors, DiffTensors(*opened.store, a, b, eps));
  }
  if (json) {
    PrintJson(a, b, changes, settings_only || approx ? nullptr : &tensors);
    if (approx) Print(BoundsJson(bounds));
    return 0;
  }
  Print("A  " + Words(opened.graph, id_a) + "\nB  " + Words(opened.graph, id_b) + "\n");
  Print(SettingsText(changes));
  if (settings_only) return 0;
  Print(MetricsText(a, b));
  if (approx) {
    Print(BoundsText(bounds, by_layer));
  } else {
    PrintTensors(tensors, by_layer);
  }
  return 0;
}

}  // namespace stemma::cli
