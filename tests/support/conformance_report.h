// Tells the table of conformance rows (tests/conformance/table.py) what a test case named
// conformance_NN_what has run on. At the end of the case the main of the tests prints one line for
// each note:
//
//   conformance row 09 conformance_09_sums_are_exact threads 3 pass
//
// A name may begin with several numbers, for a case that proves several rows at once. A case
// without notes is one line for its process or processes. Thread: the test case's.
#pragma once

#include <string>
#include <string_view>

namespace stemma::tests {

// Inside a test case: it has run on `backend` with `ranks` ranks. 0 ranks: it has nothing to do
// here, and says nothing.
void RanOn(std::string_view backend, int ranks, bool passed = true);

// For the mains. Prints and forgets the notes of a case that is no conformance row, too. Where an
// assertion failed and no note did, all of them count as failed.
void ReportCase(const std::string& name, bool passed, std::string_view backend, int ranks);

}  // namespace stemma::tests
