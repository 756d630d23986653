#include "tools/cli/become_engine.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/cli/machine.h"

namespace stemma::cli {

Status BecomeEngine(const std::string& verb, const Arguments& arguments) {
  const std::string engine = FindEngine();
  if (engine.empty()) {
    return {Code::kIncompatible, "stemma-engine is neither in " + ProgramFolder() +
                                     " nor in ../libexec: build //tools/cli:stemma-engine, or "
                                     "install it beside stemma"};
  }
  std::vector<char*> argv;
  Arguments words = {engine, verb};
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(engine.c_str(), argv.data());
  return {Code::kIo, "cannot start " + engine + ": " + std::strerror(errno)};
}

}  // namespace stemma::cli
