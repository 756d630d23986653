#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/digest.h"
#include "core/text.h"
#include "lineage/layout.h"

#include <catch2/catch.hpp>
#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::HasCode;
using tests::IsOk;
using tests::MakeSpan;
using tests::SampleSpans;

TEST_CASE("a layout comes back from its bytes, with the same id") {
  const auto made = Layout::Of(SampleSpans(1000));
  REQUIRE_THAT(made.status(), IsOk());
  const auto back = Layout::Decode(made->bytes());
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(back->bytes() == made->bytes());
  CHECK(back->id() == Sha256(made->bytes()));
  REQUIRE(back->spans().size() == made->spans().size());
  for (size_t i = 0; i < back->spans().size(); ++i) {
    const LayoutSpan &a = made->spans()[i], &b = back->spans()[i];
    INFO(a.span.name);
    CHECK(a.span.name == b.span.name);
    CHECK(a.span.section == b.span.section);
    CHECK(a.span.dtype == b.span.dtype);
    CHECK(a.span.shape == b.span.shape);
    CHECK(a.span.role == b.span.role);
    CHECK(a.span.on_reshape == b.span.on_reshape);
    CHECK(a.offset == b.offset);
    CHECK(b.offset % kSpanAlign == 0);
    CHECK(back->Find(a.span.name) == i);
  }
  CHECK_FALSE(back->Find("nobody").has_value());
}

TEST_CASE("sections keep the order of their first spans, and spans lie at multiples of 64") {
  const auto layout = Layout::Of({MakeSpan("a", "params", DType::kF32, {3}),
                                  MakeSpan("m/a", "optim/m", DType::kF32, {3}),
                                  MakeSpan("b", "params", DType::kF32, {16}),
                                  MakeSpan("r", "params", DType::kU8, {9}, Role::kPerRank),
                                  MakeSpan("c", "params", DType::kU8, {1})});
  REQUIRE_THAT(layout.status(), IsOk());
  REQUIRE(layout->sections().size() == 2);
  CHECK(layout->sections()[0].name == "params");
  CHECK(layout->sections()[0].bytes == 129);
  CHECK(layout->sections()[1].bytes == 12);
  CHECK(layout->spans()[2].offset == 64);
  CHECK(layout->spans()[4].offset == 128);
  CHECK(layout->LogicalBytes(3) == 12 + 12 + 64 + 27 + 1);
}

TEST_CASE("spans that make no sense are refused by name") {
  const auto fault = [](const Span& span) { return Layout::Of({span}).status(); };
  const auto good = MakeSpan("w", "params", DType::kF32, {2});
  CHECK_THAT(fault(good), IsOk());
  for (const char* name :
       {"", "__stemma.lo/w", "__metadata__", "a b", "a[0:1]", "a\"", "a\\", "\n", "\xc3\xa4"}) {
    Span bad = good;
    bad.name = name;
    CHECK_THAT(fault(bad), HasCode(Code::kInvalidArgument, "span '" + Printable(name) + "'"));
  }
  CHECK_THAT(Layout::Of({good, good}).status(), HasCode(Code::kInvalidArgument, "twice"));
  CHECK_THAT(fault(MakeSpan("w", "params", DType::kF32, {-1})), HasCode(Code::kInvalidArgument));
  CHECK_THAT(fault(MakeSpan("w", "params", DType::kF32, {1ll << 40, 1ll << 40})),
             HasCode(Code::kInvalidArgument, "too large"));
  CHECK_THAT(fault(MakeSpan("w", "params", DType::kF32, {0, 1ll << 62, 1ll << 62})), IsOk());
  CHECK_THAT(fault(MakeSpan("w", "params", static_cast<DType>(99), {2})),
             HasCode(Code::kInvalidArgument, "dtype"));
  CHECK_THAT(fault(MakeSpan("w", "", DType::kF32, {2})), HasCode(Code::kInvalidArgument));
}

TEST_CASE("no layout that is cut short or flipped at any byte passes for the same content") {
  const auto layout = Layout::Of(SampleSpans(50));
  REQUIRE_THAT(layout.status(), IsOk());
  const std::string good = layout->bytes();
  for (size_t size = 0; size < good.size(); ++size) {
    REQUIRE_FALSE(Layout::Decode(good.substr(0, size)).ok());
  }
  CHECK_FALSE(Layout::Decode(good + "x").ok());
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int mask : {1, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ mask);
      const auto decoded = Layout::Decode(bad);
      if (decoded.ok()) REQUIRE(decoded->id() != layout->id());  // another layout, by name
    }
  }
}

TEST_CASE("writers own disjoint ranges that cover every byte once, cut between elements") {
  const auto layout = Layout::Of(SampleSpans(100'003));
  REQUIRE_THAT(layout.status(), IsOk());
  for (const uint32_t writers : {1u, 2u, 3u, 7u, 64u}) {
    std::map<uint32_t, std::vector<SpanRange>> by_span;
    for (uint32_t writer = 0; writer < writers; ++writer) {
      for (const SpanRange& range : OwnedBy(*layout, writer, writers)) {
        by_span[range.span].push_back(range);
      }
    }
    for (uint32_t i = 0; i < layout->spans().size(); ++i) {
      const Span& span = layout->spans()[i].span;
      const size_t element = SizeOf(span.dtype);
      uint64_t at = 0;
      for (const SpanRange& range : by_span[i]) {
        CHECK(range.offset == at);
        CHECK(range.bytes % element == 0);
        at += range.bytes;
      }
      CHECK(at == (span.role == Role::kPerRank ? 0 : static_cast<uint64_t>(span.bytes())));
    }
  }
}

TEST_CASE("frozen spans and all others are cut apart, each evenly and as if alone") {
  std::vector<Span> spans, frozen, others;
  for (int i = 0; i < 40; ++i) {
    const Role role = i % 4 == 3 ? Role::kReplicated : Role::kFrozen;
    spans.push_back(MakeSpan("s" + std::to_string(i), "params", DType::kF32, {20'001}, role));
    (role == Role::kFrozen ? frozen : others).push_back(spans.back());
  }
  const Layout layout = *Layout::Of(spans);
  for (const auto& [part, alone] : {std::pair(SpanPart::kFrozen, *Layout::Of(frozen)),
                                    std::pair(SpanPart::kChanging, *Layout::Of(others))}) {
    CHECK(FlatBytes(layout, part) == alone.sections()[0].bytes);
    for (const uint32_t writers : {1u, 3u, 8u}) {
      for (uint32_t writer = 0; writer < writers; ++writer) {
        const std::vector<SpanRange> mine = OwnedBy(layout, writer, writers, part);
        const std::vector<SpanRange> same = OwnedBy(alone, writer, writers);
        REQUIRE(mine.size() == same.size());
        for (size_t i = 0; i < mine.size(); ++i) {
          CHECK(layout.spans()[mine[i].span].span.name == alone.spans()[same[i].span].span.name);
          CHECK(mine[i].offset == same[i].offset);
          CHECK(mine[i].bytes == same[i].bytes);
        }
      }
    }
  }
}

TEST_CASE("writers are balanced to one percent even if one tensor is 90 % of the model") {
  std::vector<Span> spans = {MakeSpan("big", "params", DType::kF32, {9'000'000})};
  for (int i = 0; i < 100; ++i) {
    spans.push_back(MakeSpan("s" + std::to_string(i), "params", DType::kF32, {10'001}));
  }
  const auto layout = Layout::Of(spans);
  REQUIRE_THAT(layout.status(), IsOk());
  for (const uint32_t writers : {2u, 3u, 8u}) {
    uint64_t largest = 0, total = 0;
    for (uint32_t writer = 0; writer < writers; ++writer) {
      uint64_t mine = 0;
      for (const SpanRange& range : OwnedBy(*layout, writer, writers)) mine += range.bytes;
      largest = std::max(largest, mine);
      total += mine;
    }
    CHECK(total == layout->LogicalBytes(1));
    CHECK(static_cast<double>(largest) * writers <= 1.01 * static_cast<double>(total));
  }
}

TEST_CASE("the range of a writer does not overflow and ends exactly at the section's end") {
  const uint64_t huge = kSectionBytesMax - 1;
  CHECK(WriterRange(huge, 65535, 65536).end == huge);
  CHECK(WriterRange(huge, 0, 65536).begin == 0);
  CHECK(WriterRange(100, 0, 2).end == 0);  // less than 4 KiB is never cut
  CHECK(WriterRange(100, 1, 2).end == 100);
  CHECK(WriterRange(8192, 0, 2).end == 4096);
}

}  // namespace stemma::lineage
