// What a training takes of a file of weights: all that the network has but what is skipped, each
// tensor for its own span, or nothing.
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/graph.h"
#include "lineage/initial_weights.h"
#include "lineage/memory_storage.h"
#include "tests/unit/lineage/tensor_files.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;

Span MakeSpan(const std::string& name, const std::string& section, DType dtype,
              std::vector<int64_t> shape) {
  Span span;
  span.name = name;
  span.section = section;
  span.dtype = dtype;
  span.shape = std::move(shape);
  return span;
}

// A network with a head of three classes, its optimizer and the loop's own.
std::vector<Span> Network() {
  return {MakeSpan("conv.weight", "params", DType::kF32, {2, 2}),
          MakeSpan("fc.weight", "params", DType::kF32, {3, 2}),
          MakeSpan("optim/m/conv.weight", "optim/m", DType::kF32, {2, 2}),
          MakeSpan("bn.mean", "buffers", DType::kF32, {2}),
          MakeSpan("bn.count", "buffers", DType::kI64, {}),
          MakeSpan("train", "small", DType::kU8, {64})};
}

std::string Safetensors(const std::string& json, const std::string& data) {
  Encoder out;
  out.U64(json.size());
  out.Raw(json);
  out.Raw(data);
  return out.Take();
}

// The same network's in an order of its own, with a head of two classes: 16, 8, 8 and 16 bytes.
std::string OtherHead() {
  return Safetensors(R"({"bn.count":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                     R"("bn.mean":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                     R"("conv.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]},)"
                     R"("fc.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[32,48]}})",
                     "CCCCCCCCMMMMmmmm0123456789abcdefHHHHHHHHHHHHHHHH");
}

TEST_CASE("first weights: each goes to its own span, and what is skipped to none") {
  MemoryStorage disk;
  Put(disk, "/w.safetensors", OtherHead());
  WeightsSource source{"/w.safetensors"};
  source.skip = {"fc.*"};
  const auto weights = InitialWeights::Open(disk, source, Network());
  REQUIRE_THAT(weights.status(), IsOk());
  REQUIRE((*weights)->spans() == std::vector<size_t>{0, 3, 4});
  const std::string want[] = {"0123456789abcdef", "MMMMmmmm", "CCCCCCCC"};
  for (size_t i = 0; i < 3; ++i) {
    std::string bytes(want[i].size(), '\0');
    REQUIRE_THAT((*weights)->Read(i, 0, bytes.size(), bytes.data()), IsOk());
    CHECK(bytes == want[i]);
  }
  std::string part(4, '\0');
  REQUIRE_THAT((*weights)->Read(0, 8, 4, part.data()), IsOk());
  CHECK(part == "89ab");
  const std::string sha256 = Hex(Sha256(OtherHead()));
  CHECK((*weights)->summary() == "w.safetensors (sha256 " + sha256.substr(0, 8) +
                                     "): 3 tensors taken; as they began: fc.weight");
  const auto& attributes = (*weights)->attributes();
  CHECK(attributes.size() == 3);
  CHECK(std::get<std::string>(attributes.at(kImportFile)) == "w.safetensors");
  CHECK(std::get<std::string>(attributes.at("import.sha256")) == sha256);
  CHECK(std::get<int64_t>(attributes.at("import.bytes")) ==
        static_cast<int64_t>(OtherHead().size()));
}

TEST_CASE("first weights: names can be mapped, and are skipped by their new ones") {
  MemoryStorage disk;
  Put(disk, "/w", OtherHead());
  Put(disk, "/map", "fc.* head.*\nbn.count -\n");
  WeightsSource source{"/w", "", "/map", {"head.weight", "fc.weight", "bn.count"}};
  const auto weights = InitialWeights::Open(disk, source, Network());
  REQUIRE_THAT(weights.status(), IsOk());
  CHECK((*weights)->spans() == std::vector<size_t>{0, 3});
}

TEST_CASE("first weights: a map's rule may put the axes in another order") {
  MemoryStorage disk;
  Put(disk, "/w", OtherHead());
  Put(disk, "/map", "conv.weight conv.weight 1,0\n");
  const auto weights = InitialWeights::Open(disk, {"/w", "", "/map", {"fc.*"}}, Network());
  REQUIRE_THAT(weights.status(), IsOk());
  std::string turned(16, '\0'), mean(8, '\0');
  REQUIRE_THAT((*weights)->Read(0, 0, 16, turned.data()), IsOk());
  CHECK(turned == "012389ab4567cdef");
  REQUIRE_THAT((*weights)->Read(0, 4, 8, turned.data()), IsOk());
  CHECK(turned.substr(0, 8) == "89ab4567");
  REQUIRE_THAT((*weights)->Read(1, 0, 8, mean.data()), IsOk());
  CHECK(mean == "MMMMmmmm");
}

TEST_CASE("first weights: a file that does not fit gives nothing, and all of it is said") {
  MemoryStorage disk;
  Put(disk, "/w", OtherHead());
  Put(disk, "/less",
      Safetensors(R"({"conv.weight":{"dtype":"F16","shape":[2,2],)"
                  R"("data_offsets":[0,8]},"other":{"dtype":"U8","shape":[1],)"
                  R"("data_offsets":[8,9]}})",
                  "HHHHHHHHo"));
  const auto refusal = [&](const std::string& path, std::vector<std::string> skip) {
    return InitialWeights::Open(disk, {path, "", "", std::move(skip)}, Network()).status();
  };
  const Status head = refusal("/w", {});
  CHECK_THAT(head, HasCode(Code::kInvalidArgument,
                           "1 mismatched (fc.weight (f32 [2, 2], there f32 [3, 2]))"));
  CHECK_THAT(head, HasCode(Code::kInvalidArgument, "3 of 4 tensors fit. --init-skip="));
  const Status less = refusal("/less", {});
  CHECK_THAT(less, HasCode(Code::kInvalidArgument, "3 missing (fc.weight, bn.mean, bn.count)"));
  CHECK_THAT(less, HasCode(Code::kInvalidArgument, "1 unexpected (other)"));
  CHECK_THAT(less, HasCode(Code::kInvalidArgument, "conv.weight (f16 [2, 2], there f32 [2, 2])"));
  CHECK_THAT(refusal("/w", {"fc.*", "fc.wieght"}),
             HasCode(Code::kInvalidArgument, "'fc.wieght' to skip is in neither"));
  CHECK_THAT(refusal("/w", {"fc.weight", ""}),
             HasCode(Code::kInvalidArgument, "no name of a tensor"));
  CHECK_THAT(refusal("/w", {"*"}), HasCode(Code::kInvalidArgument, "nothing is left to take"));
  CHECK_THAT(refusal("/absent", {}), HasCode(Code::kNotFound, "/absent"));
  CHECK_THAT(InitialWeights::Open(disk, {"/w", "", "/absent"}, Network()).status(),
             HasCode(Code::kNotFound));
}

}  // namespace
}  // namespace stemma::lineage
