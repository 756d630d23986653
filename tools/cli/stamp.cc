// Compiled by bazel at each link of a program with stamp = 1, and only then: that link's status
// (tools/workspace/status.sh) is included ahead of it.
namespace stemma::cli {

#ifndef STEMMA_COMMIT
#define STEMMA_COMMIT "unknown"
#endif

const char* BuildCommit();
const char* BuildCommit() { return STEMMA_COMMIT; }

}  // namespace stemma::cli
