#include "tools/report/scale_facts.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/scale/statistics.h"

namespace stemma::report {
namespace {

using Json = nlohmann::ordered_json;

// In the order of a step.
constexpr std::pair<const char*, const char*> kPhases[] = {
    {"input_wait_s", "waiting for input"},
    {"forward_s", "forward"},
    {"backward_s", "backward"},
    {"exposed_comm_s", "exposed communication"},
    {"optimizer_s", "optimizer"},
    {"capture_s", "capture"}};

std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

NamedValues NamedValuesOf(const Json& json, const char* key) {
  NamedValues values;
  const auto at = json.find(key);
  if (at == json.end() || !at->is_object()) return values;
  for (const auto& [name, value] : at->items()) values.emplace_back(name, TextOf(value));
  return values;
}

std::vector<std::string> TextsOf(const Json& json, const char* key) {
  std::vector<std::string> texts;
  const auto at = json.find(key);
  if (at == json.end() || !at->is_array()) return texts;
  for (const Json& value : *at) texts.push_back(TextOf(value));
  return texts;
}

std::string ModeOf(const Json& json) {
  const auto counts = json.find("counts");
  if (counts == json.end() || !counts->is_array() || counts->empty()) return "";
  const Json& first = counts->front();
  const auto mode = first.is_object() ? first.find("mode") : first.end();
  return mode == first.end() || !mode->is_string() ? "" : mode->get<std::string>();
}

// 8 of "r8-0"; 0 for another name.
int RanksOf(const Json& point) {
  const auto name = point.find("point");
  if (name == point.end() || !name->is_string()) return 0;
  const auto text = name->get<std::string>();
  return text.size() > 1 && text[0] == 'r' ? std::atoi(text.c_str() + 1) : 0;
}

std::vector<ScaleFacts::Phases> PhasesOf(const Json& json) {
  std::map<int, std::map<std::string, std::vector<double>>> seconds;
  const auto points = json.find("points");
  if (points == json.end() || !points->is_array()) return {};
  for (const Json& point : *points) {
    const int ranks = point.is_object() ? RanksOf(point) : 0;
    if (ranks < 1) continue;
    for (const auto& [key, name] : kPhases) {
      const auto at = point.find(key);
      if (at == point.end() || !at->is_number()) continue;
      const double value = at->get<double>();
      if (std::isfinite(value) && value >= 0) seconds[ranks][key].push_back(value);
    }
  }
  std::vector<ScaleFacts::Phases> all;
  for (const auto& [ranks, values] : seconds) {
    ScaleFacts::Phases phases{ModeOf(json), ranks, {}};
    for (const auto& [key, name] : kPhases) {
      const auto at = values.find(key);
      if (at != values.end()) phases.seconds.emplace_back(name, scale::QuantilesOf(at->second).p50);
    }
    // Without computing there is nothing to compare the waits with.
    if (values.count("forward_s") > 0 && values.count("backward_s") > 0) all.push_back(phases);
  }
  return all;
}

}  // namespace

Result<ScaleFacts> ParseScaleFacts(const std::string& text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Status(Code::kInvalidArgument,
                  name +
                      ": not a JSON object, as `stemma scale run` writes "
                      "beside its table; remove it to go without its facts");
  }
  ScaleFacts facts;
  facts.input = NamedValuesOf(json, "input");
  facts.machine = NamedValuesOf(json, "machine");
  facts.commands = TextsOf(json, "commands");
  facts.failures = TextsOf(json, "failures");
  facts.phases = PhasesOf(json);
  return facts;
}

Result<ScaleFacts> ReadScaleFacts(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::kNotFound, path + ": cannot be read");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return ParseScaleFacts(text, path);
}

}  // namespace stemma::report
