#include "models/aigw/waveform_csv.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "models/aigw/digits17.h"
#include "models/aigw/phenomd.h"
#include "models/aigw/phenomt.h"

namespace stemma::models {

namespace {

constexpr double kRowsMax = 1e8;
constexpr int64_t kRowBytesMax = 6 * (kDigits17Bytes + 1);  // numbers and what separates them
constexpr int64_t kBlockRows = 4096;
constexpr unsigned kThreadsMax = 8;

Result<double> ParseTime(const std::string& line) {
  char* end = nullptr;
  const double value = std::strtod(line.c_str(), &end);
  const bool rest_is_blank = line.find_first_not_of(" \t\r", end - line.c_str()) == line.npos;
  if (end == line.c_str() || !rest_is_blank || !std::isfinite(value)) {
    return Status(Code::kInvalidArgument, "'" + line + "' is no time; expected one number a line");
  }
  return value;
}

Result<std::vector<double>> ReadTimes(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  if (!file) {
    const Code code = errno == ENOENT ? Code::kNotFound : Code::kIo;
    return Status(code, "the file of times " + path + ": " + std::strerror(errno));
  }
  std::vector<double> times;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == line.npos || line[first] == '#') continue;
    Result<double> time = ParseTime(line);
    if (!time.ok()) return Status(time.status()).Within(path + ":" + std::to_string(number));
    times.push_back(*time);
  }
  if (file.bad()) return Status(Code::kIo, "the file of times " + path + " cannot be read");
  if (times.empty()) return Status(Code::kInvalidArgument, path + " has no times in it");
  return times;
}

Result<int64_t> RowsOf(const WaveformRequest& r) {
  if (!std::isfinite(r.from) || !std::isfinite(r.to) || r.to <= r.from) {
    return Status(Code::kInvalidArgument,
                  "--to = " + std::to_string(r.to) +
                      " must be greater than --from = " + std::to_string(r.from));
  }
  if (!(r.step > 0)) {
    return Status(Code::kInvalidArgument,
                  "--step = " + std::to_string(r.step) + " must be greater than 0");
  }
  // A hair less, so that (130 + 10000) / 0.1 gives 101300 rows and not one more.
  const double rows = std::ceil((r.to - r.from) / r.step * (1 - 1e-12));
  if (!(rows <= kRowsMax)) {
    return Status(Code::kInvalidArgument,
                  "--step = " + std::to_string(r.step) + " gives more than 100,000,000 rows");
  }
  return static_cast<int64_t>(rows);
}

char* PutNumber(char* at, double value, char after) {
  at = PutDigits17(at, value);
  *at = after;
  return at + 1;
}

char* PutRow(char* at, const PhenomT22& wave, double t) {
  const WaveSample h = wave.At(t);
  at = PutNumber(at, t, ',');
  at = PutNumber(at, h.amplitude, ',');
  at = PutNumber(at, h.omega, ',');
  at = PutNumber(at, h.phase, ',');
  at = PutNumber(at, h.amplitude * std::cos(h.phase), ',');
  return PutNumber(at, -h.amplitude * std::sin(h.phase), '\n');
}

char* PutRow(char* at, const PhenomD& wave, double f) {
  const double amplitude = wave.Amplitude(f), phase = wave.Phase(f);
  at = PutNumber(at, f, ',');
  at = PutNumber(at, amplitude, ',');
  at = PutNumber(at, phase, ',');
  at = PutNumber(at, amplitude * std::cos(phase), ',');
  return PutNumber(at, -amplitude * std::sin(phase), '\n');
}

// The times or frequencies of a request: a list, or a grid.
struct Abscissas {
  std::vector<double> list;
  double from = 0, step = 1;
  int64_t rows = 0;

  double At(int64_t i) const {
    return list.empty() ? from + static_cast<double>(i) * step : list[static_cast<size_t>(i)];
  }
};

Result<Abscissas> AbscissasOf(const WaveformRequest& request) {
  Abscissas x;
  if (request.times_file.empty()) {
    x.from = request.from;
    x.step = request.step;
    STEMMA_ASSIGN_OR_RETURN(x.rows, RowsOf(request));
  } else {
    STEMMA_ASSIGN_OR_RETURN(x.list, ReadTimes(request.times_file));
    x.rows = static_cast<int64_t>(x.list.size());
  }
  if (request.family == WaveformFamily::kPhenomD) {
    for (int64_t i = 0; i < x.rows; ++i) {
      if (x.At(i) > 0) continue;
      return Status(Code::kInvalidArgument,
                    "the frequency " + std::to_string(x.At(i)) + " must be greater than 0");
    }
  }
  return x;
}

template <typename Wave>
std::string RowsText(const Wave& wave, const Abscissas& x, int64_t first, int64_t rows) {
  std::string text(static_cast<size_t>(rows * kRowBytesMax), '\0');
  char* at = text.data();
  for (int64_t i = first; i < first + rows; ++i) at = PutRow(at, wave, x.At(i));
  text.resize(static_cast<size_t>(at - text.data()));
  return text;
}

// Blocks of rows side by side on the cores there are, written in order.
template <typename Wave>
Status PrintRows(std::ostream& out, const Wave& wave, const Abscissas& x) {
  const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1u, kThreadsMax);
  for (int64_t at = 0; at < x.rows && out;) {
    std::vector<std::future<std::string>> blocks;
    for (unsigned i = 0; i < cores && at < x.rows; ++i) {
      const int64_t count = std::min(kBlockRows, x.rows - at);
      const auto block = [&wave, &x, at, count] { return RowsText(wave, x, at, count); };
      // The last one of a round is this thread's own, so a short table starts no thread.
      const bool last = i + 1 == cores || at + count == x.rows;
      // Either: a thread, or, where none can be had, later and here.
      const auto either = std::launch::async | std::launch::deferred;
      blocks.push_back(std::async(last ? std::launch::deferred : either, block));
      at += count;
    }
    blocks.back().wait();
    for (std::future<std::string>& block : blocks) out << block.get();
  }
  if (!out.flush()) return {Code::kIo, "the waveform cannot be written"};
  return {};
}

}  // namespace

Status PrintWaveformCsv(std::ostream& out, const WaveformRequest& request) {
  if (request.family == WaveformFamily::kPhenomD) {
    STEMMA_ASSIGN_OR_RETURN(const PhenomD wave, PhenomD::Make(request.q, request.s1, request.s2));
    STEMMA_ASSIGN_OR_RETURN(const Abscissas frequencies, AbscissasOf(request));
    out << "f,amp,phase,re,im\n";
    return PrintRows(out, wave, frequencies);
  }
  STEMMA_ASSIGN_OR_RETURN(const PhenomT22 wave, PhenomT22::Make(request.q, request.s1, request.s2));
  STEMMA_ASSIGN_OR_RETURN(const Abscissas times, AbscissasOf(request));
  out << "t,amp,omega,phase,re,im\n";
  return PrintRows(out, wave, times);
}

}  // namespace stemma::models
