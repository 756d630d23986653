#include "tools/cli/bounds_lines.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/text.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

constexpr size_t kLayersShown = 10;
constexpr double kSameDigits = 1e-9;  // so narrow: known but for rounding

constexpr char kFourDigits[] = "%.4g";
constexpr char kEightDecimals[] = "%.8f";

std::string Number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// `unit`: less than half of what the last digit counts.
std::string Rounded(const char* format, double value, double unit, bool up) {
  const double step = up ? unit : -unit;
  for (double at = value;; at += step) {
    const std::string text = Number(format, at);
    const double shown = std::strtod(text.c_str(), nullptr);
    if (step == 0 || !std::isfinite(at) || (up ? shown >= value : shown <= value)) return text;
  }
}

std::string CountText(const ChangeBounds& change) {
  const std::string least = std::to_string(change.changed_least);
  const std::string most = std::to_string(change.changed_most);
  return (least == most ? least : least + " .. " + most) + " of " + std::to_string(change.count);
}

std::vector<std::string> Row(const std::string& name, const ChangeBounds& change) {
  return {"  " + name,
          IntervalText(change.L2()),
          IntervalText(change.RelativeL2()),
          IntervalText(change.max),
          CosineText(change.Cosine()),
          CountText(change)};
}

std::vector<LayerBounds> SectionsOf(const std::vector<LayerBounds>& layers) {
  std::vector<LayerBounds> sections;
  for (const LayerBounds& layer : layers) {
    if (sections.empty() || sections.back().section != layer.section) {
      sections.push_back({layer.section, "", {}});
    }
    sections.back().change.Add(layer.change);
  }
  return sections;
}

// Those to show, in their order; true when some of them are left out.
bool Select(bool by_layer, std::vector<LayerBounds>* layers) {
  if (by_layer) return false;
  const auto others = [](const LayerBounds& layer) { return layer.section != "params"; };
  layers->erase(std::remove_if(layers->begin(), layers->end(), others), layers->end());
  if (layers->size() <= kLayersShown) return false;
  std::stable_sort(layers->begin(), layers->end(), [](const auto& x, const auto& y) {
    return x.change.RelativeL2().high > y.change.RelativeL2().high;
  });
  layers->resize(kLayersShown);
  return true;
}

std::string FirstText(const std::vector<LayerBounds>& layers) {
  for (const LayerBounds& layer : layers) {
    if (layer.change.changed_least == 0) continue;
    return "first layer that differs for certain: " + layer.layer + "\n";
  }
  return "what was read is the same: whether any tensor differs in a lower half, `stemma diff` "
         "without --approx says\n";
}

std::string Certainty(const Interval& interval) {
  return interval.is_nan ? "nan" : interval.may_be_nan ? "maybe nan" : "number";
}

}  // namespace

std::string IntervalText(const Interval& interval) {
  if (interval.is_nan) return "nan";
  const double width = interval.high - interval.low;
  const bool one = interval.low == interval.high ||
                   (std::isfinite(width) && width <= kSameDigits * interval.high);
  const double low = interval.low, high = interval.high;
  std::string text = one ? Number(kFourDigits, high)
                         : Rounded(kFourDigits, low, 1e-5 * low, false) + " .. " +
                               Rounded(kFourDigits, high, 1e-5 * high, true);
  if (interval.may_be_nan) text += " or nan";
  return text;
}

std::string CosineText(const Interval& cosine) {
  if (cosine.is_nan) return "nan";
  const double low = cosine.low, high = cosine.high;
  std::string text = high - low <= kSameDigits
                         ? Number(kEightDecimals, (low + high) / 2)
                         : Rounded(kEightDecimals, low, 4e-9, false) + " .. " +
                               Rounded(kEightDecimals, high, 4e-9, true);
  if (cosine.may_be_nan) text += " or nan";
  return text;
}

std::string BoundsText(const TensorBounds& bounds, bool by_layer) {
  if (bounds.same_packs) return "tensors   identical: both states consist of the same packs\n";
  std::vector<std::vector<std::string>> rows = {
      {"tensors", "L2", "relative", "max", "cosine", "changed"}};
  for (const LayerBounds& section : SectionsOf(bounds.layers)) {
    rows.push_back(Row(section.section, section.change));
  }
  std::vector<LayerBounds> layers = bounds.layers;
  const bool cut = Select(by_layer, &layers);
  rows.push_back({cut ? "ten layers that may have changed most" : "layers"});
  for (const LayerBounds& layer : layers) rows.push_back(Row(layer.layer, layer.change));
  std::string text;
  for (const std::string& line : Columns(rows)) text += line + "\n";
  text += FirstText(bounds.layers);
  text += "read " + HumanBytes(bounds.bytes_read) + " of " + HumanBytes(bounds.bytes_whole) +
          " of tensors: f32 by their upper 16 bits, all else whole; each value lies between the "
          "two\n";
  if (cut) {
    text += "--by-layer lists every layer in the order of the network, and the optimizer's state\n";
  }
  for (const std::string& one : bounds.different) text += "not comparable: " + one + "\n";
  return text;
}

std::string BoundsJson(const TensorBounds& bounds) {
  std::string text = JsonLine({{"kind", std::string("tensors")},
                               {"same_packs", bounds.same_packs},
                               {"bytes_read", bounds.bytes_read},
                               {"bytes_whole", bounds.bytes_whole},
                               {"not_comparable", bounds.different}});
  for (const LayerBounds& layer : bounds.layers) {
    std::vector<std::pair<std::string, JsonValue>> fields = {
        {"kind", std::string("layer_bounds")}, {"section", layer.section}, {"layer", layer.layer}};
    const auto add = [&fields](const std::string& name, const Interval& interval) {
      const double low = interval.is_nan ? NAN : interval.low;
      const double high = interval.is_nan ? NAN : interval.high;
      fields.insert(
          fields.end(),
          {{name + "_low", low}, {name + "_high", high}, {name + "_is", Certainty(interval)}});
    };
    add("l2", layer.change.L2());
    add("relative_l2", layer.change.RelativeL2());
    add("max", layer.change.max);
    add("cosine", layer.change.Cosine());
    fields.insert(fields.end(), {{"changed_least", layer.change.changed_least},
                                 {"changed_most", layer.change.changed_most},
                                 {"count", layer.change.count}});
    text += JsonLine(fields);
  }
  return text;
}

}  // namespace stemma::cli
