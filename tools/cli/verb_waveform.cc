#include <iostream>

#include "models/aigw/waveform_csv.h"
#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {

Result<int> RunWaveform(const Arguments& arguments) {
  models::WaveformRequest request;
  Flags flags("waveform", "The (2,2) mode of IMRPhenomT for two black holes, as CSV.");
  flags.Number("q", &request.q, "Q", "mass ratio m1/m2, 1 to 8");
  flags.Number("s1", &request.s1, "S", "spin of the heavier one along the orbit, -0.8 to 0.8");
  flags.Number("s2", &request.s2, "S", "spin of the lighter one");
  flags.Text("times", &request.times_file, "FILE", "times in M, one per line; # begins a comment");
  flags.Number("from", &request.from, "T", "first time, in M; 0 is the peak");
  flags.Number("to", &request.to, "T", "end, not in it");
  flags.Number("step", &request.step, "T", "between samples");
  flags.Notes(
      "Columns: time in units of the total mass, amplitude r|h22|/M, angular frequency, phase (0 "
      "at\n"
      "t = 0), real and imaginary part of A exp(-i phase); 17 digits, so that reading gives the "
      "same\n"
      "bits.\n"
      "\n"
      "  stemma waveform --q=2 --s1=0.5 --s2=-0.3 --from=-500 --to=100 --step=1 > wave.csv\n");
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(models::PrintWaveformCsv(std::cout, request));
  std::cout.flush();
  return 0;
}

}  // namespace stemma::cli
