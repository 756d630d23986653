// One look at everything that may want a pack: what the collector's mark and `stemma prune --plan`
// rest on. A reference moves from a lease to a note or tag or log, never back, so the look goes the
// same way: leases, then tags and notes, then logs. Logs are those of all folders in runs/, since
// an intent counts before a name leads to its run.
//
//   STEMMA_ASSIGN_OR_RETURN(const Survey survey, SurveyStore(store, 600));
//   const Roots roots(survey.graph, survey.facts);
//
// Plain data, true at the moment of the look at best; one thread. Failure: kCorruption when
// anything that could name a pack cannot be read, as nothing may be freed then; else as Storage.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/status.h"
#include "lineage/names.h"
#include "lineage/retention.h"
#include "lineage/storage.h"
#include "lineage/store.h"

namespace stemma::lineage {

// How old files are, by the disk's own clock: the difference to a file that was just written there.
class AgeProbe {
 public:
  AgeProbe(Storage& storage, const Paths& paths) : storage_(storage), paths_(paths) {}
  // Since `path` last changed; nullopt when it or the probe cannot be had.
  std::optional<double> Seconds(const std::string& path);

 private:
  Storage& storage_;
  const Paths paths_;
  std::optional<int64_t> now_ms_;
};

struct IncarnationFacts {
  bool closed = false;
  std::string next;  // folder of the incarnation that superseded it; "": it is the newest
  std::string dead;  // declared so, and why; "": it was not
};

struct Survey {
  Graph graph;
  LifeFacts facts;
  std::map<ObjectId, std::string> elsewhere;             // packs of states that no name leads to
  std::map<std::string, IncarnationFacts> incarnations;  // by IncarnationKey
  std::map<std::string, std::string> leases;  // by ulid: its beat, whose change shows life
  std::shared_ptr<AgeProbe> probe;
};

// The Store outlives the survey.
Result<Survey> SurveyStore(const Store& store, double grace_s);

}  // namespace stemma::lineage
