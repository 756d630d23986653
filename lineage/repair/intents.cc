#include "lineage/repair/intents.h"

#include <algorithm>
#include <utility>

#include "lineage/log.h"
#include "lineage/names.h"
#include "lineage/record_codec.h"
#include "lineage/run_logs.h"
#include "lineage/store_impl.h"
#include "lineage/survey.h"

namespace stemma::lineage {
namespace {

// One incarnation's log, read in the order of its segments.
class LogReading {
 public:
  LogReading(Storage& storage, const Paths& paths, std::string run, uint32_t number)
      : storage_(storage), paths_(paths), run_(std::move(run)), number_(number) {}

  Status Read(AgeProbe* probe, std::vector<OpenIntent>* open,
              std::vector<std::string>* unreadable) {
    const std::string dir = paths_.IncarnationDir(run_, number_);
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage_.List(dir));
    std::vector<uint32_t> segments;
    for (const std::string& file : files) {
      if (const auto segment = ParseLogSegment(file)) segments.push_back(*segment);
    }
    std::sort(segments.begin(), segments.end());
    std::string damage, last;
    std::vector<std::string> warnings;
    for (const uint32_t segment : segments) {
      last = paths_.LogSegment(run_, number_, segment);
      internal::ReadFrames(
          storage_, last, SegmentKind::kLog, [this](const FrameView& frame) { return Take(frame); },
          &damage, &warnings);
    }
    if (!damage.empty()) unreadable->push_back(damage);
    for (OpenIntent& intent : intents_) {
      intent.host = host_;
      intent.pid = pid_;
      intent.age_s = probe->Seconds(last);
      open->push_back(std::move(intent));
    }
    return {};
  }

 private:
  Status Take(const FrameView& frame) {
    if (frame.type == FrameType::kOpen) {
      STEMMA_ASSIGN_OR_RETURN(const OpenEntry entry, DecodeOpen(frame.payload));
      host_ = entry.host;
      pid_ = entry.pid;
    } else if (frame.type == FrameType::kIntent) {
      STEMMA_ASSIGN_OR_RETURN(IntentEntry entry, DecodeIntent(frame.payload));
      intents_.push_back({run_, std::move(entry.why), number_, std::move(entry.parent),
                          std::move(entry.objects), "", 0, entry.wall_ms, std::nullopt});
    } else if (frame.type == FrameType::kState || frame.type == FrameType::kWithdrawn ||
               frame.type == FrameType::kClose) {
      intents_.clear();
    }
    return {};
  }

  Storage& storage_;
  const Paths& paths_;
  const std::string run_;
  const uint32_t number_;
  std::string host_;
  uint64_t pid_ = 0;
  std::vector<OpenIntent> intents_;
};

}  // namespace

Result<std::vector<OpenIntent>> OpenIntents(const Store& store,
                                            std::vector<std::string>* unreadable) {
  Storage& storage = store.storage();
  const Paths paths(store.path());
  AgeProbe probe(storage, paths);
  std::vector<OpenIntent> open;
  STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> runs, storage.List(paths.RunsDir()));
  for (const std::string& run : runs) {
    if (!IsUlid(run)) continue;
    STEMMA_ASSIGN_OR_RETURN(const std::vector<std::string> files, storage.List(paths.RunDir(run)));
    for (const std::string& file : files) {
      const auto number = ParseIncarnation(file);
      if (!number) continue;
      STEMMA_RETURN_IF_ERROR(
          LogReading(storage, paths, run, *number).Read(&probe, &open, unreadable));
    }
  }
  return open;
}

Status CloseIntent(const Store& store, const OpenIntent& intent, const std::string& why) {
  const Paths paths(store.path());
  const auto path_of = [&](uint32_t segment) {
    return paths.LogSegment(intent.run, intent.incarnation, segment);
  };
  STEMMA_ASSIGN_OR_RETURN(const auto log,
                          LogWriter::Create(store.storage(), SegmentKind::kLog, path_of));
  const std::string text = why + ", by " + internal::WhoAmI();
  STEMMA_ASSIGN_OR_RETURN(const std::string payload, EncodeClose({text, internal::WallMs()}));
  STEMMA_RETURN_IF_ERROR(log->Append(FrameType::kClose, payload));
  return log->Close();
}

}  // namespace stemma::lineage
