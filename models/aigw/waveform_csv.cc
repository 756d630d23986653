#include "models/aigw/waveform_csv.h"

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <utility>
#include <vector>

#include "models/aigw/phenomt.h"

namespace stemma::models {

namespace {

constexpr double kRowsMax = 1e8;

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

void PrintRow(std::ostream& out, const PhenomT22& wave, double t) {
  const double amplitude = wave.Amplitude(t), phase = wave.Phase(t);
  char row[200];
  const int size = std::snprintf(row, sizeof row, "%.17g,%.17g,%.17g,%.17g,%.17g,%.17g\n", t,
                                 amplitude, wave.Omega(t), phase, amplitude * std::cos(phase),
                                 -amplitude * std::sin(phase));
  out.write(row, size);
}

}  // namespace

Status PrintWaveformCsv(std::ostream& out, const WaveformRequest& request) {
  STEMMA_ASSIGN_OR_RETURN(const PhenomT22 wave, PhenomT22::Make(request.q, request.s1, request.s2));
  std::function<double(int64_t)> time;
  int64_t rows = 0;
  if (request.times_file.empty()) {
    STEMMA_ASSIGN_OR_RETURN(rows, RowsOf(request));
    time = [&](int64_t i) { return request.from + static_cast<double>(i) * request.step; };
  } else {
    STEMMA_ASSIGN_OR_RETURN(std::vector<double> times, ReadTimes(request.times_file));
    rows = static_cast<int64_t>(times.size());
    time = [times = std::move(times)](int64_t i) { return times[static_cast<size_t>(i)]; };
  }
  out << "t,amp,omega,phase,re,im\n";
  for (int64_t i = 0; i < rows && out; ++i) PrintRow(out, wave, time(i));
  if (!out.flush()) return {Code::kIo, "the waveform cannot be written"};
  return {};
}

}  // namespace stemma::models
