#include "lineage/capture_report.h"

#include "core/bytes.h"
#include "lineage/shards.h"

namespace stemma::lineage {

std::string EncodePart(const PartReport& report) {
  Encoder out;
  out.U64(report.capture);
  out.U8(static_cast<uint8_t>(report.state));
  out.U64(report.audit);
  out.U8(report.has_pack ? 1 : 0);
  out.U32(report.pack.writer);
  out.U32(report.pack.writers);
  out.String(report.pack.pack);
  out.U64(report.pack.bytes);
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
  report.has_pack = in.U8() != 0;
  report.pack.writer = in.U32();
  report.pack.writers = in.U32();
  report.pack.pack = in.String();
  report.pack.bytes = in.U64();
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

Status CheckPacks(const std::vector<PackRef>& packs, uint32_t writers) {
  bool whole = packs.size() == writers;
  for (size_t i = 0; whole && i < packs.size(); ++i) {
    whole = packs[i].writer == i && packs[i].writers == writers;
  }
  if (whole) return {};
  return {Code::kInternal, "the ranks' packs are not one of each of " + std::to_string(writers) +
                               " writers: do ranks have different [lineage] settings?"};
}

Status CheckShards(const Layout& layout, const std::vector<PartReport>& reports) {
  std::vector<std::string> of_ranks;
  for (const PartReport& report : reports) of_ranks.push_back(report.held);
  return CheckAllHeld(layout, of_ranks);
}

PartState Together(const std::vector<PartReport>& reports) {
  PartState all = PartState::kWritten;
  for (const PartReport& report : reports) {
    if (report.state == PartState::kFailed || report.capture != reports.front().capture) {
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
    if (report.state != PartState::kFailed) continue;
    return {report.status.code(), "rank " + std::to_string(rank) + ": " + report.status.message()};
  }
  return {};
}

}  // namespace stemma::lineage
