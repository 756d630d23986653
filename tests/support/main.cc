// The main of every test that is one process.
#include <cstdlib>

#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

int main(int argc, char** argv) {
  Catch::Session session;
  if (int error = session.applyCommandLine(argc, argv); error != 0) return error;
  auto& config = session.configData();
  config.warnings = Catch::WarnAbout::NoTests;  // a filter that matches nothing is a failure
  const char* filter = std::getenv("TESTBRIDGE_TEST_ONLY");  // bazel test --test_filter=...
  if (filter != nullptr) config.testsOrTags = {filter};
  return session.run() == 0 ? 0 : 1;
}
