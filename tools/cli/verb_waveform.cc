#include <iostream>
#include <string>

#include "models/aigw/family_match.h"
#include "models/aigw/waveform_csv.h"
#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

namespace {

constexpr char kNotes[] =
    "Columns: time in units of the total mass, amplitude r|h22|/M, angular frequency, phase (0 at\n"
    "t = 0), real and imaginary part of A exp(-i phase); 17 digits, so that reading gives the "
    "same\n"
    "bits. Of the family phenomd: frequency in units of 1/M, amplitude and phase of h+~, real and\n"
    "imaginary part; the grid is then one of frequencies, 0.004 to 0.2 by 0.001 if none is given.\n"
    "\n"
    "--compare prints how far IMRPhenomT and IMRPhenomD are apart, 1 - overlap at 60 solar "
    "masses,\n"
    "20 to 1000 Hz, maximised over time and phase: for ten binaries of the domain, and --random\n"
    "others.\n"
    "\n"
    "  stemma waveform --q=2 --s1=0.5 --s2=-0.3 --from=-500 --to=100 --step=1 > wave.csv\n"
    "  stemma waveform --family=phenomd --q=2 --from=0.01 --to=0.1 --step=0.01\n"
    "  stemma waveform --compare\n";

// The default grid is one of times: where it was left alone, the other family gets its own.
void ChooseFamily(const std::string& family, models::WaveformRequest* request) {
  if (family != "phenomd") return;
  request->family = models::WaveformFamily::kPhenomD;
  const models::WaveformRequest given;
  if (request->from != given.from || request->to != given.to || request->step != given.step) return;
  request->from = .004;
  request->to = .2;
  request->step = .001;
}

}  // namespace

Result<int> RunWaveform(const Arguments& arguments) {
  models::WaveformRequest request;
  std::string family = "phenomt";
  bool compare = false;
  int64_t random = 40;
  Flags flags("waveform", "The (2,2) mode of IMRPhenomT for two black holes, as CSV.");
  flags.Choice("family", &family, {"phenomt", "phenomd"}, "IMRPhenomT, or IMRPhenomD to check it");
  flags.Number("q", &request.q, "Q", "mass ratio m1/m2, 1 to 8");
  flags.Number("s1", &request.s1, "S", "spin of the heavier one along the orbit, -0.8 to 0.8");
  flags.Number("s2", &request.s2, "S", "spin of the lighter one");
  flags.Text("times", &request.times_file, "FILE",
             "times in M (or frequencies), one per line; # begins a comment");
  flags.Number("from", &request.from, "T", "first time, in M; 0 is the peak");
  flags.Number("to", &request.to, "T", "end, not in it");
  flags.Number("step", &request.step, "T", "between samples");
  flags.Switch("compare", &compare, "print a table of one family against the other instead");
  flags.Integer("random", &random, "N", "with --compare: random binaries, 0 to 100000");
  flags.Notes(kNotes);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  if (random < 0 || random > 100000) {
    return Status(Code::kInvalidArgument,
                  "--random = " + std::to_string(random) + " must be 0 to 100000");
  }
  if (compare) {
    STEMMA_RETURN_IF_ERROR(models::PrintFamilyTable(std::cout, random));
    return 0;
  }
  ChooseFamily(family, &request);
  STEMMA_RETURN_IF_ERROR(models::PrintWaveformCsv(std::cout, request));
  std::cout.flush();
  return 0;
}

}  // namespace stemma::cli
