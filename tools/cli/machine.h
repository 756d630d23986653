// What this machine is, as a list of facts with verdicts: `stemma doctor` prints it, and the engine
// stores it with every run (env.json, the record's environment), so that a report of a fault is
// complete afterwards too. No LibTorch, MPI or CUDA: what those say about themselves is the
// engine's part.
//
//   for (const Fact& fact : InspectMachine()) ...
//   for (const Fact& fact : InspectStorage("stemma-store")) ...
//   environment = FactsJson(facts);
//
// Nothing here fails: a fact that cannot be found out says so. InspectStorage writes a file of a
// few kilobytes and removes it.
#pragma once

#include <string>
#include <vector>

namespace stemma::cli {

enum class Verdict { kFact, kOk, kNote, kBad };

struct Fact {
  std::string group, name;  // "machine", "cores"
  std::string value;
  Verdict verdict = Verdict::kFact;
  std::string cure;  // what it means and what to do; for notes and BAD
};

// "fact", "ok", "note", "BAD".
const char* VerdictName(Verdict verdict);

// The program, the processors, the memory, GPUs as the driver shows them, the launcher's variables.
std::vector<Fact> InspectMachine();

// The file system that `dir` is on, or would be made on.
std::vector<Fact> InspectStorage(const std::string& dir);

// {"machine": {"cores": "8", ...}, ...}: values only, keys in the order of the facts.
std::string FactsJson(const std::vector<Fact>& facts);

// The folder of the running program, with symbolic links resolved; "" if /proc does not say.
std::string ProgramFolder();

// "stemma-engine" beside this program or in ../libexec; "" when there is none.
std::string FindEngine();

}  // namespace stemma::cli
