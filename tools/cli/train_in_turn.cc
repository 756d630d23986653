#include "tools/cli/train_in_turn.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "core/bytes.h"
#include "core/cohort.h"
#include "core/exit_code.h"
#include "core/log.h"
#include "lineage/record_codec.h"
#include "lineage/storage.h"
#include "lineage/store.h"
#include "models/train/live_state.h"
#include "models/train/signals.h"
#include "tools/cli/environment.h"
#include "tools/sweep/orders.h"

namespace stemma::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Between looks for an order: short at first, as one mostly comes soon.
constexpr double kLookMinS = 0.001, kLookMaxS = 0.02;

double Since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

// What processes cannot change once their world is open.
std::string FixedSettings(const SettingsList& list) {
  std::string text;
  for (const Setting& setting : list.all()) {
    const bool fixed = setting.key.rfind("comm.", 0) == 0 || setting.key.rfind("device.", 0) == 0;
    if (fixed) text += setting.key + " = " + setting.Text() + "\n";
  }
  return text;
}

// Of this process; 0 where the kernel does not say.
int64_t ResidentMb() {
  std::ifstream file("/proc/self/statm");
  int64_t whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1'000'000;
}

// It reached its end, or stopped because it was asked to. An exit code 75 has other causes too.
bool EndedInOrder(const models::Outcome& outcome) {
  return outcome.exit_code == kExitDone ||
         (outcome.exit_code == kExitTryAgain && outcome.cause.rfind("stopped by ", 0) == 0);
}

// From here on what this process prints belongs to another run. Best effort.
void PrintInto(const std::string& log) {
  if (log.empty()) return;
  (void)std::fflush(stdout);
  (void)std::fflush(stderr);
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return;
  (void)dup2(file, STDOUT_FILENO);
  (void)dup2(file, STDERR_FILENO);
  (void)close(file);
}

// The same bytes, under another record.
bool SamePacks(const lineage::Record& a, const lineage::Record& b) {
  return a.layout == b.layout && a.world == b.world && a.ranks_held == b.ranks_held &&
         std::equal(a.packs.begin(), a.packs.end(), b.packs.begin(), b.packs.end(),
                    [](const auto& x, const auto& y) { return x.pack == y.pack; });
}

// The one state of the run when that is a fork of `held`; nullopt: it begins with something else,
// or looking has failed, which the training will say better.
std::optional<lineage::Record> ForkOf(const lineage::Record& held,
                                      const models::RunSettings& settings) {
  const auto& where = settings.lineage;
  if (where.store.empty() || where.restore == lineage::kProgressiveName) return std::nullopt;
  const auto store = lineage::Store::Open(where.store, false, lineage::PosixStorage());
  if (!store.ok()) return std::nullopt;
  const auto graph = (*store)->Load();
  if (!graph.ok()) return std::nullopt;
  const auto run = graph->runs.find(settings.run.name);
  if (run == graph->runs.end() || run->second.states.size() != 1) return std::nullopt;
  const lineage::Record& first = graph->states.at(run->second.states.front());
  const bool is_fork = first.reason == lineage::Reason::kFork && first.parents.size() == 1 &&
                       first.parents[0].parent == held.id && SamePacks(first, held);
  return is_fork ? std::optional<lineage::Record>(first) : std::nullopt;
}

// What an order asks for. The list reads and writes the settings beside it.
struct Asked {
  TrainFlags flags;
  models::RunSettings settings;
  SettingsList list = models::FieldsOf(settings);

  Asked() = default;
  Asked(const Asked&) = delete;

  Status Read(const std::string& bytes, std::string* log) {
    STEMMA_ASSIGN_OR_RETURN(const sweep::Order order, sweep::DecodeOrder(bytes));
    *log = order.log;
    STEMMA_RETURN_IF_ERROR(TrainFlagList(&flags).Parse(order.words));
    return ReadTrainSettings(flags, &settings, &list);
  }
};

class Group {
 public:
  Group(const std::string& folder, std::string fixed, ops::World& world,
        const models::WorkloadFactory& make)
      : folder_(folder), fixed_(std::move(fixed)), world_(world), make_(make) {}

  int Run(const TrainFlags& flags, const models::RunSettings& settings, const SettingsList& list) {
    models::Outcome outcome = Train(flags, settings, list);
    for (;;) {
      const bool is_last = !EndedInOrder(outcome) || IsAskedToStop(outcome);
      Answer(outcome, is_last);
      if (!EndedInOrder(outcome)) return outcome.exit_code;
      ++number_;
      if (is_last) Close();
      const Result<std::string> order = Next();
      if (!order.ok()) return Fail(order.status());
      if (order->empty()) return kExitDone;
      outcome = TrainOrdered(*order);
    }
  }

 private:
  bool root() const { return world_.rank() == 0; }

  // By a signal, to this rank or to another one.
  static bool IsAskedToStop(const models::Outcome& outcome) {
    return models::TakeSignalWishes().stop ||
           outcome.cause == "stopped by a signal on another rank";
  }

  // The next order's bytes, on all ranks; "": the group ends. Rank 0 decides which of the two it
  // is; the others come to hear it when they have seen something too.
  Result<std::string> Next() {
    double pause = kLookMinS;
    while (!folder_.Has(number_) && !folder_.IsClosed()) {
      if (world_.PeerGone()) world_.Abort({Code::kPeerLost, "a rank is gone"}, kExitTryAgain);
      if (models::TakeSignalWishes().stop) Close();
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
      pause = std::min(kLookMaxS, 1.2 * pause);
    }
    taken_ = Clock::now();
    Result<std::string> bytes = std::string();
    if (root() && !folder_.IsClosed()) bytes = folder_.Read(number_);
    STEMMA_RETURN_IF_ERROR(Agree(world_.cohort(), bytes.status()));
    return world_.cohort().Broadcast(*std::move(bytes), 0);
  }

  // All ranks wait for this file, so without it the group cannot end.
  void Close() {
    const Status closed = folder_.Close();
    if (!closed.ok()) world_.Abort(closed, kExitTryAgain);
  }

  models::Outcome TrainOrdered(const std::string& bytes) {
    Asked asked;
    std::string log;
    Status status = asked.Read(bytes, &log);
    if (status.ok() && FixedSettings(asked.list) != fixed_) {
      status = {Code::kInvalidArgument,
                "[comm] or [device] of " + asked.settings.run.name +
                    " are not those of these processes: start it by itself"};
    }
    PrintInto(log);
    status = Agree(world_.cohort(), status);
    if (status.ok()) status = Adopt(asked.settings);
    if (status.ok()) return Train(asked.flags, asked.settings, asked.list);
    models::Outcome refused;
    refused.exit_code = Fail(status);
    refused.cause = status.message();
    return refused;
  }

  // Keeps the state in memory when the run begins with it, as the record that the run has of it.
  Status Adopt(const models::RunSettings& settings) {
    std::string id, payload;
    if (root() && held_) {
      if (auto fork = ForkOf(held_->record, settings)) {
        id = fork->id;
        const auto encoded = lineage::EncodeRecord(&*fork);
        if (encoded.ok()) payload = *encoded;
      }
    }
    STEMMA_ASSIGN_OR_RETURN(id, world_.cohort().Broadcast(std::move(id), 0));
    STEMMA_ASSIGN_OR_RETURN(payload, world_.cohort().Broadcast(std::move(payload), 0));
    if (!held_ || payload.empty()) {
      held_.reset();
      return {};
    }
    STEMMA_ASSIGN_OR_RETURN(held_->record, lineage::DecodeRecord(payload));
    held_->record.id = id;  // of the bytes on disk, which may hold fields that this program skips
    return {};
  }

  models::Outcome Train(const TrainFlags& flags, const models::RunSettings& settings,
                        const SettingsList& list) {
    const char* const from = held_ ? "memory" : "disk";
    // With a control word that is read a step late, the training would go on beyond its end.
    const int64_t end = settings.comm.control_lag == 0 ? settings.train.stop_at : 0;
    bool is_first = true;
    std::optional<models::LiveState> reached;
    models::TrainOptions options{flags.dir, flags.fresh, flags.progress, environment_};
    options.live = held_ ? &*held_ : nullptr;
    options.init_from = InitFrom(flags);
    if (!settings.lineage.store.empty()) {
      options.hand_over.due = [&](int64_t step) {
        if (std::exchange(is_first, false)) {
          LogToFile("first step is done",
                    {{"after_s", Since(taken_)}, {"from", from}, {"resident_mb", ResidentMb()}});
          held_.reset();
        }
        return step == end;
      };
      options.hand_over.give = [&reached](const models::LiveState& live, lineage::Store&) {
        reached = live;  // handles: the tensors outlive their training
        return Status();
      };
    }
    const models::Outcome outcome = models::Train(settings, list, options, world_, make_);
    held_.reset();
    // Of a step that was followed by none.
    if (reached && reached->record.step == outcome.step) held_ = std::move(reached);
    return outcome;
  }

  void Answer(const models::Outcome& outcome, bool is_last) const {
    if (!root()) return;
    (void)std::fflush(stdout);  // who hears the answer may read the log
    const Status said = folder_.Say(number_, {outcome.exit_code, is_last});
    if (!said.ok() && !folder_.IsClosed()) LogWarning("no answer", {{"why", said.message()}});
  }

  int Fail(const Status& status) const {
    if (root()) std::fprintf(stderr, "stemma: %s\n", status.message().c_str());
    return ExitCodeFor(status);
  }

  const sweep::OrderFolder folder_;
  const std::string fixed_;
  ops::World& world_;
  const models::WorkloadFactory& make_;
  const std::string environment_ = EnvironmentJson();
  int64_t number_ = 1;                      // of the order under way
  Clock::time_point taken_ = Clock::now();  // when that was seen
  std::optional<models::LiveState> held_;   // the end of the training before
};

}  // namespace

int TrainInTurn(const TrainFlags& flags, const models::RunSettings& settings,
                const SettingsList& list, ops::World& world, const models::WorkloadFactory& make) {
  Status there;
  if (sweep::OrderFolder(flags.then).IsClosed()) {
    there = {Code::kInvalidArgument,
             "--then=" + flags.then + ": there is no such folder, or it is closed"};
  }
  there = Agree(world.cohort(), there);
  if (there.ok()) {
    return Group(flags.then, FixedSettings(list), world, make).Run(flags, settings, list);
  }
  if (world.rank() == 0) std::fprintf(stderr, "stemma: %s\n", there.message().c_str());
  return ExitCodeFor(there);
}

}  // namespace stemma::cli
