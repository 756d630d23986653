// A child process whose output goes into a file: how a point of a series is run. It is started in a
// process group of its own, so that a hung launcher is ended with everything that it started, and
// it is ended too when this process dies.
//
//   const ChildEnd end = RunChild({"mpirun", "-n", "2", "stemma", ...}, "points/r2-0/log", 3600);
//   if (!end.status.ok()) ...      the command, what ended it, and its last lines
//
// No shell takes part: words arrive as they are. Thread: any, but the child dies with the thread
// that started it. Failure: kIo when it cannot be started or its file not be written, kTimeout,
// kInternal for another end than 0.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace stemma::scale {

struct ChildEnd {
  Status status;
  double seconds = 0;
};

// Waits. `limit_s` ends the group by SIGTERM and, ten seconds later, by SIGKILL.
ChildEnd RunChild(const std::vector<std::string>& words, const std::string& log_path,
                  double limit_s);

// As a person would type it: words with blanks or signs of the shell in quotes.
std::string CommandLine(const std::vector<std::string>& words);

// The last lines of a file, each indented; "" when there is none.
std::string LastLines(const std::string& path, size_t count);

}  // namespace stemma::scale
