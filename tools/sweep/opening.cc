#include "tools/sweep/opening.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "core/bytes.h"
#include "core/digest.h"
#include "core/text.h"
#include "models/train/settings.h"

namespace stemma::sweep {
namespace {

std::string Trimmed(const std::string& line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == line.npos) return "";
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// What a spec says, without its comment lines and without what may change from one start to the
// next.
std::string Essence(const std::string& text) {
  std::istringstream in(text);
  std::string essence;
  for (std::string line; std::getline(in, line);) {
    line = Trimmed(line);
    const std::string key = Trimmed(line.substr(0, line.find('=')));
    if (!line.empty() && line[0] != '#' && key != "slots") essence += line + "\n";
  }
  return essence;
}

std::string KeyIn(const std::string& assignment) {
  return Trimmed(assignment.substr(0, assignment.find('=')));
}

// The last one wins, as on a command line; "": nobody sets it.
std::string ValueOf(const std::string& key, const std::vector<std::string>& assignments) {
  std::string value;
  for (const std::string& assignment : assignments) {
    if (KeyIn(assignment) == key) value = Trimmed(assignment.substr(assignment.find('=') + 1));
  }
  return value;
}

Result<Base> BaseOf(const lineage::Graph& graph, const lineage::Store& store, const SweepSpec& spec,
                    const std::string& build) {
  Result<Base> base = Status();
  if (spec.state.empty()) {
    base = BaseFromRecipe(spec);
  } else {
    STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, lineage::Resolve(graph, spec.state));
    const lineage::Record& record = graph.states.at(id);
    if (record.settings.empty()) {
      return Status(Code::kInvalidArgument,
                    spec.file + ": state " + spec.state +
                        " was stored without settings, as imported states are: no training can "
                        "go on from it");
    }
    STEMMA_ASSIGN_OR_RETURN(const std::string settings, store.GetSettings(record.settings));
    base = BaseFromState(spec, {Hex(id), record.step, record.world, settings});
  }
  if (base.ok()) base->build = build;
  return base;
}

std::string ThreadsIn(const std::vector<std::string>& settings, const Base& base) {
  const std::string threads = ValueOf("device.threads", settings);
  return threads.empty() ? ValueOf("device.threads", base.assignments) : threads;
}

bool IsKnob(const SweepSpec& spec, const std::string& key) {
  return std::any_of(spec.knobs.begin(), spec.knobs.end(),
                     [&key](const Knob& knob) { return knob.key == key; });
}

std::vector<std::string> AdditionsTo(const SweepSpec& spec, const Base& base,
                                     const HostFacts& host) {
  std::vector<std::string> added = {"comm.control_lag=0"};
  const std::string threads = ThreadsIn(base.settings, base);
  if (IsKnob(spec, "device.threads") || (!threads.empty() && threads != "0")) return added;
  const int64_t slots = host.slots > 0 ? host.slots : spec.slots;
  const int64_t ranks = std::max<int64_t>(1, slots * spec.ranks_per_trial);
  added.push_back("device.threads=" + std::to_string(std::max<int64_t>(1, host.cores / ranks)));
  return added;
}

SweepSpec With(SweepSpec spec, const std::vector<std::string>& added) {
  spec.settings.insert(spec.settings.end(), added.begin(), added.end());
  return spec;
}

// Of what a recipe or state and the spec say.
std::string DigestOf(const Base& base) {
  std::string text = base.root + "\n";
  for (const auto* assignments : {&base.assignments, &base.settings}) {
    for (const std::string& assignment : *assignments) text += assignment + "\n";
  }
  return Hex(Sha256(text));
}

Status CheckSame(const Begun& begun, const std::string& text, const Base& own,
                 const std::string& name) {
  const std::string way_out = ": give the sweep another name, or go on with what it was begun with";
  if (Essence(begun.text) != Essence(text)) {
    return {Code::kInvalidArgument, "sweep '" + name + "' was begun with another spec than this (" +
                                        begun.file + " as it was then)" + way_out};
  }
  if (begun.own != DigestOf(own)) {
    return {Code::kInvalidArgument, "the recipe or state that sweep '" + name +
                                        "' begins with is not what it was when it began" + way_out};
  }
  if (begun.base.epoch != own.epoch) {
    return {Code::kInvalidArgument, "an epoch of sweep '" + name + "' had " +
                                        std::to_string(begun.base.epoch) +
                                        " samples when it began, and the data now have " +
                                        std::to_string(own.epoch) + way_out};
  }
  if (begun.base.build != own.build) {
    return {Code::kInvalidArgument, "sweep '" + name +
                                        "' was begun with another build of stemma, and stages of "
                                        "both are not comparable bit for bit" +
                                        way_out};
  }
  return {};
}

}  // namespace

Result<OpenedSweep> OpenSweep(const lineage::Store& store, const lineage::Graph& graph,
                              const std::string& text, const std::string& file,
                              const HostFacts& host) {
  STEMMA_ASSIGN_OR_RETURN(const SweepSpec own, ParseSpec(text, file));
  STEMMA_ASSIGN_OR_RETURN(const Base own_base, BaseOf(graph, store, own, host.build));
  OpenedSweep sweep;
  STEMMA_ASSIGN_OR_RETURN(sweep.journal, ReadJournal(store, graph, own.name));
  if (sweep.journal.begun) {
    sweep.begun = *sweep.journal.begun;
    STEMMA_RETURN_IF_ERROR(CheckSame(sweep.begun, text, own_base, own.name));
    sweep.spec = With(own, sweep.begun.added);
    sweep.base = sweep.begun.base;
    return sweep;
  }
  sweep.begun = {file, text, AdditionsTo(own, own_base, host), {}, DigestOf(own_base)};
  sweep.spec = With(own, sweep.begun.added);
  STEMMA_ASSIGN_OR_RETURN(sweep.base, BaseOf(graph, store, sweep.spec, host.build));
  sweep.begun.base = sweep.base;
  return sweep;
}

Result<OpenedSweep> RecordedSweep(const lineage::Store& store, const lineage::Graph& graph,
                                  const std::string& name) {
  OpenedSweep sweep;
  STEMMA_ASSIGN_OR_RETURN(sweep.journal, ReadJournal(store, graph, name));
  if (!sweep.journal.begun) {
    const std::string meant = Nearest(name, SweepsIn(graph));
    return Status(Code::kNotFound, "no sweep is called '" + name + "' in " + store.path() +
                                       (meant.empty() ? "" : "; did you mean '" + meant + "'?"));
  }
  sweep.begun = *sweep.journal.begun;
  STEMMA_ASSIGN_OR_RETURN(const SweepSpec own, ParseSpec(sweep.begun.text, sweep.begun.file));
  sweep.spec = With(own, sweep.begun.added);
  sweep.base = sweep.begun.base;
  return sweep;
}

int64_t ThreadsOf(const OpenedSweep& sweep) {
  if (IsKnob(sweep.spec, "device.threads")) return 0;
  return std::strtoll(ThreadsIn(sweep.spec.settings, sweep.base).c_str(), nullptr, 10);
}

Result<std::string> RecipeOf(const Base& base, const std::vector<std::string>& sets) {
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);
  std::map<std::string, std::string> lines;
  for (const auto* assignments : {&base.assignments, &sets}) {
    for (const std::string& assignment : *assignments) {
      STEMMA_RETURN_IF_ERROR(list.Set(assignment));
      const std::string key = KeyIn(assignment);
      lines[key] = key + " = " + list.Find(key)->Text() + "\n";
    }
  }
  std::string text;
  for (const auto& [key, line] : lines) text += line;
  return text;
}

}  // namespace stemma::sweep
