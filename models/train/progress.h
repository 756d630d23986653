// What rank 0 shows while it trains: a bar that redraws one line on a terminal, or whole lines in a
// pipe, a log file or under a scheduler.
//
// mpirun gives its ranks a pseudo-terminal of its own, so isatty() says yes for a file and a pipe,
// and the width is 0. What tells the truth is mpirun's own standard output: when our parent is
// orterun or prterun, /proc/<parent>/fd/1 names a terminal, a pipe or a file.
//
// Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace stemma::models {

enum class ProgressStyle { kOff, kLines, kBar };

// `asked` is "auto", "bar", "lines" or "off". auto is a bar only on a real terminal, and never with
// NO_COLOR, CI or TERM=dumb set.
ProgressStyle ChooseProgress(const std::string& asked);

struct ProgressNumbers {
  int64_t step = 0, total = 0;
  double epoch = 0, loss = 0, lr = 0, grad_norm = 0;
  double samples_per_s = 0;
  double data_share = 0, comm_share = 0, save_share = 0;  // of the step's time
};

// "step 1200/14076  ep 7.67  loss 2.914  lr 1.60  1523 samples/s  data 1%  comm 4%  save 0.1%  eta
// 19h12m"
std::string ProgressLine(const ProgressNumbers& numbers, double eta_s);

class Progress {
 public:
  explicit Progress(ProgressStyle style, int64_t line_every);
  ~Progress();
  void Step(const ProgressNumbers& numbers);
  // A line of its own, above the bar where there is one: events such as a durable state. It goes to
  // the rank's log as well, in every style.
  void Event(const std::string& text);
  void Finish();  // ends a bar's line

 private:
  void DrawBar(const ProgressNumbers& numbers, const std::string& line);
  ProgressStyle style_;
  int64_t line_every_;
  int columns_ = 80, widest_ = 0;
  bool bar_drawn_ = false;
  int64_t first_step_ = -1;
  std::chrono::steady_clock::time_point start_, last_draw_{};
};

}  // namespace stemma::models
