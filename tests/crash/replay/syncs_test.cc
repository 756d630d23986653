// Which syncs a store cannot do without. Each sync of a recorded life is taken out in turn, as if
// the program had not called it, and the disks are built that a crash may then leave. A sync that
// matters gives at least one disk on which something acknowledged is gone or something is there in
// part, or this test could not see a missing one. A sync that does not matter never does, and the
// table says what it is for.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>

#include "lineage/names.h"
#include "tests/crash/replay/crash_disks.h"
#include "tests/crash/replay/replay_scene.h"

#include <catch2/catch.hpp>

namespace stemma::tests {
namespace {

struct Sync {
  const char* what;
  bool matters;
  const char* why;  // what is lost without it; or what it is for
};

constexpr Sync kSyncs[] = {
    {"file tmp/INC/PACK", true, "a state's bytes"},
    {"folder objects/pack/ab", true, "a pack's name"},
    {"file tmp/object", true, "a layout or blob is empty under its final name, for every writer"},
    {"folder objects/layout/ab", true, "a layout's name"},
    {"file runs/RUN/inc/log header", true, "frames that nobody can read"},
    {"file runs/RUN/inc/log state", true, "the state: the commit point"},
    {"file runs/RUN/inc/log state close", true, "the state of a fork"},
    {"folder runs/RUN/inc", true, "a log's name"},
    {"folder runs/RUN", true, "an incarnation's name"},
    {"folder runs", true, "a run's folder, to which a name leads"},
    {"file tmp/claim/run", true, "which run a name means"},
    {"file tmp/claim/target", true, "what a tag means"},
    {"folder tmp/claim", true, "the claim's file in its folder"},
    {"folder names", true, "a run's name"},
    {"folder tags", true, "a tag's first version"},
    {"folder tags/NAME", true, "a tag's version"},
    {"file notes/SEGMENT header", true, "notes that nobody can read"},
    {"file notes/SEGMENT note", true, "a note or a prune mark"},
    {"folder notes", true, "the name of a writer's notes"},
    {"file runs/RUN/inc/log open", false, "tells people and gc who works, before the first state"},
    {"file runs/RUN/inc/log close", false, "lets gc take the run's orphans without waiting"},
    {"file runs/RUN/inc/log header open intent", false,
     "shows other machines the intent while the forker lives; after a crash nothing is promised"},
    {"file tmp/claim/beat", false, "shows other machines that a collector lives"},
    {"folder gc", false, "keeps a collection's number from being used twice"},
    {"folder STORE", false, "the first collector's folders gc/ and trash/"},
    {"folder trash", false, "a collector's own folder"},
    {"file gc/epoch/plan", false, "tells people what a collector meant to free"},
    {"file gc/epoch/done", false, "tells people what it freed"},
    {"folder gc/epoch", false, "the names of these two"},
    {"folder trash/epoch", false, "a trashed pack has one of its names after any crash"},
    {"folder objects/pack/ab (left)", false, "the same: the old name's end"},
    {"folder trash/epoch (removed)", false, "bytes that were freed stay so, or a collector comes"},
};

// "runs/<run>/inc/log": the path without what differs from store to store.
std::string Shape(const std::string& path) {
  std::string shape;
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || (shape.empty() && part == "store")) continue;
    if (part.size() == 26 && shape == "runs/") part = "RUN";
    if (part.size() == 31 && shape == "tmp/") part = "INC";
    if (shape == "tmp/INC/") part = "PACK";
    if (part.size() == 2 && shape.rfind("objects/", 0) == 0) part = "ab";
    if (shape == "notes/") part = "SEGMENT";
    if (shape == "tags/") part = "NAME";
    part = part.substr(0, part.find_first_of("-."));  // epoch-000001, log.000001.seg, claim-...
    shape += part + (slash < path.size() ? "/" : "");
  }
  return shape.empty() ? "STORE" : shape;
}

// The frames that a log was given since its last sync.
std::string FramesOf(const std::string& bytes) {
  static const char* const kNames[] = {"?",         "open",  "intent", "state",
                                       "withdrawn", "close", "note"};
  std::string frames;
  size_t at = 0;
  if (bytes.rfind("STMLOG1", 0) == 0) {
    frames = " header";
    at = 44;
  }
  while (at + 24 <= bytes.size()) {
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(bytes[i])); };
    const size_t length = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16;
    frames += std::string(" ") + kNames[std::min<size_t>(byte(at + 4), 6)];
    at += 24 + length;
  }
  return frames;
}

// What each change of the recording is, "" where it is no sync.
std::vector<std::string> NamesOfSyncs(const Recording& recording) {
  std::vector<std::string> names;
  std::map<size_t, std::string> written;
  std::map<std::string, std::string> moved;  // folder -> what became of its newest name
  for (const Change& change : recording) {
    names.emplace_back();
    const std::string folder = lineage::ParentOf(change.path);
    if (change.kind == Change::Kind::kWrite) written[change.file] += change.bytes;
    if (change.kind == Change::Kind::kRename) {
      moved[folder] = " (left)";
      moved[lineage::ParentOf(change.to)] = "";
    }
    if (change.kind == Change::Kind::kRemove) moved[folder] = " (removed)";
    if (change.kind == Change::Kind::kSyncDir) {
      names.back() = "folder " + Shape(change.path) + moved[change.path];
    }
    if (change.kind == Change::Kind::kSyncFile) {
      const bool log = change.path.find(".seg") != std::string::npos;
      names.back() = "file " + Shape(change.path) + (log ? FramesOf(written[change.file]) : "");
      written[change.file].clear();
    }
  }
  return names;
}

// Judges disks, each once.
class Verdicts {
 public:
  explicit Verdicts(const Life& life) : life_(life) {}

  std::string Of(const Image& image, size_t promised, bool go_on) {
    const std::string key = image.Digest() + std::to_string(promised) + (go_on ? "+" : "");
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    lineage::MemoryStorage disk;
    std::string verdict = image.PutOn(disk).message();
    if (verdict.empty()) verdict = Judge(disk, life_.promises, promised);
    if (verdict.empty() && go_on) verdict = GoOn(disk, life_.promises, promised);
    return known_[key] = verdict;
  }
  size_t disks() const { return known_.size(); }

 private:
  const Life& life_;
  std::map<std::string, std::string> known_;
};

// Which of the unsynced things are so only because the sync was taken out.
std::vector<bool> Owed(const CrashDisks& without, const CrashDisks& with) {
  const auto key = [](const CrashDisks::Item& item) {
    return std::make_pair(std::make_pair(item.name, item.at), item.part);
  };
  std::set<std::pair<std::pair<bool, size_t>, size_t>> anyway;
  for (const CrashDisks::Item& item : with.Unsynced()) anyway.insert(key(item));
  std::vector<bool> owed;
  for (const CrashDisks::Item& item : without.Unsynced()) {
    owed.push_back(anyway.count(key(item)) == 0);
  }
  return owed;
}

// The first wrong disk of one moment, "" when there is none.
std::string WrongAt(const CrashDisks& without, const std::vector<bool>& owed, size_t promised,
                    bool mark, Verdicts* verdicts) {
  std::vector<bool> kept(owed.size());
  for (size_t i = 0; i < owed.size(); ++i) kept[i] = !owed[i];
  const std::vector<bool> nothing(owed.size());
  for (const Lost lost : {Lost::kGone, Lost::kZeros}) {
    for (const std::vector<bool>& some : {kept, nothing}) {
      const std::string wrong = verdicts->Of(without.After(some, lost), promised, mark);
      if (!wrong.empty()) return wrong;
    }
  }
  for (size_t i = 0; i < owed.size(); ++i) {
    if (!owed[i]) continue;
    std::vector<bool> alone(owed.size(), true);
    alone[i] = false;
    const std::string wrong = verdicts->Of(without.After(alone, Lost::kGone), promised, false);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

// Goes on from `disks`, where change `taken` is next, without it: the first wrong disk, or "". All
// acknowledgements are looked at, and the changes next to the one that was taken out.
std::string WrongWithout(const Life& life, CrashDisks with, size_t taken, size_t promised,
                         Verdicts* verdicts) {
  CrashDisks without = with;
  for (size_t at = taken; at < life.recording.size(); ++at) {
    const Change& change = life.recording[at];
    with.Apply(change);
    without.Apply(change, at == taken);
    const bool mark = change.kind == Change::Kind::kMark;
    promised += mark ? 1 : 0;
    if (!mark && at > taken + 12) continue;
    const std::vector<bool> owed = Owed(without, with);
    if (std::count(owed.begin(), owed.end(), true) == 0) return "";  // another sync made up for it
    const std::string wrong = WrongAt(without, owed, promised, mark, verdicts);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

struct Seen {
  int times = 0, wrong = 0;
  std::string first;
};

std::map<std::string, Seen> TakeOutEach(const Life& life, Verdicts* verdicts) {
  const std::vector<std::string> names = NamesOfSyncs(life.recording);
  std::map<std::string, Seen> seen;
  CrashDisks disks;
  size_t promised = 0;
  for (size_t at = 0; at < life.recording.size(); ++at) {
    if (promised > 0 && !names[at].empty()) {  // creation is replay_test's
      Seen& one = seen[names[at]];
      ++one.times;
      const std::string wrong =
          one.wrong > 0 ? "" : WrongWithout(life, disks, at, promised, verdicts);
      if (!wrong.empty() && ++one.wrong == 1) one.first = wrong;
    }
    disks.Apply(life.recording[at]);
    promised += life.recording[at].kind == Change::Kind::kMark ? 1 : 0;
  }
  return seen;
}

TEST_CASE("row 6: a sync that is left out is seen, and each that is there has its reason",
          "[crash]") {
  const Life life = RecordLife();
  REQUIRE(life.failure == "");
  Verdicts verdicts(life);
  const std::map<std::string, Seen> seen = TakeOutEach(life, &verdicts);
  std::set<std::string> in_table;
  for (const Sync& sync : kSyncs) in_table.insert(sync.what);
  for (const auto& [name, one] : seen) {
    std::printf("%-55s %3d times, %s\n", name.c_str(), one.times,
                one.wrong ? one.first.c_str() : "nothing is lost without it");
    INFO(name);
    CHECK(in_table.count(name) == 1);
  }
  for (const Sync& sync : kSyncs) {
    INFO(sync.what);
    REQUIRE(seen.count(sync.what) == 1);
    INFO(seen.at(sync.what).first);
    CHECK((seen.at(sync.what).wrong > 0) == sync.matters);
  }
  std::printf("%zu kinds of syncs, %zu disks\n", seen.size(), verdicts.disks());
}

}  // namespace
}  // namespace stemma::tests
