#include <limits>
#include <string>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/fields.h"
#include "lineage/record_codec.h"

#include <catch2/catch.hpp>
#include "tests/support/lineage_samples.h"
#include "tests/support/status_matchers.h"

namespace stemma::lineage {

using tests::HasCode;
using tests::IsOk;
using tests::SampleRecord;

namespace {

// A payload of these fields with the id that belongs to them.
std::string WithId(const std::string& fields) { return Sha256(fields) + fields; }

}  // namespace

TEST_CASE("a record comes back with every field") {
  Record record = SampleRecord();
  const auto payload = EncodeRecord(&record);
  REQUIRE_THAT(payload.status(), IsOk());
  const auto back = DecodeRecord(*payload);
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(back->id == record.id);
  CHECK(back->id.size() == 32);
  REQUIRE(back->parents.size() == 2);
  CHECK(back->parents[1].parent == record.parents[1].parent);
  CHECK(back->parents[1].kind == EdgeKind::kFork);
  CHECK(back->run == record.run);
  CHECK(back->run_name == "laptop");
  CHECK(back->incarnation == 3);
  CHECK(back->capture == 17);
  CHECK(back->layout == record.layout);
  REQUIRE(back->packs.size() == 2);
  CHECK(back->packs[1].writer == 1);
  CHECK(back->packs[1].writers == 2);
  CHECK(back->packs[1].pack == record.packs[1].pack);
  CHECK(back->packs[1].bytes == 12288);
  CHECK(back->logical_bytes == 20000);
  CHECK(back->step == 1200);
  CHECK(back->samples == 76800);
  CHECK(back->epoch == 1.5);
  CHECK(back->cursor.seed == 42);
  CHECK(back->cursor.epoch == 1);
  CHECK(back->cursor.sample == 38400);
  CHECK(back->settings == record.settings);
  CHECK(back->environment == record.environment);
  CHECK(back->plan_digest == record.plan_digest);
  CHECK(back->world == 2);
  CHECK(back->reason == Reason::kSignal);
  CHECK(back->metrics == record.metrics);
  CHECK(back->attributes == record.attributes);
  CHECK(back->timings.stall_s == 0.5);
  CHECK(back->timings.commit_lag_s == 0.0625);
  CHECK(back->audit == "ok");
  CHECK(back->wall_ms == 1700000000123);
}

TEST_CASE("a NaN loss and a record of few fields survive") {
  Record record = SampleRecord();
  record.parents.clear();
  record.metrics = {{"loss", std::numeric_limits<double>::quiet_NaN()}};
  record.attributes.clear();
  record.settings = record.environment = record.audit = record.plan_digest = "";
  const auto payload = EncodeRecord(&record);
  REQUIRE_THAT(payload.status(), IsOk());
  auto back = DecodeRecord(*payload);
  REQUIRE_THAT(back.status(), IsOk());
  CHECK(back->metrics["loss"] != back->metrics["loss"]);
  const auto again = EncodeRecord(&*back);
  REQUIRE_THAT(again.status(), IsOk());
  CHECK(*again == *payload);
}

TEST_CASE("changes of settings are part of the record, and no older program reads past them") {
  Record record = SampleRecord();
  const auto without = EncodeRecord(&record);
  const StateId plain = record.id;
  record.settings.changes = "lr = 2\n";
  const auto payload = EncodeRecord(&record);
  REQUIRE_THAT(payload.status(), IsOk());
  CHECK(record.id != plain);
  CHECK(DecodeRecord(*payload)->settings == record.settings);
  CHECK(payload->find(std::string("\x01\x80\x07\0\0\0lr = 2\n", 13)) != std::string::npos);
  CHECK(without->size() + 13 == payload->size());
  record.settings.blob.clear();
  CHECK_THAT(EncodeRecord(&record).status(),
             HasCode(Code::kInvalidArgument, "changes of no settings"));
  record.settings = Sha256("settings");
  record.settings.changes.assign(kTextMax + 1, 'x');
  CHECK_THAT(EncodeRecord(&record).status(), HasCode(Code::kInvalidArgument, "too many changes"));
}

TEST_CASE("a record of more ranks than there are anywhere is refused, before anybody counts them") {
  Record record = SampleRecord();
  record.world = kRanksMax;
  CHECK_THAT(EncodeRecord(&record).status(), IsOk());
  record.ranks_held = kRanksMax + 1;
  CHECK_THAT(EncodeRecord(&record).status(), HasCode(Code::kInvalidArgument, "too many ranks"));
}

TEST_CASE("the id changes with any field, and equal records have equal bytes") {
  Record a = SampleRecord(), b = SampleRecord();
  REQUIRE(*EncodeRecord(&a) == *EncodeRecord(&b));
  b.step += 1;
  CHECK_THAT(EncodeRecord(&b).status(), IsOk());
  CHECK(a.id != b.id);
}

TEST_CASE("what must not be written is refused by the encoder") {
  const auto fault = [](void (*spoil)(Record&)) {
    Record record = SampleRecord();
    spoil(record);
    return EncodeRecord(&record).status();
  };
  const auto refused = HasCode(Code::kInvalidArgument);
  CHECK_THAT(fault([](Record& r) { r.run = "x"; }), refused);
  CHECK_THAT(fault([](Record& r) { r.run_name = "a/b"; }), refused);
  CHECK_THAT(fault([](Record& r) { r.layout = "short"; }), refused);
  CHECK_THAT(fault([](Record& r) { r.packs.clear(); }), refused);
  CHECK_THAT(fault([](Record& r) { r.packs[0].writer = 2; }), refused);
  CHECK_THAT(fault([](Record& r) { r.frozen_packs = 2; }), refused);  // of two
  CHECK_THAT(fault([](Record& r) { r.parents[0].parent = ""; }), refused);
  CHECK_THAT(fault([](Record& r) { r.reason = static_cast<Reason>(77); }), refused);
  CHECK_THAT(fault([](Record& r) { r.world = 0; }), refused);
  CHECK_THAT(fault([](Record& r) { r.metrics[""] = 1; }), refused);
  CHECK_THAT(fault([](Record& r) { r.attributes["x"] = std::string(1 << 17, 'x'); }), refused);
}

TEST_CASE("a record that is cut or flipped at any byte is refused") {
  Record record = SampleRecord();
  const std::string good = *EncodeRecord(&record);
  for (size_t size = 0; size < good.size(); ++size) {
    REQUIRE_FALSE(DecodeRecord(good.substr(0, size)).ok());
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      REQUIRE_FALSE(DecodeRecord(bad).ok());
    }
  }
}

TEST_CASE("fields that are damaged but carry a right id neither crash nor pass unchecked") {
  Record record = SampleRecord();
  const std::string good = EncodeRecord(&record)->substr(32);
  for (size_t size = 0; size < good.size(); ++size) {
    (void)DecodeRecord(WithId(good.substr(0, size)));
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      auto back = DecodeRecord(WithId(bad));
      if (back.ok()) {
        REQUIRE_THAT(EncodeRecord(&*back).status(), IsOk());  // what is accepted can be written
      }
    }
  }
}

TEST_CASE("a later version's fields are skipped, its critical ones are not") {
  Record record = SampleRecord();
  const std::string fields = EncodeRecord(&record)->substr(32);
  FieldWriter later;
  later.Text(1000, "news");
  const auto skipped = DecodeRecord(WithId(fields + later.Take()));
  REQUIRE_THAT(skipped.status(), IsOk());
  CHECK(skipped->step == 1200);
  FieldWriter critical;
  critical.U8(kCriticalTag + 5, 1);
  CHECK_THAT(DecodeRecord(WithId(fields + critical.Take())).status(),
             HasCode(Code::kIncompatible, "newer version"));
}

TEST_CASE("a reader of fields takes them in order and refuses what is out of order") {
  FieldWriter out;
  out.U8(1, 7);
  out.U64(5, 1ull << 60);
  out.F64(9, -2.5);
  const std::string bytes = out.Take();
  FieldReader in(bytes);
  CHECK(in.U8(1) == 7);
  CHECK(in.U32(3) == 0);
  CHECK(in.U64(5) == 1ull << 60);
  CHECK(in.F64(9) == -2.5);
  CHECK(in.Text(11).empty());
  CHECK_THAT(in.Finish("x"), IsOk());

  FieldReader wrong(bytes);
  CHECK(wrong.U32(1) == 0);
  CHECK_THAT(wrong.Finish("x"), HasCode(Code::kCorruption));
  const std::string twice = bytes + bytes;
  FieldReader repeated(twice);
  CHECK_THAT(repeated.Finish("x"), HasCode(Code::kCorruption));
}

TEST_CASE("the other entries come back, and none crashes at any cut or flip") {
  const ObjectId id = Sha256("x");
  const OpenEntry open{tests::kSampleRun, "laptop", 2, "host", 99, "stemma 1", 5};
  const IntentEntry intent{id, {Sha256("a"), Sha256("b")}, "fork", 6};
  const WithdrawnEntry withdrawn{id, "fenced", 7};
  const CloseEntry close{"done", 8};
  const NoteEntry note{id, "rating", int64_t{-9}, 10, tests::kSampleRun, "me"};
  const TagTarget tag{id, "me", "best so far", 11};
  REQUIRE(DecodeOpen(*EncodeOpen(open))->run_name == "laptop");
  CHECK(DecodeOpen(*EncodeOpen(open))->pid == 99);
  CHECK(DecodeOpen(*EncodeOpen(open))->program == "stemma 1");
  REQUIRE(DecodeIntent(*EncodeIntent(intent))->objects.size() == 2);
  CHECK(DecodeIntent(*EncodeIntent(intent))->objects[1] == Sha256("b"));
  CHECK(DecodeWithdrawn(*EncodeWithdrawn(withdrawn))->state == id);
  CHECK(DecodeClose(*EncodeClose(close))->why == "done");
  CHECK(DecodeNote(*EncodeNote(note))->value == AttributeValue(int64_t{-9}));
  CHECK(DecodeNote(*EncodeNote(note))->clock == 10);
  CHECK(DecodeTagTarget(*EncodeTagTarget(tag))->why == "best so far");
  CHECK(DecodeTagTarget(*EncodeTagTarget(tag))->target == id);
  CHECK(DecodeTagTarget(*EncodeTagTarget({{}, "me", "gone", 1}))->target.empty());  // taken away

  const std::string all[] = {*EncodeOpen(open),           *EncodeIntent(intent),
                             *EncodeWithdrawn(withdrawn), *EncodeClose(close),
                             *EncodeNote(note),           *EncodeTagTarget(tag)};
  const auto decode = [](const std::string& bytes) {
    (void)DecodeOpen(bytes);
    (void)DecodeIntent(bytes);
    (void)DecodeWithdrawn(bytes);
    (void)DecodeClose(bytes);
    (void)DecodeNote(bytes);
    return DecodeTagTarget(bytes).ok();
  };
  for (const std::string& good : all) {
    for (size_t at = 0; at < good.size(); ++at) {
      CHECK_FALSE(decode(good.substr(0, at)));
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x41);
      CHECK_FALSE(decode(bad));
    }
  }
}

TEST_CASE("how many packs are of frozen spans is a field that old programs may skip") {
  Record record = tests::SampleRecord();
  const std::string plain = *EncodeRecord(&record);
  record.frozen_packs = 1;
  const std::string frozen = *EncodeRecord(&record);
  CHECK(frozen.size() == plain.size() + 6 + 4);
  CHECK(frozen.substr(frozen.size() - 10) == std::string("\x17\0\4\0\0\0\1\0\0\0", 10));
  CHECK(DecodeRecord(frozen)->frozen_packs == 1);
  CHECK(DecodeRecord(plain)->frozen_packs == 0);
}

TEST_CASE("entries that name nothing are refused") {
  const auto refused = HasCode(Code::kInvalidArgument);
  CHECK_THAT(EncodeOpen({}).status(), refused);
  CHECK_THAT(EncodeIntent({}).status(), refused);
  CHECK_THAT(EncodeWithdrawn({}).status(), refused);
  CHECK_THAT(EncodeNote({}).status(), refused);
  CHECK_THAT(EncodeTagTarget({"no id", "", "", 0}).status(), refused);
}

}  // namespace stemma::lineage
