#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/settings.h"
#include "comm/world.h"
#include "comm/world_group.h"

#include "tests/support/promise.h"
#include "tests/support/world_contract.h"

namespace stemma::tests {

// Even and odd ranks at the same time, each in a world of its own that keeps a world's promises.
// The group's words are read with the world's own between them.
inline Status GroupsAreWorlds(comm::World& whole, const comm::CommSettings& settings) {
  std::vector<int> even, odd;
  for (int r = 0; r < whole.ranks(); ++r) (r % 2 == 0 ? even : odd).push_back(r);
  std::vector<std::vector<int>> groups = {even};
  if (!odd.empty()) groups.push_back(odd);
  STEMMA_ASSIGN_OR_RETURN(const std::unique_ptr<comm::World> group,
                          comm::SplitWorld(whole, groups, settings));
  const std::vector<int>& members = whole.rank() % 2 == 0 ? even : odd;
  if (group->rank() != whole.rank() / 2) return Broken("places in a group");
  if (group->ranks() != static_cast<int>(members.size())) return Broken("size of a group");
  if (group->description() != RanksText(members) + " of " + whole.description()) {
    return Broken("a group says of which world it is: " + group->description());
  }
  float sum = 1;
  STEMMA_ASSIGN_OR_RETURN(comm::Work work, group->data().AllReduce({&sum, 1, DType::kF32}, {}));
  STEMMA_RETURN_IF_ERROR(work.Wait());
  if (sum != static_cast<float>(members.size())) return Broken("a group sums over its ranks");
  STEMMA_RETURN_IF_ERROR(CohortExchanges(group->cohort()));
  STEMMA_RETURN_IF_ERROR(Agree(whole.cohort(), {}));
  STEMMA_RETURN_IF_ERROR(ControlWordCarriesFlags(group->control(), group->rank(), group->ranks()));
  if (group->Subset({0}).status().code() != Code::kInvalidArgument) {
    return Broken("a group is not divided further");
  }
  return group->Close();
}

}  // namespace stemma::tests
