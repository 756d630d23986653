// What a fuzz target is made of. Each fuzz_*.cc is one, for one family of decoders:
//
//   extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)   decodes any bytes
//   std::vector<std::string> stemma::fuzz::Seeds()                            whole, valid inputs
//
// It runs in two ways. `bazel test //tests/fuzz/...` replays the seeds and mutations of them that
// depend on a number alone (replay_test.cc), in every build. tests/fuzz/run lets libFuzzer look for
// new paths, where clang has it.
//
// A target ends the process when a decoder breaks a promise: what was decoded encodes again, what
// was found is in the graph. Sanitizers do so for memory. Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace stemma::fuzz {

std::vector<std::string> Seeds();

// A promise of the code under test.
inline void Require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

// The input as text, and its first byte taken off as a choice below `choices`.
inline std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline uint8_t TakeChoice(std::string_view* input, uint8_t choices) {
  if (input->empty()) return 0;
  const uint8_t choice = static_cast<uint8_t>(input->front()) % choices;
  input->remove_prefix(1);
  return choice;
}

}  // namespace stemma::fuzz
