// Layouts. One structure has one encoding: what decodes is what its spans encode to.

#include "lineage/layout.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {

std::vector<std::string> Seeds() {
  const std::vector<lineage::Span> spans = tests::SampleSpans(300);
  return {lineage::Layout::Of(spans)->bytes(), lineage::Layout::Of({spans[0], spans[18]})->bytes(),
          lineage::Layout::Of({})->bytes()};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = stemma::fuzz::View(data, size);
  const auto layout = stemma::lineage::Layout::Decode(input);
  if (!layout.ok()) return 0;
  std::vector<stemma::lineage::Span> spans;
  for (const auto& span : layout->spans()) spans.push_back(span.span);
  const auto again = stemma::lineage::Layout::Of(spans);
  stemma::fuzz::Require(again.ok(), "the spans of a layout make a layout");
  stemma::fuzz::Require(again->bytes() == input, "one structure has one encoding");
  return 0;
}
