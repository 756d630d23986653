#include "comm/layout.h"

#include "comm/hierarchical_communicator.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {
using tests::HasCode;

TEST_CASE("a list of nodes is read, put in order and written", "[layout]") {
  const Result<Layout> layout = ParseLayout("3,1|2,0,4", 5);
  REQUIRE(layout.ok());
  CHECK(layout->Text() == "0,2,4|1,3");
  CHECK(layout->NodeOf(3) == 1);
  CHECK(layout->PlaceOf(3) == 1);
  CHECK(layout->PlaceOf(4) == 2);
  CHECK(layout->SmallestNode() == 2);
  CHECK_FALSE(layout->InRankOrder());
  CHECK(ParseLayout("2|0,1", 3)->InRankOrder());  // nodes are ordered by their lowest ranks
}

TEST_CASE("nodes of other sizes do not let an owner's memory grow", "[layout]") {
  const auto walk = [](const std::string& text, int ranks) {
    return HierarchicalCommunicator::ElementsPerWalk(*ParseLayout(text, ranks), 4);
  };
  constexpr int64_t kAll = HierarchicalCommunicator::kSegmentBytesMax / 4;
  CHECK(walk("0,1|2,3", 4) == kAll);  // two owners, each with two halves
  CHECK(walk("0,1,2|3,4", 5) == kAll / 2);
  CHECK(walk("0|1,2,3,4", 5) == kAll / 4);  // one owner with all of four ranks
  CHECK(ParseLayout("0|1,2,3,4", 5)->LargestNode() == 4);
}

TEST_CASE("a list that leaves a rank out, or names one twice, is refused", "[layout]") {
  const auto refused = [](const std::string& text, const std::string& why) {
    const std::string way_out = "write the ranks of each node with commas";
    CHECK_THAT(ParseLayout(text, 4).status(), HasCode(Code::kInvalidArgument, why));
    CHECK_THAT(ParseLayout(text, 4).status(), HasCode(Code::kInvalidArgument, way_out));
  };
  refused("0,1|2", "rank 3 is not named");
  refused("0,1|1,2,3", "rank 1 is named twice");
  refused("0,1|2,3,4", "rank 4 is none of the ranks 0 to 3");
  refused("0,1|2,x", "'x' is no rank");
  refused("0,1||2,3", "'' is no rank");
  refused("", "is no rank");
}

TEST_CASE("nodes of so many neighbours; the last has what is left", "[layout]") {
  CHECK(EqualNodes(5, 2).Text() == "0,1|2,3|4");
  CHECK(EqualNodes(2, 8).Text() == "0,1");
  CHECK(EqualNodes(5, 2).SmallestNode() == 1);
  CHECK(EqualNodes(5, 2).InRankOrder());
}

TEST_CASE("ranks with the same key share a node", "[layout]") {
  CHECK(LayoutOf({"7", "0", "7", "0"}).Text() == "0,2|1,3");
  CHECK(LayoutOf({"b", "b", "a"}).Text() == "0,1|2");
}

}  // namespace
}  // namespace stemma::comm
