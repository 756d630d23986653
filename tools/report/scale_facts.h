// What scale.json, beside a table of runs, says of them: the machine, versions and date, the input,
// the command lines, and how long the phases of a step were.
//
//   STEMMA_ASSIGN_OR_RETURN(ScaleFacts facts, ReadScaleFacts("stemma-scale/scale.json"));
//   facts.csv = "scale.csv";
//
// Read are: "input" and "machine", objects of texts; "commands" and "failures", lists of texts; of
// "counts" the first one's "mode"; of each in "points" its name "point", as in "r8-0" for 8 ranks,
// and the seconds "input_wait_s", "forward_s", "backward_s", "exposed_comm_s", "optimizer_s" and
// "capture_s", of which the repeats' medians are taken. Other keys are ignored; a missing key is no
// facts. Failure: kNotFound; kInvalidArgument for what is no JSON object.
#pragma once

#include <string>

#include "core/status.h"
#include "tools/report/scale_page.h"

namespace stemma::report {

Result<ScaleFacts> ReadScaleFacts(const std::string& path);
Result<ScaleFacts> ParseScaleFacts(const std::string& text, const std::string& name);

}  // namespace stemma::report
