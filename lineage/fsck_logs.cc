#include <algorithm>

#include "core/bytes.h"
#include "lineage/fsck_impl.h"
#include "lineage/log.h"
#include "lineage/record_codec.h"
#include "lineage/store_impl.h"

namespace stemma::lineage::internal {
namespace {

// What one incarnation's log says, segment by segment.
struct LogFacts {
  bool opened = false, closed = false;
  std::set<StateId> states;
  std::vector<IntentEntry> intents;
};

Status CheckFrame(FsckContext* context, const std::string& run, uint32_t incarnation,
                  const Frame& frame, LogFacts* facts) {
  switch (frame.type) {
    case FrameType::kOpen: {
      STEMMA_ASSIGN_OR_RETURN(const OpenEntry open, DecodeOpen(frame.payload));
      facts->opened = true;
      if (open.run == run && open.incarnation == incarnation) return {};
      return {Code::kCorruption, "the log says that it is another incarnation's"};
    }
    case FrameType::kState: {
      STEMMA_ASSIGN_OR_RETURN(const Record record, DecodeRecord(frame.payload));
      if (record.run != run || record.incarnation != incarnation) {
        return {Code::kCorruption, "a state of another run or incarnation"};
      }
      if (!facts->states.insert(record.id).second) {
        context->Remark("state " + Hex(record.id).substr(0, 16) + " is in its log twice");
      }
      return {};
    }
    case FrameType::kIntent: {
      STEMMA_ASSIGN_OR_RETURN(IntentEntry intent, DecodeIntent(frame.payload));
      context->intended.insert(intent.objects.begin(), intent.objects.end());
      facts->intents.push_back(std::move(intent));
      return {};
    }
    case FrameType::kWithdrawn: {
      STEMMA_ASSIGN_OR_RETURN(const WithdrawnEntry entry, DecodeWithdrawn(frame.payload));
      context->Remark("state " + Hex(entry.state).substr(0, 16) + " was withdrawn: " + entry.why);
      return {};
    }
    case FrameType::kClose:
      facts->closed = true;
      return DecodeClose(frame.payload).status();
    case FrameType::kNote:
      return {Code::kCorruption, "a note in a run's log"};
  }
  return {};  // a newer program's
}

void CheckDamage(FsckContext* context, const std::string& path, const Segment& segment) {
  context->Error(path + " at byte " + std::to_string(segment.valid_bytes) + ": " +
                 segment.torn_why + ", and more entries follow: they cannot be seen");
}

void CheckSegment(FsckContext* context, const std::string& run, uint32_t incarnation,
                  const std::string& path, LogFacts* facts) {
  Result<Segment> segment = ReadSegmentFile(context->storage, path);
  if (!segment.ok()) return context->Error(path + ": " + segment.status().message());
  // A fork that died may have left any part of its log; nothing in it was ever promised.
  const bool damaged = segment->damaged && context->named.count(run) > 0;
  if (segment->torn_bytes > 0 && !damaged) {
    context->Remark(
        path + ": " + std::to_string(segment->torn_bytes) + " bytes from byte " +
        std::to_string(segment->valid_bytes) +
        " are no whole frame (a torn tail, or an append in progress): " + segment->torn_why);
  }
  for (const Frame& frame : segment->frames) {
    ++context->report.frames;
    const Status good = CheckFrame(context, run, incarnation, frame, facts);
    if (!good.ok()) {
      context->Error(path + " at byte " + std::to_string(frame.offset) + ": " + good.message());
    }
  }
  if (damaged) CheckDamage(context, path, *segment);
}

void CheckIncarnation(FsckContext* context, const std::string& run, uint32_t incarnation,
                      bool newest) {
  const std::string dir = context->paths.IncarnationDir(run, incarnation);
  Result<std::vector<std::string>> files = context->storage.List(dir);
  if (!files.ok()) return context->Error(files.status().message());
  LogFacts facts;
  for (const std::string& file : *files) {
    if (ParseLogSegment(file)) CheckSegment(context, run, incarnation, dir + "/" + file, &facts);
  }
  if (!facts.opened) context->Remark(dir + " was claimed and never begun");
  for (const IntentEntry& intent : facts.intents) {
    if (facts.states.empty() && !facts.closed) {
      context->Remark(dir + ": intent without a state (" + intent.why + "): its maker died or " +
                      "works; " + std::to_string(intent.objects.size()) +
                      " objects are kept for it");
    }
  }
  if (facts.closed || !newest) context->over.insert(IncarnationKey(run, incarnation));
}

Status CheckRun(FsckContext* context, const std::string& run) {
  const std::string dir = context->paths.RunDir(run);
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, context->storage.List(dir));
  if (!context->named.count(run)) {
    context->Remark(dir + ": no name leads to this run: its maker died or works, or the name was " +
                    "taken");
  }
  STEMMA_ASSIGN_OR_RETURN(const uint32_t newest,
                          NewestIncarnation(context->storage, context->paths, run));
  if (newest == 0) context->Remark(dir + " has no incarnation");
  for (const std::string& file : files) {
    const std::optional<uint32_t> number = ParseIncarnation(file);
    if (number) CheckIncarnation(context, run, *number, *number == newest);
  }
  return {};
}

Status CheckNames(FsckContext* context) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          context->storage.List(context->paths.NamesDir()));
  for (const std::string& name : names) {
    const std::string path = context->paths.NamesDir() + "/" + name;
    if (!IsName(name)) {
      context->Remark(path + " is none of ours");
      continue;
    }
    Result<std::string> run = ReadRunOf(context->storage, context->paths, name);
    if (run.status().code() == Code::kNotFound) {
      context->Remark(path + " was claimed and holds no run");
    } else if (!run.ok()) {
      context->Error(run.status().message());
    } else if (!context->storage.Exists(context->paths.RunDir(*run))) {
      context->Error(path + " names run " + *run + ", which is not there");
    } else {
      context->named.insert(*run);
    }
  }
  return {};
}

Status CheckNotes(FsckContext* context) {
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                          context->storage.List(context->paths.NotesDir()));
  for (const std::string& file : files) {
    const std::string path = context->paths.NotesDir() + "/" + file;
    if (ParseDamagedNotes(file)) {
      context->Remark(path + " was set aside by a repair, which wrote what is whole in it anew");
    }
    if (!ParseNotesSegment(file)) continue;
    Result<Segment> segment = ReadSegmentFile(context->storage, path);
    if (!segment.ok()) {
      context->Error(path + ": " + segment.status().message());
      continue;
    }
    if (segment->damaged) CheckDamage(context, path, *segment);
    if (segment->torn_bytes > 0 && !segment->damaged) context->Remark(path + ": a torn tail");
    for (const Frame& frame : segment->frames) {
      ++context->report.frames;
      if (frame.type != FrameType::kNote || DecodeNote(frame.payload).ok()) continue;
      context->Error(path + " at byte " + std::to_string(frame.offset) + ": no note");
    }
  }
  return {};
}

}  // namespace

Status CheckLogs(FsckContext* context) {
  STEMMA_RETURN_IF_ERROR(CheckNames(context));
  STEMMA_RETURN_IF_ERROR(CheckNotes(context));
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> runs,
                          context->storage.List(context->paths.RunsDir()));
  for (const std::string& run : runs) {
    if (!IsUlid(run)) {
      context->Remark(context->paths.RunsDir() + "/" + run + " is none of ours");
      continue;
    }
    ++context->report.runs;
    const Status checked = CheckRun(context, run);
    if (!checked.ok()) context->Error(checked.message());
  }
  return {};
}

}  // namespace stemma::lineage::internal
