#include "core/log.h"

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using tests::HasCode;
using tests::IsOk;

std::vector<std::string> LinesOf(const std::string& path) {
  FlushLog();
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("an event is one line that a program can take apart", "[log]") {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/rank-3.log";
  CHECK_THAT(OpenLogFile(path), IsOk());
  SetLogRank(3);
  SetLogStep(1200);
  LogInfo("state committed", {{"id", "9f3c"}, {"write_ms", 840}, {"share", 0.1}, {"ok", true}});
  LogWarning("two\nlines", {{"why", "a \"b\"\nc"}, {"none", ""}});
  LogDebug("not at this level");
  LogToFile("saved", {{"id", "9f3c"}});
  const auto lines = LinesOf(path);
  REQUIRE(lines.size() == 3);
  CHECK(lines[2].substr(12) == " r03 I step=1200 saved id=9f3c");
  const std::regex first(R"(\d\d:\d\d:\d\d\.\d{3} r03 I step=1200 state committed )"
                         R"(id=9f3c write_ms=840 share=0.1 ok=true)");
  CHECK(std::regex_match(lines[0], first));
  const std::string second = " r03 W step=1200 two lines why=\"a \\\"b\\\" c\" none=\"\"";
  CHECK(lines[1].substr(12) == second);
}

TEST_CASE("ranks that are threads keep their own number and their lines whole", "[log]") {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/threads.log";
  CHECK_THAT(OpenLogFile(path), IsOk());
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([rank] {
      SetThreadLogRank(rank + 10);
      for (int i = 0; i < 50; ++i) LogInfo("tick", {{"rank", rank + 10}});
    });
  }
  for (std::thread& rank : ranks) rank.join();
  const auto lines = LinesOf(path);
  CHECK(lines.size() == 200);
  const std::regex whole(R"(\S+ r(\d\d) I step=\d+ tick rank=(\d\d))");
  for (const std::string& line : lines) {
    std::smatch match;
    REQUIRE(std::regex_match(line, match, whole));
    CHECK(match[1] == match[2]);
  }
}

TEST_CASE("a log file that cannot be opened is an error with its path", "[log]") {
  CHECK_THAT(OpenLogFile("/proc/no/rank.log"), HasCode(Code::kIo, "/proc/no/rank.log"));
}

}  // namespace
}  // namespace stemma
