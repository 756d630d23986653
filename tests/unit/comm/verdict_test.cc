#include "comm/verdict.h"

#include <catch2/catch.hpp>

namespace stemma::comm {
namespace {

constexpr int64_t kSecond = 1000000000;

RankView At(int rank, Phase phase, uint64_t last_call, int64_t since_s = 100) {
  RankView view;
  view.host.presence = Presence::kHere;
  view.host.rank = rank;
  view.host.pid = 100 + rank;
  view.host.host = "n" + std::to_string(rank / 2);
  view.host.phase = phase;
  view.read_ns = 1000 * kSecond;
  view.host.since_ns = view.read_ns - since_s * kSecond;
  view.host.finished_step = 1200;
  view.host.last_call = last_call;
  return view;
}

RankView InCall(int rank, uint64_t call, const std::string& what = "bucket 4 (a .. b)",
                uint64_t bytes = 9100000) {
  RankView view = At(rank, Phase::kWait, call);
  view.pending.sequence = call;
  view.pending.kind = CallKind::kAllReduce;
  view.pending.bytes = bytes;
  view.pending.what = what;
  return view;
}

TEST_CASE("conformance_70 the verdict names the rank that is late and what it does", "[verdict]") {
  const Finding found =
      Judge({InCall(2, 70), InCall(0, 70), At(3, Phase::kData, 69, 119), InCall(1, 70)},
            "no progress for 120 s");
  CHECK(found.culprit == 3);
  CHECK(found.cause == "rank 3's input; it has not made call 70, which the others wait for");
  CHECK(found.text ==
        "no progress for 120 s at step 1201\n"
        "  ranks {0,1,2}  wait in bucket 4 (a .. b), 9.10 MB since 100 s\n"
        "  rank {3}       n1 pid 103: last finished step 1200, in data.Next() since 119 s\n"
        "likely cause: rank 3's input; it has not made call 70, which the others wait for\n");
}

TEST_CASE("a dead rank explains everything else", "[verdict]") {
  std::vector<RankView> views = {InCall(0, 70), At(1, Phase::kData, 60), InCall(2, 69)};
  views[2].life = Life::kGone;
  const Finding found = Judge(views, "a rank is gone");
  CHECK(found.culprit == 2);
  CHECK(found.cause.find(
            "rank 2 is gone (n1 pid 102), killed or crashed while waits in bucket 4") == 0);
  views[2].life = Life::kAlive;
  views[0].life = Life::kStopped;
  CHECK(Judge(views, "x").cause == "rank 0 is stopped (n0 pid 100), by SIGSTOP or a debugger");
  views[0].life = Life::kAbsent;
  CHECK(Judge(views, "x").cause == "rank 0 never came");
  views[0].life = Life::kLeft;
  CHECK(Judge(views, "x").cause == "rank 0 ended while others go on");
}

TEST_CASE("the lowest sequence number is late, also when it waits elsewhere", "[verdict]") {
  const Finding found = Judge({InCall(0, 70), At(1, Phase::kControl, 68)}, "x");
  CHECK(found.culprit == 1);
  CHECK(found.cause ==
        "rank 1, which waits for the control word or the loss of the others; it has not made call "
        "69, which the others wait for");
}

TEST_CASE("ranks that wait in the same bucket of other steps are told apart", "[verdict]") {
  std::vector<RankView> views = {InCall(0, 70), InCall(1, 75)};
  views[1].host.finished_step = 1201;
  const Finding found = Judge(views, "x");
  CHECK(found.culprit == 0);
  CHECK(found.text.find("rank {0}  waits in bucket 4 (a .. b), 9.10 MB of step 1201 since") !=
        std::string::npos);
  CHECK(found.text.find("rank {1}  waits in bucket 4 (a .. b), 9.10 MB of step 1202 since") !=
        std::string::npos);
}

TEST_CASE("the same call with other contents is a mismatch", "[verdict]") {
  const Finding found = Judge({InCall(0, 70), InCall(1, 70, "bucket 5 (c .. d)", 4)}, "x");
  CHECK(found.culprit == -1);
  CHECK(found.cause ==
        "the ranks made different calls: rank {1} all_reduce of bucket 5 (c .. d), 4 B; rank {0} "
        "all_reduce of bucket 4 (a .. b), 9.10 MB");
  CHECK(found.remedy.find("the same calls in the same order") != std::string::npos);
}

TEST_CASE("whoever works by itself keeps the others waiting", "[verdict]") {
  const Finding found = Judge(
      {At(0, Phase::kControl, 70), At(1, Phase::kOptimizer, 70), At(2, Phase::kControl, 70)}, "x");
  CHECK(found.culprit == 1);
  CHECK(found.cause == "rank 1's optimizer; the others wait");
  CHECK(found.remedy.find("diagnose.abort_s") != std::string::npos);
}

TEST_CASE("when all have come to the same call it is the transport", "[verdict]") {
  const Finding found = Judge({InCall(0, 70), InCall(1, 70)}, "x");
  CHECK(found.culprit == -1);
  CHECK(found.cause.find("the transport: every rank has come and waits in bucket 4") == 0);
}

TEST_CASE("nobody waits: a long step, with the setting that allows it", "[verdict]") {
  const Finding found = Judge({At(0, Phase::kForward, 70), At(1, Phase::kForward, 70)}, "x");
  CHECK(found.culprit == -1);
  CHECK(found.cause ==
        "ranks {0,1} in forward: no rank waits for another, a long step or a loop without end");
  CHECK(found.remedy.find("raise diagnose.abort_s (0: never)") != std::string::npos);
  CHECK(Judge({At(0, Phase::kData, 7)}, "x").culprit == 0);
}

TEST_CASE("what a node cannot see it does not claim", "[verdict]") {
  const Finding waits = Judge({InCall(0, 70), InCall(1, 70)}, "x", true);
  CHECK(waits.all_wait);
  CHECK(waits.cause ==
        "the transport, or a rank of another node: every rank of this node has come and waits in "
        "bucket 4 (a .. b), 9.10 MB; no rank is late");
  const Finding works = Judge({At(2, Phase::kData, 69), At(3, Phase::kData, 69)}, "x", true);
  CHECK_FALSE(works.all_wait);
  CHECK(works.cause ==
        "ranks {2,3} in data.Next(): no rank of this node waits for another, a long step or a loop "
        "without end");
}

TEST_CASE("who waits in a call of a group is not to blame", "[verdict]") {
  RankView in_group = At(0, Phase::kForward, 69, 110);
  in_group.host.group_call = "all_gather of a group of 2, the split head";
  in_group.host.group_since_ns = in_group.read_ns - 90 * kSecond;
  const Finding found = Judge({in_group, At(1, Phase::kData, 69), InCall(2, 70)}, "x");
  CHECK(found.cause == "rank 1's input; it has not made call 70, which the others wait for");
  CHECK(
      found.text.find("rank {0}  waits in all_gather of a group of 2, the split head since 90 s") !=
      std::string::npos);
  in_group.host.last_call = 70;
  CHECK(Judge({in_group, At(1, Phase::kForward, 70)}, "x").culprit == 1);
}

TEST_CASE("many ranks fit on one screen", "[verdict]") {
  std::vector<RankView> views;
  for (int rank = 0; rank < 100; ++rank) {
    views.push_back(rank < 60 ? InCall(rank, 70) : At(rank, Phase::kData, 69));
  }
  const Finding found = Judge(views, "x");
  CHECK(found.text.find("ranks {0-59}  wait in bucket 4") != std::string::npos);
  CHECK(found.text.find("and 29 more") != std::string::npos);
  CHECK(found.cause.find("ranks {60-99}'s input") == 0);
}

}  // namespace
}  // namespace stemma::comm
