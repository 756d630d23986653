#include "tools/cli/environment.h"

#include <dlfcn.h>
#include <torch/version.h>

#include <ATen/Version.h>

#include <fstream>
#include <iterator>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/bytes.h"
#include "core/digest.h"
#include "tools/cli/machine.h"

namespace stemma::cli {
namespace {

std::string ProgramDigest() {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return "xxh3:" + Hex(Xxh128(bytes));
}

// Where the library that holds `symbol` was loaded from.
std::string LoadedFrom(const void* symbol) {
  Dl_info info{};
  if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return "?";
  return info.dli_fname;
}

// Of the LibTorch that is in memory, by its own word; the headers know the compiled one only.
std::string LoadedVersion() {
  constexpr std::string_view kKey = "TORCH_VERSION=";
  const std::string text = at::show_config();
  const size_t key = text.find(kKey);
  if (key == std::string::npos) return "xxh3:" + Hex(Xxh128(text)).substr(0, 16);
  const size_t begin = key + kKey.size();
  return text.substr(begin, text.find_first_of(", \n", begin) - begin);
}

}  // namespace

ops::Identity ProgramIdentity() {
#if defined(STEMMA_CUDA)
  const char* build = "cuda";
#else
  const char* build = "cpu";
#endif
  return {{"program", ProgramDigest()},
          {"build", std::string(build) + ", " + __VERSION__},
          {"LibTorch compiled", TORCH_VERSION},
          {"LibTorch loaded", LoadedVersion()}};
}

std::string EnvironmentJson() {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : ProgramIdentity()) json["identity"][name] = value;
  json["LibTorch loaded from"] = LoadedFrom(reinterpret_cast<const void*>(&at::show_config));
  const auto machine = nlohmann::ordered_json::parse(FactsJson(InspectMachine()), nullptr, false);
  if (machine.is_object()) json.update(machine);
  return json.dump(1);
}

}  // namespace stemma::cli
