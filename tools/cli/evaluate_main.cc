#include "tools/cli/evaluate_main.h"

#include <cstdio>
#include <exception>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/exit_code.h"
#include "lineage/graph.h"
#include "models/train/evaluate_state.h"
#include "models/train/fill_settings.h"
#include "models/train/metrics.h"
#include "models/workloads.h"
#include "ops/world.h"
#include "tools/cli/environment.h"
#include "tools/cli/evaluate_options.h"
#include "tools/cli/open_store.h"

namespace stemma::cli {
namespace {

int Fail(const Status& status) {
  std::fprintf(stderr, "stemma: %s\n", status.message().c_str());
  return ExitCodeFor(status);
}

// The state that is asked for, and the settings that it was stored with, then --set.
struct Asked {
  OpenedStore opened;
  lineage::Record record;
  models::RunSettings settings;
};

Status Find(const EvaluateFlags& flags, Asked* asked) {
  STEMMA_ASSIGN_OR_RETURN(asked->opened, OpenStore(flags.store));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(asked->opened, flags.state));
  asked->record = asked->opened.graph.states.at(id);
  if (asked->record.settings.empty()) {
    return {Code::kIncompatible,
            flags.state +
                " was stored without settings, as imported states are: nothing says which "
                "model and which data are its"};
  }
  STEMMA_ASSIGN_OR_RETURN(const std::string text,
                          asked->opened.store->GetSettings(asked->record.settings));
  models::RunSettings& settings = asked->settings;
  SettingsList list = models::FieldsOf(settings);
  STEMMA_RETURN_IF_ERROR(list.ReadText(text, "settings of " + flags.state));
  for (const std::string& assignment : flags.set) STEMMA_RETURN_IF_ERROR(list.Set(assignment));
  STEMMA_RETURN_IF_ERROR(models::FillSettings(settings, &list));
  settings.comm.device = settings.device.kind;
  return {};
}

void PrintScore(const Asked& asked, const models::Score& score, bool json) {
  const std::string name = lineage::NameOfState(asked.record);
  if (!json) {
    std::printf("%s (%s): %s\n", name.c_str(), Hex(asked.record.id).substr(0, 8).c_str(),
                models::ScoreText(score).c_str());
    return;
  }
  std::printf(
      "{\"state\":\"%s\",\"name\":\"%s\",\"samples\":%.0f,\"seconds\":%.6g,\"metrics\":%s}\n",
      Hex(asked.record.id).c_str(), name.c_str(), score.rows, score.seconds,
      models::MetricLine({score.values.begin(), score.values.end()}).c_str());
}

// All ranks look the state up themselves: a store that changes meanwhile must not part them.
Status Evaluate(const EvaluateFlags& flags, const Asked& asked, ops::World& world) {
  STEMMA_RETURN_IF_ERROR(AgreeOn(world.cohort(), {{"state to evaluate", Hex(asked.record.id)}}));
  STEMMA_ASSIGN_OR_RETURN(const models::Score score,
                          models::EvaluateState(asked.settings, *asked.opened.store, asked.record,
                                                world, models::MakeWorkload));
  Status noted;
  if (world.rank() == 0) {
    PrintScore(asked, score, flags.json);
    for (const auto& [key, value] : score.values) {
      if (flags.note && noted.ok()) {
        noted = asked.opened.store->Annotate(asked.record.id, key, value);
      }
    }
  }
  return Agree(world.cohort(), noted);
}

}  // namespace

int RunEvaluate(const std::vector<std::string>& arguments) {
  EvaluateFlags values;
  Flags flags = EvaluateFlagList(&values);
  if (const Status parsed = flags.Parse(arguments); !parsed.ok()) return Fail(parsed);
  if (flags.help_asked()) {
    std::fputs(flags.HelpText().c_str(), stdout);
    return kExitDone;
  }
  Asked asked;
  if (const Status found = Find(values, &asked); !found.ok()) return Fail(found);
  auto world = ops::World::Open(asked.settings.comm, ProgramIdentity());
  if (!world.ok()) return Fail(world.status());
  Status status;
  try {
    status = Evaluate(values, asked, **world);
  } catch (const std::exception& error) {
    status = {Code::kInternal, error.what()};
    (*world)->Abort(status, kExitFailed);  // alone: the others may be anywhere
  }
  const bool lost = status.code() == Code::kPeerLost || status.code() == Code::kTimeout;
  if (lost) (*world)->Abort(status, kExitTryAgain);
  if (!status.ok() && (*world)->rank() == 0) Fail(status);
  const Status closed = (*world)->Close();
  return status.ok() && !closed.ok() ? Fail(closed) : ExitCodeFor(status);
}

}  // namespace stemma::cli
