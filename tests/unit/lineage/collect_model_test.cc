#include <iostream>
#include <string>
#include <vector>

#include "tests/unit/lineage/collect_search.h"

#include <catch2/catch.hpp>

// Danger: an interleaving, a death or a stale view in which the collector takes bytes that somebody
// was promised. All of them are tried; and each rule of the protocol is taken away once, to see
// that the search would have found what the rule prevents.

namespace stemma::lineage::collect_model {
namespace {

using F = ForkerStep;

Cast Take(int forkers, int collectors) {
  Cast cast;
  cast.forkers = forkers;
  cast.collectors = collectors;
  return cast;
}

Cast Stale(Cast cast) {
  cast.stale = true;
  return cast;
}

Cast WithWriter(Cast cast) {
  cast.writer = true;
  return cast;
}

Cast WithRestorer(Cast cast) {
  cast.restorer = true;
  return cast;
}

Cast WritesAgain(Cast cast) {
  cast.writer = cast.writes_again = true;
  return cast;
}

Cast Undeletes(Cast cast) {
  cast.second_undeletes = true;
  return cast;
}

std::string Lines(const std::vector<std::string>& trace) {
  std::string text;
  for (const std::string& step : trace) text += "    " + step + "\n";
  return text;
}

void Holds(const char* name, const Rules& rules, const Cast& cast, bool only_i1 = false) {
  const Found found = Explore(rules, cast, only_i1);
  INFO(name << ": " << found.broken << "\n" << Lines(found.trace));
  CHECK(found.broken.empty());
  CHECK(found.complete);
  CHECK(found.states > 400);
  std::cout << name << ": holds in all " << found.states << " states, " << found.steps
            << " steps\n";
}

// `which`: how the message of the invariant begins.
void Loses(const char* name, const Rules& rules, const Cast& cast, const std::string& which,
           bool only_i1 = false) {
  const Found found = Explore(rules, cast, only_i1);
  std::cout << name << ": " << found.broken << ", after " << found.trace.size() << " steps ("
            << found.states << " states)\n"
            << Lines(found.trace);
  INFO(name);
  CHECK(found.broken.substr(0, 2) == which);
  CHECK_FALSE(found.trace.empty());
}

}  // namespace

TEST_CASE("the protocol keeps what it promised, on a disk that shows what is") {
  const Rules rules;
  Holds("1 forker, 1 collector", rules, Take(1, 1));
  Holds("1 forker, 2 collectors", rules, Take(1, 2));
  Holds("2 forkers, 2 collectors", rules, Take(2, 2));
  Holds("2 forkers, 1 collector, writer, restorer", rules, WithRestorer(WithWriter(Take(2, 1))));
  Holds("1 forker, 2 collectors, writer, restorer", rules, WithRestorer(WithWriter(Take(1, 2))));
  Holds("1 forker, 2 collectors, content again", rules, WritesAgain(Take(1, 2)));
  Holds("1 forker, 1 undelete, 2 collectors", rules, Undeletes(Take(2, 2)));
}

TEST_CASE("the protocol keeps what it promised where views are stale, with G = 3A") {
  const Rules rules;
  Holds("stale: 1 forker, 1 collector", rules, Stale(Take(1, 1)));
  Holds("stale: 1 forker, 2 collectors", rules, Stale(Take(1, 2)));
  Holds("stale: 1 forker, 1 collector, writer, restorer", rules,
        Stale(WithRestorer(WithWriter(Take(1, 1)))));
  Holds("stale: 1 forker, 1 collector, content again", rules, Stale(WritesAgain(Take(1, 1))));
}

TEST_CASE("the intent carries the safety, the lease saves work") {
  Rules rules;
  rules.forker = {F::kCheck, F::kIntent, F::kVerify, F::kRecord, F::kAcknowledge};
  Holds("no lease: 1 forker, 2 collectors", rules, Take(1, 2));
  rules.forker = {F::kLease, F::kCheck, F::kRecord, F::kAcknowledge, F::kDropLease};
  rules.lease_expires = false;
  Holds("no intent, but a lease that outlives everything", rules, Take(1, 1));
}

TEST_CASE("without re-marks a fork between mark and trash loses its pack") {
  Rules rules;
  rules.first_mark = rules.second_mark = false;
  Loses("no re-mark", rules, Take(1, 1), "I3");
  Loses("no re-mark, asked for I1", rules, Take(1, 1), "I1", true);
  rules.first_mark = true;
  Loses("no re-mark after the grace, stale views", rules, Stale(Take(1, 1)), "I1", true);
}

TEST_CASE("a lease instead of intent and verify is not enough") {
  Rules rules;
  rules.forker = {F::kCheck, F::kLease, F::kRecord, F::kAcknowledge, F::kDropLease};
  rules.lease_expires = false;
  Loses("lease after the check, no verify", rules, Take(1, 1), "I2");
  Loses("lease after the check, no verify, asked for I1", rules, Take(1, 1), "I1", true);
  rules.forker = {F::kLease, F::kCheck, F::kRecord, F::kAcknowledge, F::kDropLease};
  rules.lease_expires = true;
  Loses("the lease may expire, no verify, asked for I1", rules, Take(1, 1), "I1", true);
}

TEST_CASE("a record before the verify keeps what was acknowledged, but not what is durable") {
  Rules rules;
  rules.forker = {F::kLease, F::kCheck, F::kRecord, F::kVerify, F::kAcknowledge, F::kDropLease};
  Holds("record before verify, asked for I1", rules, Take(1, 2), true);
  Loses("record before verify", rules, Take(1, 1), "I2");
}

TEST_CASE("an intent must be verified after it was written") {
  Rules rules;
  rules.forker = {F::kLease, F::kCheck, F::kIntent, F::kRecord, F::kAcknowledge, F::kDropLease};
  Loses("no verify", rules, Take(1, 1), "I2");
}

TEST_CASE("an intent never expires by time") {
  Rules rules;
  rules.intent_expires = true;
  Loses("the intent may expire, asked for I1", rules, Take(1, 1), "I1", true);
}

TEST_CASE("a collector unlinks only from its own trash") {
  Rules rules;
  rules.adopts = false;
  Holds("one collector does not adopt", rules, Take(1, 1));
  Loses("the second unlinks from the first one's trash, asked for I1", rules, Take(1, 2), "I1",
        true);
}

TEST_CASE("a grace of twice the staleness is too short") {
  Rules rules;
  rules.grace = 2 * kStaleFor;
  Loses("G = 2A, asked for I1", rules, Stale(Take(1, 1)), "I1", true);
  rules.grace = 2 * kStaleFor + 1;
  Holds("G > 2A", rules, Stale(Take(1, 1)));
}

TEST_CASE("a collector asks for the prune mark and for the incarnation") {
  Rules rules;
  rules.asks_for_marks = false;
  Loses("frees without a mark", rules, Take(1, 1), "I2");
  rules.asks_for_marks = true;
  rules.asks_for_incarnation = false;
  Loses("frees a live incarnation's pack", rules, WithWriter(Take(1, 1)), "I3");
}

TEST_CASE("writing content that is there already is a reference") {
  Rules rules;
  rules.again_intends = false;
  Loses("content again, no intent", rules, WritesAgain(Take(1, 1)), "I2");
}

TEST_CASE("an incarnation is over only when its process is gone") {
  Rules rules;
  rules.superseded_stops = false;
  Loses("a superseded incarnation goes on", rules, WithWriter(Take(1, 1)), "I3");
}

TEST_CASE("one re-mark after the grace is enough, until roots move against the scan") {
  Rules rules;
  rules.first_mark = false;
  Holds("one re-mark: 1 forker, 2 collectors", rules, Take(1, 2));
  Holds("one re-mark, stale: 1 forker, 1 collector", rules, Stale(Take(1, 1)));
  Holds("one re-mark, undelete keeps its intent", rules, Undeletes(Take(2, 1)));
  // From the log to the notes, which a mark reads before the logs.
  rules.undelete_keeps_intent = false;
  Loses("one re-mark, undelete drops its intent", rules, Undeletes(Take(2, 1)), "I1");
  rules.first_mark = true;
  Holds("two re-marks, undelete drops its intent", rules, Undeletes(Take(2, 1)));
}

}  // namespace stemma::lineage::collect_model
