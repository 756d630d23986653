#include "lineage/capture_report.h"

#include <algorithm>

#include "core/bytes.h"
#include "lineage/audit.h"
#include "lineage/shards.h"

namespace stemma::lineage {
namespace {

void PutPack(Encoder& out, const std::optional<PackRef>& pack) {
  out.U8(pack ? 1 : 0);
  if (!pack) return;
  out.U32(pack->writer);
  out.U32(pack->writers);
  out.String(pack->pack);
  out.U64(pack->bytes);
}

std::optional<PackRef> GetPack(Decoder& in) {
  if (in.U8() == 0) return std::nullopt;
  PackRef pack;
  pack.writer = in.U32();
  pack.writers = in.U32();
  pack.pack = in.String();
  pack.bytes = in.U64();
  return pack;
}

}  // namespace

std::string EncodePart(const PartReport& report) {
  Encoder out;
  out.U64(report.capture);
  out.U8(static_cast<uint8_t>(report.state));
  out.U64(report.audit);
  PutPack(out, report.pack);
  PutPack(out, report.frozen);
  out.String(report.layout);
  out.String(report.held);
  out.U8(static_cast<uint8_t>(report.status.code()));
  out.String(report.status.message());
  return out.Take();
}

Result<PartReport> DecodePart(std::string_view bytes) {
  Decoder in(bytes);
  PartReport report;
  report.capture = in.U64();
  report.state = static_cast<PartState>(in.U8());
  report.audit = in.U64();
  report.pack = GetPack(in);
  report.frozen = GetPack(in);
  report.layout = in.String();
  report.held = in.String();
  const Code code = static_cast<Code>(in.U8());
  report.status = Status(code, in.String());
  if (in.ok() && in.remaining() == 0) return report;
  return Status(Code::kInternal, "a rank's report of its capture cannot be read");
}

std::string EncodeVerdict(const Status& status, std::string_view payload) {
  Encoder out;
  out.U8(static_cast<uint8_t>(status.code()));
  out.String(status.message());
  out.String(payload);
  return out.Take();
}

Status DecodeVerdict(std::string_view bytes, std::string* payload) {
  Decoder in(bytes);
  const Code code = static_cast<Code>(in.U8());
  const std::string message = in.String();
  *payload = in.String();
  if (!in.ok()) return {Code::kInternal, "rank 0's verdict on a capture cannot be read"};
  return {code, message};
}

Result<std::vector<PackRef>> GatherPacks(const std::vector<PartReport>& reports,
                                         std::optional<PackRef> PartReport::*part,
                                         uint32_t writers) {
  std::vector<PackRef> packs;
  for (const PartReport& report : reports) {
    if (report.*part) packs.push_back(*(report.*part));
  }
  std::sort(packs.begin(), packs.end(),
            [](const PackRef& a, const PackRef& b) { return a.writer < b.writer; });
  bool whole = packs.size() == writers;
  for (size_t i = 0; whole && i < packs.size(); ++i) {
    whole = packs[i].writer == i && packs[i].writers == writers;
  }
  if (whole) return packs;
  return Status(Code::kInternal, "the ranks' packs are not one of each of " +
                                     std::to_string(writers) +
                                     " writers: do ranks have different [lineage] settings?");
}

Status CheckShards(const Layout& layout, const std::vector<PartReport>& reports) {
  std::vector<std::string> of_ranks;
  for (const PartReport& report : reports) of_ranks.push_back(report.held);
  return CheckAllHeld(layout, of_ranks);
}

std::string DifferingIn(const std::vector<PartReport>& reports) {
  std::vector<uint64_t> digests;
  for (const PartReport& report : reports) digests.push_back(report.audit);
  return DifferingRanks(digests);
}

PartState Together(const std::vector<PartReport>& reports) {
  PartState all = PartState::kWritten;
  for (const PartReport& report : reports) {
    if (report.state == PartState::kFailed || report.capture != reports.front().capture ||
        report.layout != reports.front().layout) {
      return PartState::kFailed;
    }
    if (report.state == PartState::kWorking) all = PartState::kWorking;
  }
  return all;
}

Status FirstFailure(const std::vector<PartReport>& reports) {
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    const PartReport& report = reports[rank];
    if (report.capture != reports.front().capture) {
      return {Code::kInternal, "rank " + std::to_string(rank) + " is at capture " +
                                   std::to_string(report.capture) + ", rank 0 at " +
                                   std::to_string(reports.front().capture)};
    }
    if (report.layout != reports.front().layout) {
      return {Code::kInternal, "rank " + std::to_string(rank) +
                                   " captures other spans than rank 0, or freezes others"};
    }
    if (report.state != PartState::kFailed) continue;
    return {report.status.code(), "rank " + std::to_string(rank) + ": " + report.status.message()};
  }
  return {};
}

}  // namespace stemma::lineage
