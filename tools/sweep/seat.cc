#include "tools/sweep/seat.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "lineage/names.h"

namespace stemma::sweep {
namespace {

using lineage::Notice;

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string Host() {
  char name[256] = "";
  (void)gethostname(name, sizeof name - 1);
  return name;
}

std::string ThisMachine() {
  std::error_code ignored;
  const auto space = std::filesystem::read_symlink("/proc/self/ns/pid", ignored);
  return Host() + "/" + FirstLine("/proc/sys/kernel/random/boot_id") + "/" + space.string();
}

// Field 22 of /proc/PID/stat; nullopt: there is no such process, or it has ended and nobody has
// asked for its exit code yet. The name, in brackets, may hold anything.
std::optional<uint64_t> StartOf(int64_t pid) {
  const std::string line = FirstLine("/proc/" + std::to_string(pid) + "/stat");
  const size_t after = line.rfind(')');
  if (after == line.npos) return std::nullopt;
  std::istringstream fields(line.substr(after + 1));
  std::string word;
  for (int field = 3; field <= 22 && fields >> word; ++field) {
    if (field == 3 && (word == "Z" || word == "X")) return std::nullopt;
    if (field == 22) return std::strtoull(word.c_str(), nullptr, 10);
  }
  return std::nullopt;
}

std::string TextOf(const Sitter& sitter) {
  return std::to_string(sitter.pid) + " " + std::to_string(sitter.started) + " " + sitter.machine;
}

Sitter SitterIn(const std::string& text) {
  Sitter sitter;
  std::istringstream in(text);
  in >> sitter.pid >> sitter.started >> std::ws;
  std::getline(in, sitter.machine);
  return sitter;
}

std::string WhoAmI() {
  const char* user = std::getenv("USER");
  return (user != nullptr && *user != 0 ? user : "uid" + std::to_string(getuid())) + "@" + Host();
}

std::string WordsFor(const Notice& notice) {
  return notice.who + ", pid " + std::to_string(SitterIn(notice.why).pid);
}

std::string BeatPath(const lineage::Paths& paths, const std::string& run, uint32_t incarnation) {
  return paths.TmpOf(run, incarnation) + "/controller";
}

// Of the newest incarnation that has one; nullopt: all have left, or died at once.
std::optional<Notice> NewestBeat(const lineage::Store& store, const lineage::RunEntry& run) {
  const lineage::Paths paths(store.path());
  for (uint32_t number = run.newest_incarnation; number > 0; --number) {
    Result<Notice> notice = ReadNotice(store.storage(), BeatPath(paths, run.ulid, number));
    if (notice.ok()) return *std::move(notice);
  }
  return std::nullopt;
}

Status Refuse(const std::string& sweep, const Notice& notice) {
  return {Code::kInvalidArgument,
          "a controller of sweep '" + sweep + "' is at work (" + WordsFor(notice) +
              "): `stemma sweep status` shows what it does; a second one has nothing to add"};
}

// OK when the sitter is dead.
Status WaitForDeath(const lineage::Store& store, const lineage::RunEntry& run,
                    const SeatOptions& options, lineage::GcClock& clock) {
  const std::optional<Notice> first = NewestBeat(store, run);
  if (!first) return {};
  const std::optional<bool> alive = options.is_alive(SitterIn(first->why));
  if (alive) return *alive ? Refuse(run.name, *first) : Status();
  const double begun = clock.Now();
  while (clock.Now() - begun < options.stale_s) {
    clock.Sleep(options.beat_s);
    const std::optional<Notice> now = NewestBeat(store, run);
    if (!now) return {};
    if (now->owner != first->owner || now->counter != first->counter) {
      return Refuse(run.name, *now);
    }
  }
  return {};
}

}  // namespace

Sitter ThisProcess() { return {ThisMachine(), getpid(), StartOf(getpid()).value_or(0)}; }

std::optional<bool> IsAlive(const Sitter& sitter) {
  if (sitter.machine != ThisMachine()) return std::nullopt;
  return StartOf(sitter.pid) == sitter.started;
}

Result<Seat> Seat::Take(lineage::Store& store, const std::string& sweep, const SeatOptions& options,
                        lineage::GcClock& clock) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
  Seat seat(store, options, clock);
  const auto run = graph.runs.find(sweep);
  if (run == graph.runs.end()) {
    STEMMA_ASSIGN_OR_RETURN(seat.run_, store.StartRun(sweep));
  } else if (!run->second.states.empty()) {
    return Status(Code::kInvalidArgument,
                  "'" + sweep +
                      "' is a run of this store that was trained, so no sweep can have "
                      "that name: give the sweep another one");
  } else {
    STEMMA_RETURN_IF_ERROR(WaitForDeath(store, run->second, options, clock));
    STEMMA_ASSIGN_OR_RETURN(seat.run_, store.NextIncarnation(sweep));
  }
  seat.notice_.owner = lineage::NewUlid();
  seat.notice_.who = WhoAmI();
  seat.notice_.why = TextOf(options.me);
  STEMMA_RETURN_IF_ERROR(seat.Beat());
  return seat;
}

Status Seat::Keep() {
  STEMMA_RETURN_IF_ERROR(run_->CheckFence());
  return clock_->Now() - beaten_at_ < options_.beat_s ? Status() : Beat();
}

Status Seat::Leave() { return run_->Close(); }

Status Seat::Beat() {
  beaten_at_ = clock_->Now();
  ++notice_.counter;
  const lineage::Paths paths(store_->path());
  return PutNotice(store_->storage(), paths, BeatPath(paths, run_->run(), run_->incarnation()),
                   notice_);
}

Result<std::optional<std::string>> WhoSits(const lineage::Store& store, const lineage::Graph& graph,
                                           const std::string& sweep, const SeatOptions& options) {
  const auto run = graph.runs.find(sweep);
  if (run == graph.runs.end()) return std::optional<std::string>();
  const std::optional<Notice> notice = NewestBeat(store, run->second);
  if (!notice || options.is_alive(SitterIn(notice->why)) == false) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(WordsFor(*notice));
}

}  // namespace stemma::sweep
