#include <cstdlib>
#include <string>

#include "comm/gpu.h"
#include "comm/world.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {
using tests::HasCode;

// Runs in both builds and wherever no GPU is visible: CUDA_VISIBLE_DEVICES hides what there is.
TEST_CASE("a GPU that cannot be had is refused with what to do", "[gpu]") {
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  CommSettings settings;
  settings.device = "cuda";
  const Status found = World::Open(settings, {}).status();
  CHECK_THAT(found, HasCode(Code::kInvalidArgument, "device.kind=cpu"));
#ifdef STEMMA_CUDA
  CHECK_THAT(found, HasCode(Code::kInvalidArgument, "device.kind=cuda: no GPU here: cudaGet"));
  CHECK_THAT(TakeGpu(0).status(), HasCode(Code::kInvalidArgument, "install a driver"));
#else
  CHECK_THAT(found,
             HasCode(Code::kInvalidArgument, "built without CUDA: build with --config=cuda"));
#endif
}

}  // namespace
}  // namespace stemma::comm
