#include "ops/reducer.h"

#include <malloc.h>

#include <utility>

#include "core/cohort.h"
#include "core/digest.h"
#include "ops/compress.h"
#include "ops/flat_model.h"
#include "ops/flat_reducer.h"
#include "ops/guard.h"
#include "ops/handshake.h"
#include "ops/model.h"

namespace stemma::ops {
namespace {

// What this rank can do alone; the ranks agree on the outcome.
Status Prepare(const OpsSettings& settings, const comm::World& world,
               std::vector<Parameter> parameters, std::vector<Buffer> buffers, Model* model,
               Plan* plan) {
  return Guard("Reducer::Create", [&]() -> Status {
    STEMMA_ASSIGN_OR_RETURN(*model, CheckModel(world, std::move(parameters), std::move(buffers)));
    STEMMA_ASSIGN_OR_RETURN(*plan, MakePlan(InfosOf(model->parameters), settings, world.ranks()));
    return {};
  });
}

// glibc keeps up to 64 MB of what was freed.
void ReturnFreedMemory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

}  // namespace

Status Reducer::GatherSums(const at::Tensor&, const std::vector<int64_t>&, const at::Tensor&) {
  return {Code::kInternal, "GatherSums: nothing is sharded"};
}

void Reducer::Abandon(const StepShape&) { Abandon(); }

Result<std::unique_ptr<FlatModel>> MakeFlatModel(const OpsSettings& settings, comm::World& world,
                                                 std::vector<Parameter> parameters,
                                                 std::vector<Buffer> buffers) {
  Cohort& cohort = world.cohort();
  Model model;
  Plan plan;
  STEMMA_RETURN_IF_ERROR(Agree(
      cohort, Prepare(settings, world, std::move(parameters), std::move(buffers), &model, &plan)));
  STEMMA_RETURN_IF_ERROR(CompareModels(cohort, DescriptionOf(settings, model)));
  STEMMA_RETURN_IF_ERROR(CompareDigests(cohort, Xxh64(plan.digest), "plans"));

  auto flat = std::make_unique<FlatModel>(world, std::move(plan), std::move(model));
  STEMMA_RETURN_IF_ERROR(Agree(cohort, flat->Move()));
  STEMMA_RETURN_IF_ERROR(Agree(cohort, flat->Broadcast()));
  ReturnFreedMemory();  // what the parameters lay in before
  uint64_t digest = 0;
  STEMMA_RETURN_IF_ERROR(Agree(cohort, Guard("digest", [&]() -> Status {
                                 digest = flat->Digest();
                                 return {};
                               })));
  STEMMA_RETURN_IF_ERROR(
      CompareDigests(cohort, digest, "parameters and buffers after the broadcast"));
  return flat;
}

Result<std::unique_ptr<Reducer>> Reducer::Create(const OpsSettings& settings, comm::World& world,
                                                 std::vector<Parameter> parameters,
                                                 std::vector<Buffer> buffers) {
  STEMMA_ASSIGN_OR_RETURN(
      auto flat, MakeFlatModel(settings, world, std::move(parameters), std::move(buffers)));
  auto hook = MakeCompression(settings.compress);  // the name was checked with the plan
  STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), hook.status()));
  auto reducer = std::make_unique<FlatReducer>(settings, world, std::move(flat), *std::move(hook));
  STEMMA_RETURN_IF_ERROR(Agree(world.cohort(), reducer->Start()));
  return std::unique_ptr<Reducer>(std::move(reducer));
}

}  // namespace stemma::ops
