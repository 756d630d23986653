#include "tests/support/conformance_report.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

namespace stemma::tests {
namespace {

struct Note {
  std::string backend;
  int ranks = 1;
  bool passed = true;
};

std::vector<Note> notes;

// "19_22_mismatches" and "19_and_22_mismatches" are about rows 19 and 22.
std::vector<std::string> RowsOf(std::string rest) {
  const auto digit = [&](size_t i) { return rest[i] >= '0' && rest[i] <= '9'; };
  std::vector<std::string> rows;
  while (rest.size() > 3 && digit(0) && digit(1) && rest[2] == '_') {
    rows.push_back(rest.substr(0, 2));
    rest.erase(0, rest.compare(3, 4, "and_") == 0 ? 7 : 3);
  }
  return rows;
}

}  // namespace

void RanOn(std::string_view backend, int ranks, bool passed) {
  for (const Note& note : notes) {
    if (note.backend == backend && note.ranks == ranks && note.passed == passed) return;
  }
  notes.push_back({std::string(backend), ranks, passed});
}

void ReportCase(const std::string& name, bool passed, std::string_view backend, int ranks) {
  const std::string prefix = "conformance_";
  std::vector<Note> ran = std::exchange(notes, {});
  if (name.rfind(prefix, 0) != 0) return;
  if (ran.empty()) ran.push_back({std::string(backend), ranks, passed});
  const auto failed = [](const Note& note) { return !note.passed; };
  const bool blamed = passed || std::any_of(ran.begin(), ran.end(), failed);
  for (const std::string& row : RowsOf(name.substr(prefix.size()))) {
    for (const Note& note : ran) {
      if (note.ranks == 0) continue;
      std::printf("conformance row %s %s %s %d %s\n", row.c_str(), name.c_str(),
                  note.backend.c_str(), note.ranks, note.passed && blamed ? "pass" : "fail");
    }
  }
  std::fflush(stdout);
}

}  // namespace stemma::tests
