#include "models/aigw/waveform_csv.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "models/aigw/phenomd.h"
#include "models/aigw/phenomt.h"

#include <catch2/catch.hpp>
#include "tests/support/status_matchers.h"

namespace stemma::models {
namespace {

using tests::HasCode;
using tests::IsOk;

std::string Write(const std::string& name, const std::string& text) {
  const char* folder = std::getenv("TEST_TMPDIR");
  const std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/" + name;
  std::ofstream(path) << text;
  return path;
}

WaveformRequest Request() {
  WaveformRequest request;
  request.q = 2;
  request.s1 = .5;
  request.s2 = -.3;
  return request;
}

std::vector<std::vector<double>> Rows(const std::string& csv) {
  std::istringstream in(csv);
  std::string line, field;
  std::getline(in, line);
  std::vector<std::vector<double>> rows;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    rows.emplace_back();
    while (std::getline(fields, field, ','))
      rows.back().push_back(std::strtod(field.c_str(), nullptr));
  }
  return rows;
}

TEST_CASE("waveform: the printed digits are the very doubles") {
  WaveformRequest request = Request();
  request.times_file = Write("times", "# in units of M\n-1000\n\n  # more\n  0\r\n1.5e1  \n");
  std::ostringstream out;
  REQUIRE_THAT(PrintWaveformCsv(out, request), IsOk());
  CHECK(out.str().substr(0, out.str().find('\n')) == "t,amp,omega,phase,re,im");
  const auto rows = Rows(out.str());
  const auto wave = PhenomT22::Make(2, .5, -.3);
  REQUIRE(rows.size() == 3);
  const double times[] = {-1000, 0, 15};
  for (size_t i = 0; i < 3; ++i) {
    const double t = times[i], a = wave->Amplitude(t), phase = wave->Phase(t);
    CHECK(rows[i] == std::vector<double>{t, a, wave->Omega(t), phase, a * std::cos(phase),
                                         -a * std::sin(phase)});
  }
  CHECK(rows[1][3] == 0);
}

TEST_CASE("waveform: the other family, at frequencies") {
  WaveformRequest request = Request();
  request.family = WaveformFamily::kPhenomD;
  request.from = .01;
  request.to = .05;
  request.step = .01;
  std::ostringstream out;
  REQUIRE_THAT(PrintWaveformCsv(out, request), IsOk());
  CHECK(out.str().substr(0, out.str().find('\n')) == "f,amp,phase,re,im");
  const auto rows = Rows(out.str());
  const auto wave = PhenomD::Make(2, .5, -.3);
  REQUIRE(rows.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    const double f = .01 + static_cast<double>(i) * .01, a = wave->Amplitude(f);
    const double phase = wave->Phase(f);
    CHECK(rows[i] == std::vector<double>{f, a, phase, a * std::cos(phase), -a * std::sin(phase)});
  }
  std::ostringstream nothing;
  request.from = 0;
  CHECK_THAT(PrintWaveformCsv(nothing, request),
             HasCode(Code::kInvalidArgument, "frequency 0.000000 must be greater than 0"));
  CHECK(nothing.str().empty());
}

TEST_CASE("waveform: a grid is half-open and has no row too many from rounding") {
  WaveformRequest request = Request();
  const auto times = [&](double from, double to, double step) {
    request.from = from;
    request.to = to;
    request.step = step;
    std::ostringstream out;
    REQUIRE_THAT(PrintWaveformCsv(out, request), IsOk());
    return Rows(out.str());
  };
  CHECK(times(-100, 100, 50).size() == 4);
  CHECK(times(-100, 100.5, 50).size() == 5);
  CHECK(times(0, .3, .1).size() == 3);
  CHECK(times(-1000, 130, .1).size() == 11300);
  CHECK(times(-100, 100, 50)[3][0] == 50);
}

TEST_CASE("waveform: bad input is refused before anything is printed, with file and line") {
  std::ostringstream out;
  WaveformRequest request = Request();
  request.q = 9;
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "q = 9 "));
  request = Request();
  request.times_file = Write("bad", "1\n# two\n3 4\n");
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "bad:3: '3 4'"));
  request.times_file = Write("inf", "inf\n");
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "inf:1:"));
  request.times_file = Write("empty", "# nothing\n");
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "no times"));
  request.times_file = "/nonexistent/times";
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kNotFound, "/nonexistent/times"));
  request = Request();
  request.step = 0;
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "--step = 0"));
  request.step = 1e-9;
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "100,000,000 rows"));
  request.step = 1;
  request.to = request.from;
  CHECK_THAT(PrintWaveformCsv(out, request), HasCode(Code::kInvalidArgument, "--to"));
  CHECK(out.str().empty());
}

TEST_CASE("waveform: a stream that takes no more is an error") {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  CHECK_THAT(PrintWaveformCsv(out, Request()), HasCode(Code::kIo, "cannot be written"));
}

}  // namespace
}  // namespace stemma::models
