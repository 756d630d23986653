// The main of every test that is one process.
#include <cstdlib>

#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include "tests/support/conformance_report.h"

namespace {

struct RowListener : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const bool passed = stats.totals.assertions.failed == 0;
    stemma::tests::ReportCase(stats.testInfo.name, passed, "process", 1);
  }
};

}  // namespace

CATCH_REGISTER_LISTENER(RowListener)

int main(int argc, char** argv) {
  Catch::Session session;
  if (int error = session.applyCommandLine(argc, argv); error != 0) return error;
  auto& config = session.configData();
  config.warnings = Catch::WarnAbout::NoTests;  // a filter that matches nothing is a failure
  const char* filter = std::getenv("TESTBRIDGE_TEST_ONLY");  // bazel test --test_filter=...
  if (filter != nullptr) config.testsOrTags = {filter};
  return session.run() == 0 ? 0 : 1;
}
