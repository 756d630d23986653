// States out as safetensors files, and such files in: the bits are the same on both ways, whoever
// wrote the packs and wherever the disk fails.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/export.h"
#include "lineage/faulty_storage.h"
#include "lineage/fsck.h"
#include "lineage/graph.h"
#include "lineage/import.h"
#include "lineage/memory_storage.h"
#include "lineage/reader/state_reader.h"
#include "lineage/restore.h"
#include "lineage/safetensors.h"

#include "tests/support/spawn.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"
#include "tests/support/thread_cohort.h"
#include "tests/support/toy_state.h"

namespace stemma::lineage {
namespace {

using tests::CohortRoom;
using tests::HasCode;
using tests::IsOk;
using tests::SpawnRanks;
using tests::ThreadCohort;
using tests::ToyRank;
using tests::ToySpans;

// Every dtype, a tensor that three writers cut, a scalar, an empty one, an optimizer, what every
// rank has one of, and the loop's own.
std::vector<Span> AllKinds() {
  std::vector<Span> spans = {ToySpans::MakeSpan("cut", "params", DType::kF32, {97, 83}),
                             ToySpans::MakeSpan("scale", "params", DType::kF32, {}),
                             ToySpans::MakeSpan("none", "params", DType::kF32, {0, 4})};
  int64_t count = 3;
  for (const DType dtype : {DType::kU8, DType::kI8, DType::kBool, DType::kI16, DType::kI32,
                            DType::kI64, DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    const std::string name = "b." + std::string(NameOf(dtype));
    spans.push_back(ToySpans::MakeSpan(name, "buffers", dtype, {++count}));
  }
  spans.push_back(ToySpans::MakeSpan("optim/m/cut", "optim/m", DType::kF32, {97, 83}));
  spans.push_back(ToySpans::MakeSpan("optim/v/cut", "optim/v", DType::kF32, {97, 83}));
  spans.push_back(ToySpans::MakeSpan("train", "small", DType::kU8, {64}));
  spans.push_back(ToySpans::MakeSpan("noise", "buffers", DType::kU8, {13}));
  spans.back().role = Role::kPerRank;
  return spans;
}

// A store with the state base@10, whose bytes are ToySpans', written by `ranks` ranks.
struct OneState {
  MemoryStorage disk;
  std::unique_ptr<Store> store = OpenStore(disk);
  std::vector<Span> spans;
  Record record;

  explicit OneState(int ranks, std::vector<Span> what = AllKinds()) : spans(std::move(what)) {
    LineageSettings settings;
    settings.writer_bytes_min = 1024;
    CohortRoom room(ranks);
    const auto statuses = SpawnRanks(ranks, [&](int rank) -> Status {
      ThreadCohort cohort(room, rank);
      ToySpans state(spans, rank);
      ToyRank toy{*store, cohort, state, nullptr, nullptr};
      STEMMA_RETURN_IF_ERROR(toy.Begin("base", false, settings));
      return toy.CaptureStep(10, std::nullopt).status();
    });
    for (const Status& status : statuses) REQUIRE_THAT(status, IsOk());
    record = store->Load()->states.begin()->second;
    REQUIRE(record.packs.size() == static_cast<size_t>(ranks));
  }

  std::string Bytes(const std::string& name) const {
    ToySpans want(spans, 0);
    want.Fill(10);
    for (size_t i = 0; i < spans.size(); ++i) {
      if (spans[i].name == name) return want.bytes[i];
    }
    return "no such span";
  }
};

// A safetensors file taken apart.
struct Opened {
  SafetensorsHeader header;
  std::map<std::string, std::string> tensors;
  std::map<std::string, SafetensorsEntry> entries;
};

Opened Open(const std::string& file) {
  const uint64_t json = Decoder(file).U64();
  CHECK(json % 8 == 0);
  const std::string data = file.substr(8 + json);
  const auto parsed = ParseSafetensors(std::string_view(file).substr(8, json), data.size());
  REQUIRE_THAT(parsed.status(), IsOk());
  Opened opened;
  opened.header = *parsed;
  for (const SafetensorsEntry& entry : parsed->entries) {
    opened.tensors[entry.name] = data.substr(entry.begin, entry.end - entry.begin);
    opened.entries[entry.name] = entry;
    CHECK(entry.begin % SizeOf(entry.dtype) == 0);
  }
  return opened;
}

std::string FileOf(const std::string& json, const std::string& data) {
  Encoder length;
  length.U64(json.size());
  return length.bytes() + json + data;
}

Status PutFile(Storage& storage, const std::string& path, const std::string& bytes) {
  return WriteDurable(storage, path, bytes);
}

TEST_CASE("an exported file has whole tensors of every dtype, whoever wrote the packs") {
  for (const int ranks : {1, 3}) {
    INFO(ranks << " writers");
    const OneState one(ranks);
    const auto report = ExportSafetensors(*one.store, one.record, "/m.safetensors", {});
    REQUIRE_THAT(report.status(), IsOk());
    const std::string file = *one.store->storage().ReadAll("/m.safetensors");
    CHECK(report->bytes == file.size());
    CHECK(report->tensors == 13);
    CHECK(report->left_out == 2);  // "train" and "noise"
    const Opened opened = Open(file);
    CHECK(opened.tensors.size() == 13);
    for (const auto& [name, bytes] : opened.tensors) {
      INFO(name);
      CHECK((bytes == one.Bytes(name)));
    }
    CHECK(opened.entries.at("cut").shape == std::vector<uint64_t>{97, 83});
    CHECK(opened.entries.at("scale").shape.empty());
    CHECK(opened.entries.at("none").shape == std::vector<uint64_t>{0, 4});
    const auto& metadata = opened.header.metadata;
    CHECK(metadata.at("format") == "pt");
    CHECK(metadata.at("stemma.state") == Hex(one.record.id));
    CHECK(metadata.at("stemma.run") == "base");
    CHECK(metadata.at("stemma.step") == "10");
  }
}

TEST_CASE("the optimizer goes to a file of its own, and a state without one says so") {
  const OneState one(3);
  ExportOptions options;
  options.part = ExportPart::kOptimizer;
  REQUIRE_THAT(ExportSafetensors(*one.store, one.record, "/o", options).status(), IsOk());
  const Opened opened = Open(*one.store->storage().ReadAll("/o"));
  CHECK(opened.tensors.size() == 2);
  CHECK((opened.tensors.at("optim/m/cut") == one.Bytes("optim/m/cut")));
  CHECK((opened.tensors.at("optim/v/cut") == one.Bytes("optim/v/cut")));
  const OneState bare(1, {ToySpans::MakeSpan("w", "params", DType::kF32, {4})});
  CHECK_THAT(ExportSafetensors(*bare.store, bare.record, "/o", options).status(),
             HasCode(Code::kNotFound, "no optimizer state"));
}

// What bf16 makes of an f32: the upper half, but a NaN stays one.
TEST_CASE("bf16 keeps the upper half, and a NaN with a low payload stays a NaN") {
  const struct {
    uint32_t f32;
    uint16_t bf16;
    bool quieted;
  } cases[] = {
      {0x3f800000, 0x3f80, false},                               // 1
      {0x3f80ffff, 0x3f80, false},                               // rounded toward zero
      {0xbf80ffff, 0xbf80, false}, {0x7f800000, 0x7f80, false},  // infinity
      {0xff800000, 0xff80, false}, {0x7f800001, 0x7fc0, true},  // NaN, payload in the low half only
      {0xff80ffff, 0xffc0, true},  {0x7fa00001, 0x7fa0, false},  // NaN, payload in both
      {0x7fc00000, 0x7fc0, false},                               // quiet NaN
      {0x00000001, 0x0000, false},                               // a subnormal goes to zero
  };
  std::string json = R"({"x":{"dtype":"F32","shape":[10],"data_offsets":[0,40]},)"
                     R"("n":{"dtype":"I64","shape":[1],"data_offsets":[40,48]}})";
  Encoder data;
  for (const auto& one : cases) data.U32(one.f32);
  data.I64(-7);
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  REQUIRE_THAT(PutFile(disk, "/in", FileOf(json, data.bytes())), IsOk());
  const auto imported = ImportTensors(*store, "/in", {"w", 0});
  REQUIRE_THAT(imported.status(), IsOk());
  const Record record = MustLoad(*store).states.at(imported->id);
  ExportOptions options;
  options.bf16 = true;
  const auto report = ExportSafetensors(*store, record, "/out", options);
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->quieted == 2);
  const Opened opened = Open(*disk.ReadAll("/out"));
  CHECK(opened.entries.at("x").dtype == DType::kBF16);
  CHECK(opened.entries.at("n").dtype == DType::kI64);
  Decoder narrow(opened.tensors.at("x"));
  for (const auto& one : cases) {
    INFO(std::hex << one.f32);
    CHECK(narrow.U16() == one.bf16);
  }
}

TEST_CASE("an imported file is a root that comes back bit for bit") {
  const OneState one(3);
  Store& store = *one.store;
  REQUIRE_THAT(ExportSafetensors(store, one.record, "/a", {}).status(), IsOk());
  const auto imported = ImportTensors(store, "/a", {"pretrained", 5});
  REQUIRE_THAT(imported.status(), IsOk());
  const std::string file = *store.storage().ReadAll("/a");
  CHECK(imported->sha256 == Sha256(file));
  const Graph graph = MustLoad(store);
  CHECK(*Resolve(graph, "pretrained@5") == imported->id);
  CHECK(graph.runs.at("pretrained").head == imported->id);
  const Record& record = graph.states.at(imported->id);
  CHECK(record.parents.empty());
  CHECK(HowMade(record) == EdgeKind::kImport);
  CHECK(HowMade(one.record) == EdgeKind::kTrain);
  CHECK(std::get<std::string>(record.attributes.at(kImportFile)) == "a");
  CHECK(std::get<std::string>(record.attributes.at("import.sha256")) == Hex(Sha256(file)));
  REQUIRE_THAT(ExportSafetensors(store, record, "/b", {}).status(), IsOk());
  const Opened before = Open(file), after = Open(*store.storage().ReadAll("/b"));
  CHECK((before.tensors == after.tensors));
  for (const auto& [name, entry] : before.entries) {
    CHECK(after.entries.at(name).shape == entry.shape);
    CHECK(after.entries.at(name).dtype == entry.dtype);
  }
  const auto report = Fsck(store, {true});
  REQUIRE_THAT(report.status(), IsOk());
  CHECK(report->errors == std::vector<std::string>());
  // Training on it is refused with the reason.
  ToySpans program(one.spans, 0);
  SoloCohort solo;
  const Status refused = Restore(store, record, one.spans, program, solo);
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "imported as tensors alone"));
  CHECK_THAT(refused, HasCode(Code::kIncompatible, "optim/m/cut"));
}

TEST_CASE("what is no model is refused before a run is begun") {
  const std::string good = R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  const struct {
    std::string file;
    Code code;
    const char* message;
  } cases[] = {
      {"", Code::kCorruption, "0 bytes"},
      {"1234567", Code::kCorruption, "7 bytes"},
      {std::string(8, '\xff'), Code::kCorruption, "length of a header"},
      {FileOf(good, "abcd").substr(0, 20), Code::kCorruption, "length of a header"},
      {FileOf(good, "abc"), Code::kCorruption, "cover"},
      {FileOf(good, "abcde"), Code::kCorruption, "cover"},
      {FileOf("{}", ""), Code::kInvalidArgument, "no tensor"},
      {FileOf(R"({"x":{"dtype":"F4","shape":[4],"data_offsets":[0,4]}})", "abcd"),
       Code::kCorruption, "dtype 'F4'"},
      {FileOf(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,8]}})", "abcdefgh"),
       Code::kCorruption, "disagree"},
      {FileOf(R"({"x y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abcd"),
       Code::kInvalidArgument, "x y"},
      {FileOf(R"({"__stemma.x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abcd"),
       Code::kInvalidArgument, "__stemma."},
      {FileOf(R"({"x":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}})", ""),
       Code::kInvalidArgument, "impossible shape"},
  };
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  for (const auto& one : cases) {
    INFO(one.message);
    if (disk.Exists("/in")) REQUIRE_THAT(disk.Remove("/in"), IsOk());
    REQUIRE_THAT(PutFile(disk, "/in", one.file), IsOk());
    CHECK_THAT(ImportTensors(*store, "/in", {"w", 0}).status(), HasCode(one.code, one.message));
  }
  CHECK_THAT(ImportTensors(*store, "/absent", {"w", 0}).status(), HasCode(Code::kNotFound));
  const OneState state(1);
  const std::string pack = state.store->PackPath(state.record.packs[0].pack);
  CHECK_THAT(ImportTensors(*state.store, pack, {"w", 0}).status(),
             HasCode(Code::kInvalidArgument, "stemma export"));
  REQUIRE_THAT(disk.Remove("/in"), IsOk());
  REQUIRE_THAT(PutFile(disk, "/in", FileOf(good, "abcd")), IsOk());
  CHECK_THAT(ImportTensors(*store, "/in", {"", 0}).status(), HasCode(Code::kInvalidArgument));
  CHECK_THAT(ImportTensors(*store, "/in", {"w", -1}).status(),
             HasCode(Code::kInvalidArgument, "step"));
  CHECK(MustLoad(*store).runs.empty());
  REQUIRE_THAT(ImportTensors(*store, "/in", {"w", 0}).status(), IsOk());
  CHECK_THAT(ImportTensors(*store, "/in", {"w", 0}).status(),
             HasCode(Code::kInvalidArgument, "'w' exists"));
}

TEST_CASE("export replaces nothing unasked, and says which tensor is damaged") {
  OneState one(1);
  REQUIRE_THAT(PutFile(one.disk, "/m", "mine"), IsOk());
  CHECK_THAT(ExportSafetensors(*one.store, one.record, "/m", {}).status(),
             HasCode(Code::kInvalidArgument, "--force"));
  CHECK(*one.disk.ReadAll("/m") == "mine");
  const std::string pack = one.store->PackPath(one.record.packs[0].pack);
  const uint64_t data = 8 + Decoder(*one.disk.ReadAt(pack, 0, 8)).U64();
  REQUIRE(one.disk.Flip(pack, data + 5));
  ExportOptions replace;
  replace.replace = true;
  const Status damaged = ExportSafetensors(*one.store, one.record, "/m", replace).status();
  CHECK_THAT(damaged, HasCode(Code::kCorruption, "base@10"));
  CHECK_THAT(damaged, HasCode(Code::kCorruption, "do not have their digest"));
  CHECK(*one.disk.ReadAll("/m") == "mine");
  REQUIRE(one.disk.Flip(pack, data + 5));
  REQUIRE_THAT(ExportSafetensors(*one.store, one.record, "/m", replace).status(), IsOk());
  CHECK(Open(*one.disk.ReadAll("/m")).tensors.size() == 13);
}

TEST_CASE("wherever the disk fails or the machine dies, an export is whole or not there") {
  for (const Fault fault :
       {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite, Fault::kDieHalf, Fault::kDieAfter}) {
    for (uint64_t n = 1;; ++n) {
      INFO("change " << n << ", fault " << static_cast<int>(fault));
      OneState one(1, {ToySpans::MakeSpan("w", "params", DType::kF32, {300})});
      FaultyStorage faulty(one.disk);
      const auto store = OpenStore(faulty);
      faulty.FailAt(n, fault);
      const Status status = ExportSafetensors(*store, one.record, "/m", {}).status();
      const bool died = fault == Fault::kDieHalf || fault == Fault::kDieAfter;
      if (died) one.disk.Crash();
      if (!faulty.fired()) {
        REQUIRE_THAT(status, IsOk());
        break;
      }
      CHECK_FALSE(status.ok());
      if (one.disk.Exists("/m")) {
        CHECK((Open(*one.disk.ReadAll("/m")).tensors.at("w") == one.Bytes("w")));
      }
      size_t strays = 0;
      const std::vector<std::string> names = *one.disk.List("/");
      for (const std::string& name : names) strays += name != "store" && name != "m";
      if (!died) CHECK(strays == 0);
    }
  }
}

TEST_CASE("wherever the disk fails or the machine dies, an import is whole or no state") {
  const std::string file =
      FileOf(R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", "abcdefghijklmnop");
  for (const Fault fault :
       {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite, Fault::kDieHalf, Fault::kDieAfter}) {
    for (uint64_t n = 1;; ++n) {
      INFO("change " << n << ", fault " << static_cast<int>(fault));
      MemoryStorage disk;
      REQUIRE_THAT(PutFile(disk, "/in", file), IsOk());
      { const auto made = OpenStore(disk); }
      FaultyStorage faulty(disk);
      const auto store = OpenStore(faulty);
      faulty.FailAt(n, fault);
      const auto imported = ImportTensors(*store, "/in", {"w", 0});
      if (fault == Fault::kDieHalf || fault == Fault::kDieAfter) disk.Crash();
      const auto after = OpenStore(disk);
      const Graph graph = MustLoad(*after);
      if (imported.ok()) REQUIRE(graph.states.count(imported->id) == 1);
      for (const auto& [id, record] : graph.states) {
        CHECK(*ReadSpan(*after, record, "x") == "abcdefghijklmnop");
      }
      const auto report = Fsck(*after, {true});
      REQUIRE_THAT(report.status(), IsOk());
      CHECK(report->errors == std::vector<std::string>());
      if (!faulty.fired()) break;
    }
  }
}

}  // namespace
}  // namespace stemma::lineage
