// Weights of other programs as states, and back: names, what fits another state, and every bit.
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/export.h"
#include "lineage/graph.h"
#include "lineage/import.h"
#include "lineage/memory_storage.h"
#include "lineage/reader/state_reader.h"
#include "lineage/weights/name_map.h"
#include "lineage/weights/tensor_file.h"
#include "lineage/weights/torch_writer.h"
#include "tests/unit/lineage/tensor_files.h"

#include "tests/support/status_matchers.h"
#include "tests/support/store_steps.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;

TEST_CASE("names are mapped by the first rule that fits, and slips are said") {
  auto map = NameMap::Parse(
      "# a comment\nfc.* - # left out\nbackbone.*.bn *.norm\n*.gamma *.weight"
      "\nbackbone.* *\nx y\n");
  REQUIRE_THAT(map.status(), IsOk());
  CHECK(map->Apply("fc.weight").empty());
  CHECK(map->Apply("backbone.l1.bn") == "l1.norm");
  CHECK(map->Apply("backbone.gamma") == "backbone.weight");
  CHECK(map->Apply("backbone.").empty());
  CHECK(map->Apply("other") == "other");
  CHECK(map->Unused() == std::vector<std::string>{"x y"});
  for (const char* bad : {"", "# only\n", "a\n", "a b c\n", "a* b**\n", "a *\n", "*a* b\n"}) {
    INFO(bad);
    CHECK(NameMap::Parse(bad).status().code() == Code::kInvalidArgument);
  }
  CHECK_THAT(NameMap::Parse("a b\n\na\n").status(), HasCode(Code::kInvalidArgument, "line 3"));
}

TEST_CASE("axes change places by a map's third word") {
  for (const char* bad :
       {"k w 1,1", "k w 0,2", "k w 0,", "k w ,", "k w 01", "k - 0,1", "k w 0 1"}) {
    INFO(bad);
    CHECK(NameMap::Parse(bad).status().code() == Code::kInvalidArgument);
  }
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  std::string json = R"({"k":{"dtype":"F32","shape":[2,1,3],"data_offsets":[0,24]},)"
                     R"("v":{"dtype":"F32","shape":[1],"data_offsets":[24,28]}})";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  Encoder file;
  file.U64(json.size());
  file.Raw(json);
  const std::vector<float> values = {0, 1, 2, 3, 4, 5, 9}, turned = {0, 3, 1, 4, 2, 5};
  const auto bytes_of = [](const std::vector<float>& v) {
    return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
  };
  file.Raw(bytes_of(values));
  Put(disk, "/k.safetensors", file.bytes());
  ImportOptions options;
  options.run = "turned";
  options.map = "k w 2,0,1\n";
  const auto imported = ImportTensors(*store, "/k.safetensors", options);
  REQUIRE_THAT(imported.status(), IsOk());
  const Record record = MustLoad(*store).states.at(imported->id);
  const auto state = StateReader::Open(*store, record);
  REQUIRE_THAT(state.status(), IsOk());
  const auto place = (*state)->layout().Find("w");
  REQUIRE(place.has_value());
  CHECK((*state)->layout().spans()[*place].span.shape == std::vector<int64_t>{3, 2, 1});
  const auto kernel = (*state)->Read("w"), other = (*state)->Read("v");
  REQUIRE_THAT(kernel.status(), IsOk());
  REQUIRE_THAT(other.status(), IsOk());
  CHECK(*kernel == bytes_of(turned));
  CHECK(*other == bytes_of({9}));
  options.run = "wrong";
  options.map = "v v 1,0\n";
  CHECK_THAT(ImportTensors(*store, "/k.safetensors", options).status(),
             HasCode(Code::kInvalidArgument, "'v' has 1 axes, and its rule in the map orders 2"));
}

TEST_CASE("a state goes out to torch's form and comes back, by names, and as another has them") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  Put(disk, "/in.pt", ReadGolden("protocol2.pt"));
  const auto first = ImportTensors(*store, "/in.pt", {"w", 3});
  REQUIRE_THAT(first.status(), IsOk());
  CHECK(first->tensors == 19);
  const Record record = MustLoad(*store).states.at(first->id);
  CHECK(HowMade(record) == EdgeKind::kImport);
  CHECK(std::get<std::string>(record.attributes.at("import.sha256")) ==
        Hex(Sha256(ReadGolden("protocol2.pt"))));
  const auto report = ExportTorch(*store, record, "/out.pt", {});
  REQUIRE_THAT(report.status(), IsOk());
  const std::string out = *disk.ReadAll("/out.pt");
  CHECK(report->bytes == out.size());
  CHECK(out.find("\"stemma.state\":\"" + Hex(first->id)) != std::string::npos);
  const auto before = OpenTensorFile(disk, "/in.pt", "");
  const auto after = OpenTensorFile(disk, "/out.pt", "");
  REQUIRE_THAT(after.status(), IsOk());
  const auto want = ReadAll(**before), got = ReadAll(**after, 1000);
  REQUIRE(want.size() == got.size());
  for (const auto& [name, one] : want) {
    INFO(name);
    CHECK((got.at(name).bytes == one.bytes));
    CHECK(got.at(name).about.shape == one.about.shape);
    CHECK(got.at(name).about.dtype == one.about.dtype);
  }
  CHECK_THAT(ExportTorch(*store, record, "/out.pt", {}).status(),
             HasCode(Code::kInvalidArgument, "--force"));

  ImportOptions options{"fitted", 0};
  options.like = record;
  REQUIRE_THAT(ImportTensors(*store, "/out.pt", options).status(), IsOk());
  options.run = "renamed";
  options.map = "plain flat\nrow scalar2\nscalar row\ntype.* -\nno.such x\n";
  const Status refused = ImportTensors(*store, "/out.pt", options).status();
  CHECK_THAT(refused, HasCode(Code::kInvalidArgument, "does not fit w@3: 12 missing (plain, "));
  CHECK_THAT(refused, HasCode(Code::kInvalidArgument, "2 unexpected (flat, scalar2)"));
  CHECK_THAT(refused,
             HasCode(Code::kInvalidArgument, "1 mismatched (row (f32 [], there f32 [4]))"));
  CHECK_THAT(refused, HasCode(Code::kInvalidArgument, "--partial takes the 6 that fit"));
  CHECK(MustLoad(*store).runs.count("renamed") == 0);
  options.partial = true;
  const auto partial = ImportTensors(*store, "/out.pt", options);
  REQUIRE_THAT(partial.status(), IsOk());
  CHECK(partial->tensors == 6);
  CHECK(partial->renamed == 3);
  CHECK(partial->dropped == 10);
  CHECK(partial->unused == std::vector<std::string>{"no.such x"});
  CHECK(partial->missing.size() == 12);
  options.run = "clash";
  options.map = "row scalar\n";
  CHECK_THAT(ImportTensors(*store, "/out.pt", options).status(),
             HasCode(Code::kInvalidArgument, "would both be called 'scalar'"));
  options.like.reset();
  CHECK_THAT(ImportTensors(*store, "/out.pt", options).status(),
             HasCode(Code::kInvalidArgument, "--like"));
}

TEST_CASE("names that no state can have are refused, and reach no terminal as they are") {
  MemoryStorage disk;
  const auto store = OpenStore(disk);
  const auto file = disk.Create("/in.pt", {});
  TorchWriter writer(**file, {{"a\x1b[2J", DType::kU8, {1}}});
  REQUIRE_THAT(writer.Begin(), IsOk());
  REQUIRE_THAT(writer.Append("x"), IsOk());
  REQUIRE_THAT(writer.Finish(), IsOk());
  CHECK_THAT(ImportTensors(*store, "/in.pt", {"w", 0}).status(),
             HasCode(Code::kInvalidArgument, "span 'a?[2J'"));
  const std::string json = R"({"a\u001b[2J":{"dtype":"F3"}})";
  Encoder safetensors;
  safetensors.U64(json.size());
  Put(disk, "/in.safetensors", safetensors.bytes() + json);
  CHECK_THAT(ImportTensors(*store, "/in.safetensors", {"w", 0}).status(),
             HasCode(Code::kCorruption, "entry 'a?[2J'"));
  CHECK(MustLoad(*store).runs.count("w") == 0);
}

}  // namespace
}  // namespace stemma::lineage
