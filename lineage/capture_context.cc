#include "lineage/capture_context.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lineage/names.h"
#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

bool IsOneCopy(Role role) { return role == Role::kReplicated || role == Role::kFrozen; }

// What was replicated may be frozen, and the other way round; nothing else changes.
bool SameTensors(const std::vector<Span>& a, const std::vector<Span>& b) {
  const auto same = [](const Span& x, const Span& y) {
    return x.name == y.name && x.section == y.section && x.dtype == y.dtype && x.shape == y.shape &&
           x.eager == y.eager && (x.role == y.role || (IsOneCopy(x.role) && IsOneCopy(y.role)));
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same) && EncodeHeld(a) == EncodeHeld(b);
}

}  // namespace

uint32_t WritersFor(const LineageSettings& settings, const Layout& layout, int ranks,
                    SpanPart part) {
  for (const LayoutSpan& placed : layout.spans()) {
    const Role role = placed.span.role;
    const bool own = role == Role::kPerRank || role == Role::kSharded;
    if (own && part != SpanPart::kFrozen) return static_cast<uint32_t>(ranks);
  }
  const uint64_t bytes = FlatBytes(layout, part);
  const uint64_t least = static_cast<uint64_t>(std::max<int64_t>(1, settings.writer_bytes_min));
  return static_cast<uint32_t>(
      std::clamp<uint64_t>((bytes + least - 1) / least, 1, static_cast<uint64_t>(ranks)));
}

Status CheckCreate(const LineageSettings& settings, const std::vector<Span>& spans, int rank,
                   int ranks, const RunWriter* writer) {
  if (rank < 0 || rank >= ranks) return {Code::kInternal, "rank is not below ranks"};
  if ((rank == 0) != (writer != nullptr)) {
    return {Code::kInternal, "rank 0, and nobody else, has the run's writer"};
  }
  if (settings.depth < 1 || settings.depth > 64) {
    return {Code::kInvalidArgument,
            "lineage.depth is " + std::to_string(settings.depth) + "; it must be 1 to 64"};
  }
  if (settings.on_failure != "stop" && settings.on_failure != "continue") {
    return {Code::kInvalidArgument,
            "lineage.on_failure is '" + settings.on_failure + "'; it must be stop or continue"};
  }
  if (settings.direct_io != "auto" && settings.direct_io != "on" && settings.direct_io != "off") {
    return {Code::kInvalidArgument,
            "lineage.direct_io is '" + settings.direct_io + "'; it must be auto, on or off"};
  }
  return CheckHeld(spans);
}

Result<std::shared_ptr<const CaptureContext>> MakeContext(const LineageSettings& settings,
                                                          Store& store, Source& source,
                                                          const std::string& tmp_dir,
                                                          std::vector<Span> spans, int rank,
                                                          int ranks) {
  STEMMA_ASSIGN_OR_RETURN(Layout layout, Layout::Of(spans));
  const std::optional<TmpFolder> folder = ParseTmp(BaseOf(tmp_dir));
  if (!folder) return Status(Code::kInternal, tmp_dir + " is no incarnation's tmp folder");
  CaptureContext context{store, source, std::move(spans), std::move(layout), tmp_dir, folder->run};
  context.incarnation = folder->incarnation;
  context.rank = rank;
  context.ranks = ranks;
  context.per_rank = HasRole(context.spans, Role::kPerRank);
  context.sharded = HasRole(context.spans, Role::kSharded);
  context.writers = WritersFor(settings, context.layout, ranks, SpanPart::kChanging);
  if (FlatBytes(context.layout, SpanPart::kFrozen) > 0) {
    context.frozen_writers = WritersFor(settings, context.layout, ranks, SpanPart::kFrozen);
  }
  context.direct = settings.direct_io != "off";
  context.direct_required = settings.direct_io == "on";
  return std::make_shared<const CaptureContext>(std::move(context));
}

Result<std::shared_ptr<const CaptureContext>> WithSpans(const LineageSettings& settings,
                                                        const CaptureContext& before,
                                                        std::vector<Span> spans) {
  STEMMA_RETURN_IF_ERROR(CheckHeld(spans));
  if (!SameTensors(before.spans, spans)) {
    return Status(Code::kInvalidArgument,
                  "a capture was given other spans than the one before: while a training runs, "
                  "replicated ones may become frozen or trainable again, and nothing else");
  }
  return MakeContext(settings, before.store, before.source, before.tmp_dir, std::move(spans),
                     before.rank, before.ranks);
}

}  // namespace stemma::lineage
