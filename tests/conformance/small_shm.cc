// Reduces buckets of 100 MB; small_shm_test.sh starts it where /dev/shm has 64 MB.
#include <cstdio>
#include <string>

#include "comm/world.h"
#include "core/exit_code.h"

namespace {

using stemma::DType;
using stemma::Status;
using stemma::comm::World;

Status Run(const std::string& backend) {
  constexpr int64_t kCount = 25'000'000;  // of f32
  stemma::comm::CommSettings settings;
  settings.backend = backend;
  STEMMA_ASSIGN_OR_RETURN(const auto world, World::Open(settings, {{"test", "small_shm"}}));
  {
    STEMMA_ASSIGN_OR_RETURN(const auto segment, world->data().Allocate(kCount * 4, "buckets"));
    auto* const values = static_cast<float*>(segment->data());
    for (int64_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(i % 1000 + world->rank());
    STEMMA_ASSIGN_OR_RETURN(auto work, world->data().AllReduce({values, kCount, DType::kF32}, {}));
    STEMMA_RETURN_IF_ERROR(work.Wait());
    const int64_t n = world->ranks();
    for (int64_t i = 0; i < kCount; ++i) {
      if (values[i] == static_cast<float>(n * (i % 1000) + n * (n - 1) / 2)) continue;
      return {stemma::Code::kInternal, "element " + std::to_string(i)};
    }
  }
  const std::string name(world->data().name());
  if (world->rank() == 0) std::printf("%s reduced 100 MB\n", name.c_str());
  return world->Close();
}

}  // namespace

int main(int, char** argv) {
  const Status status = Run(argv[1]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", CodeName(status.code()), status.message().c_str());
  return stemma::ExitCodeFor(status);
}
