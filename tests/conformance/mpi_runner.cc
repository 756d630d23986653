// Rows with ranks as processes.
#include <mpi.h>

#include <utility>

#include "tests/conformance/row.h"

#include "tests/support/conformance_report.h"
#include "tests/support/status_matchers.h"

namespace stemma::tests {
namespace {

// Beside the worlds under test.
MPI_Comm Meeting() {
  static MPI_Comm meeting = [] {
    MPI_Comm made = MPI_COMM_NULL;
    MPI_Comm_dup(MPI_COMM_WORLD, &made);
    return made;
  }();
  return meeting;
}

class MpiRig final : public Rig {
 public:
  explicit MpiRig(std::string backend) : backend_(std::move(backend)) {
    MPI_Comm_rank(Meeting(), &rank_);
    MPI_Comm_size(Meeting(), &ranks_);
  }
  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  const std::string& backend() const override { return backend_; }
  int Worst(int mine) override {
    int worst = mine;
    MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, Meeting());
    return worst;
  }

 protected:
  Result<std::unique_ptr<comm::World>> Open(comm::CommSettings settings) override {
    settings.backend = backend_;
    // Two nodes of one or two ranks, where there are ranks for it.
    if (backend_ == "hierarchical") settings.ranks_per_node = (ranks_ + 1) / 2;
    return comm::World::Open(settings, {{"test", "conformance"}});
  }

 private:
  const std::string backend_;
  int rank_ = 0, ranks_ = 1;
};

}  // namespace

void RunRow(const char* name, RowBody body, int min_ranks) {
  for (const char* backend : {"mpi", "node-shared", "hierarchical"}) {
    MpiRig rig(backend);
    if (rig.ranks() < min_ranks) {
      RanOn(backend, 0);
      continue;
    }
    Status result = rig.Reopen(Rig::Patient());
    if (result.ok()) result = body(rig);
    const bool passed = rig.Worst(result.ok() ? 0 : 1) == 0;
    rig.End();
    INFO(name << " on " << backend << ", rank " << rig.rank() << " of " << rig.ranks());
    CHECK_THAT(result, IsOk());
    RanOn(backend, rig.ranks(), passed);
    if (!passed) return;  // the ranks are not in step any more
  }
}

}  // namespace stemma::tests
