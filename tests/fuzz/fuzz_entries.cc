// What frames and tags hold. The digests that a record and a tag begin or end with are made to fit.

#include "core/digest.h"
#include "lineage/record_codec.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

constexpr std::string_view kTagMagic = "STMTAG1\n";

// What was decoded encodes, and that decodes to what encodes alike. (Not to the same bytes as the
// input: a reader skips fields that it does not know.)
template <typename Decode, typename Encode>
void RoundTrip(const std::string& bytes, Decode decode, Encode encode) {
  auto entry = decode(bytes);
  if (!entry.ok()) return;
  const Result<std::string> first = encode(*entry);
  Require(first.ok(), "what was decoded encodes");
  auto again = decode(*first);
  Require(again.ok(), "what was encoded decodes");
  const Result<std::string> second = encode(*again);
  Require(second.ok() && *second == *first, "and encodes alike");
}

void Decode(uint8_t choice, const std::string& body) {
  switch (choice) {
    case 0:
      return RoundTrip(Sha256(body) + body, lineage::DecodeRecord,
                       [](lineage::Record record) { return lineage::EncodeRecord(&record); });
    case 1:
      return RoundTrip(body, lineage::DecodeOpen, lineage::EncodeOpen);
    case 2:
      return RoundTrip(body, lineage::DecodeIntent, lineage::EncodeIntent);
    case 3:
      return RoundTrip(body, lineage::DecodeWithdrawn, lineage::EncodeWithdrawn);
    case 4:
      return RoundTrip(body, lineage::DecodeClose, lineage::EncodeClose);
    case 5:
      return RoundTrip(body, lineage::DecodeNote, lineage::EncodeNote);
    case 6: {
      const std::string file = std::string(kTagMagic) + body;
      return RoundTrip(file + Xxh128(file), lineage::DecodeTagTarget, lineage::EncodeTagTarget);
    }
    default:  // a record under any id
      (void)lineage::DecodeRecord(body);
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string id = Sha256("x");
  lineage::Record record = tests::SampleRecord();
  const std::string state = *lineage::EncodeRecord(&record);
  const std::string tag = *lineage::EncodeTagTarget({id, "me", "best so far", 11});
  const size_t magic = kTagMagic.size();
  return {
      std::string("\0", 1) + state.substr(kSha256Bytes),
      "\1" + *lineage::EncodeOpen({tests::kSampleRun, "laptop", 3, "host", 99, "stemma 1", 5}),
      "\2" + *lineage::EncodeIntent({id, {Sha256("a"), Sha256("b")}, "fork", 6}),
      "\3" + *lineage::EncodeWithdrawn({id, "fenced", 7}),
      "\4" + *lineage::EncodeClose({"done", 8}),
      "\5" + *lineage::EncodeNote({id, "rating", 0.5, 10, tests::kSampleRun, "me"}),
      "\5" + *lineage::EncodeNote({id, "why", std::string("text"), 10, tests::kSampleRun, "me"}),
      "\6" + tag.substr(magic, tag.size() - magic - kXxh128Bytes),
      "\7" + state};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = stemma::fuzz::View(data, size);
  const uint8_t choice = stemma::fuzz::TakeChoice(&input, 8);
  stemma::fuzz::Decode(choice, std::string(input));
  return 0;
}
