#include "tools/cli/scale_facts.h"

#include <unistd.h>

#include <ctime>

#include <nlohmann/json.hpp>

#include "core/version.h"
#include "tools/cli/machine.h"
#include "tools/scale/series/child.h"
#include "tools/scale/series/files.h"

namespace stemma::cli {
namespace {

constexpr double kPatienceSeconds = 120;  // a cold file system may take its time to load LibTorch

void AddEngine(const scale::Series& series, scale::Facts* facts) {
  const std::string path = series.folder + "/engine.json";
  if (!scale::RunChild({FindEngine(), "version"}, path, kPatienceSeconds).status.ok()) return;
  const Result<std::string> text = scale::ReadFile(path);
  if (!text.ok()) return;
  const auto json = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("identity") || !json["identity"].is_object()) return;
  for (const auto& [name, value] : json["identity"].items()) {
    if (value.is_string()) facts->emplace_back("engine, " + name, value.get<std::string>());
  }
}

}  // namespace

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "this-machine";
}

scale::Facts ScaleFacts(const scale::Series& series) {
  scale::Facts facts;
  char date[40];
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
  facts.emplace_back("date", date);
  facts.emplace_back("stemma", std::string(kProgramVersion) + ", " + CompilerText());
  AddEngine(series, &facts);
  facts.emplace_back("hosts", series.launcher.hosts.empty() ? HostName() : series.launcher.hosts);
  facts.emplace_back("launcher", series.launcher.program);
  facts.emplace_back("threads of a rank", std::to_string(series.threads));
  for (const Fact& fact : InspectMachine()) {
    if (fact.group == "machine" || fact.group == "gpu") {
      facts.emplace_back(fact.group + " " + fact.name, fact.value);
    }
  }
  return facts;
}

}  // namespace stemma::cli
