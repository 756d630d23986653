#include "models/train/progress.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/log.h"

namespace stemma::models {
namespace {

std::string LinkTarget(const std::string& path) {
  char target[4096];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : std::string();
}

bool EndsWith(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() &&
         text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

// The path of the terminal that people look at, or "" when there is none.
std::string Terminal() {
  const std::string parent = "/proc/" + std::to_string(getppid());
  const std::string program = LinkTarget(parent + "/exe");
  if (EndsWith(program, "orterun") || EndsWith(program, "prterun")) {
    const std::string out = LinkTarget(parent + "/fd/1");
    return out.rfind("/dev/pts/", 0) == 0 || out.rfind("/dev/tty", 0) == 0 ? out : "";
  }
  if (isatty(STDOUT_FILENO) == 0) return "";
  const char* name = ttyname(STDOUT_FILENO);
  return name != nullptr ? name : "/dev/tty";
}

int ColumnsOf(const std::string& terminal) {
  const int fd = open(terminal.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC);
  winsize size{};
  const bool known = fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  if (fd >= 0) close(fd);
  return known ? size.ws_col : 80;
}

void WriteWhole(const std::string& text) {
  const ssize_t ignored = write(STDOUT_FILENO, text.data(), text.size());
  static_cast<void>(ignored);
}

std::string Duration(double seconds) {
  char text[32];
  const auto s = static_cast<long>(seconds);
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%ldh%02ldm", s / 3600, s / 60 % 60);
  } else if (s >= 60) {
    std::snprintf(text, sizeof text, "%ldm%02lds", s / 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lds", s);
  }
  return text;
}

}  // namespace

ProgressStyle ChooseProgress(const std::string& asked) {
  if (asked == "off") return ProgressStyle::kOff;
  if (asked == "bar") return ProgressStyle::kBar;
  if (asked == "lines") return ProgressStyle::kLines;
  const char* term = std::getenv("TERM");
  const bool plain = std::getenv("NO_COLOR") != nullptr || std::getenv("CI") != nullptr ||
                     (term != nullptr && std::string(term) == "dumb");
  return plain || Terminal().empty() ? ProgressStyle::kLines : ProgressStyle::kBar;
}

std::string ProgressLine(const ProgressNumbers& n, double eta_s) {
  char text[256];
  std::snprintf(text, sizeof text,
                "step %lld/%lld  ep %.2f  loss %.4g  lr %.3g  %.0f samples/s  data %.0f%%  "
                "comm %.0f%%  save %.1f%%  eta %s",
                static_cast<long long>(n.step), static_cast<long long>(n.total), n.epoch, n.loss,
                n.lr, n.samples_per_s, 100 * n.data_share, 100 * n.comm_share, 100 * n.save_share,
                Duration(eta_s).c_str());
  return text;
}

Progress::Progress(ProgressStyle style, int64_t line_every)
    : style_(style), line_every_(line_every), start_(std::chrono::steady_clock::now()) {
  if (style_ == ProgressStyle::kBar) columns_ = ColumnsOf(Terminal());
}

Progress::~Progress() { Finish(); }

void Progress::Step(const ProgressNumbers& numbers) {
  using Seconds = std::chrono::duration<double>;
  if (style_ == ProgressStyle::kOff) return;
  const auto now = std::chrono::steady_clock::now();
  if (first_step_ < 0) {
    first_step_ = numbers.step - 1;
    start_ = now;
  }
  const auto done = static_cast<double>(numbers.step - first_step_);
  const double eta =
      Seconds(now - start_).count() / done * static_cast<double>(numbers.total - numbers.step);
  const bool last = numbers.step == numbers.total;
  if (style_ == ProgressStyle::kLines) {
    if (numbers.step % line_every_ == 0 || last) WriteWhole(ProgressLine(numbers, eta) + "\n");
  } else if (last || Seconds(now - last_draw_).count() > 0.1) {
    last_draw_ = now;
    DrawBar(numbers, ProgressLine(numbers, eta));
  }
}

void Progress::DrawBar(const ProgressNumbers& numbers, const std::string& line) {
  widest_ = std::max(widest_, static_cast<int>(line.size()));  // so that the bar stands still
  const int room = columns_ - widest_ - 4;
  std::string out = "\r\x1b[K";
  if (room >= 8) {
    const int width = room < 30 ? room : 30;
    const auto filled = static_cast<int>(static_cast<double>(width * numbers.step) /
                                         static_cast<double>(numbers.total));
    out += "[" + std::string(static_cast<size_t>(filled), '=') +
           std::string(static_cast<size_t>(width - filled), ' ') + "] ";
  }
  out += line.substr(0, static_cast<size_t>(columns_ > 1 ? columns_ - 1 : 1));
  WriteWhole(out);
  bar_drawn_ = true;
}

void Progress::Event(const std::string& text) {
  LogToFile(text);
  if (style_ == ProgressStyle::kOff) return;
  WriteWhole((bar_drawn_ ? "\r\x1b[K" : "") + text + "\n");
  bar_drawn_ = false;
}

void Progress::Finish() {
  if (bar_drawn_) WriteWhole("\n");
  bar_drawn_ = false;
}

}  // namespace stemma::models
