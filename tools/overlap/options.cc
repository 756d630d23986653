#include "tools/overlap/options.h"

namespace stemma::cli {

namespace {

constexpr int64_t kCountMin = 50, kCountMax = 1000000, kThreadsMax = 1024;

constexpr char kNotes[] =
    "STATE is one of a run of workload aigw, named as everywhere: run@, run@3000, tag:best.\n"
    "\n"
    "The overlap is between the wave of the true parameters and the wave of those that were read,\n"
    "complex h22 on the window that the network sees, maximised over time and phase: 1 is the\n"
    "same wave. Once with white noise and once with Advanced LIGO's, for a binary of --mass solar\n"
    "masses. Held-out mergers share no mass ratio with those that were trained on.\n"
    "\n"
    "The network says q, s1, s2, chi_eff and S_eff. --estimate=first takes the first three as\n"
    "they are; combined fits q, s1, s2 to all five, weighed by the errors on 1,000 mergers of\n"
    "another held-out set; best is the one of the two with the higher median there.\n"
    "\n"
    "  stemma overlap overlap@\n"
    "  stemma overlap overlap@ --count=5000 --mass=40 --csv=mergers.csv --html=mergers.html\n";

Status Outside(const char* flag, const std::string& value, const char* range) {
  return {Code::kInvalidArgument, std::string(flag) + " = " + value + " must be " + range};
}

}  // namespace

Flags OverlapFlagList(OverlapFlags* values) {
  Flags flags("overlap", "How well a trained aigw reads held-out mergers: overlaps and errors.");
  flags.Word("STATE", &values->state, "the state whose weights are used");
  values->store = "stemma-store";
  flags.Text("store", &values->store, "DIR", "the store");
  flags.Choice("split", &values->split, {"test", "validation", "train"}, "which mergers");
  flags.Integer("count", &values->count, "N", "mergers, 50 to 1000000");
  flags.Number("mass", &values->mass, "M", "total mass for LIGO's noise, 10 to 300 solar masses");
  flags.Choice("estimate", &values->estimate, {"best", "first", "combined"},
               "how five outputs become q, s1, s2");
  flags.Switch("average", &values->average, "weights of optim/ema in the place of the last step's");
  flags.Integer("threads", &values->threads, "N", "to compute with; 0: all cores");
  flags.Text("json", &values->json, "FILE", "all figures as one JSON object");
  flags.Text("csv", &values->csv, "FILE", "a line for each merger");
  flags.Text("html", &values->html, "FILE", "a page with plots");
  flags.Notes(kNotes);
  return flags;
}

Status CheckOverlapFlags(const OverlapFlags& values) {
  if (values.count < kCountMin || values.count > kCountMax) {
    return Outside("--count", std::to_string(values.count), "50 to 1000000");
  }
  if (!(values.mass >= 10 && values.mass <= 300)) {
    return Outside("--mass", std::to_string(values.mass), "10 to 300");
  }
  if (values.threads < 0 || values.threads > kThreadsMax) {
    return Outside("--threads", std::to_string(values.threads), "0 to 1024; 0: all cores");
  }
  return {};
}

}  // namespace stemma::cli
