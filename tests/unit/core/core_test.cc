#include "core/bytes.h"
#include "core/cohort.h"
#include "core/digest.h"
#include "core/exit_code.h"
#include "core/random.h"
#include "core/status.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma {
namespace {
using tests::HasCode;
using tests::IsOk;

TEST_CASE("a decoder never reads past its end, and says so", "[bytes]") {
  Encoder out;
  out.U32(7);
  out.String("lr");
  out.F64(-0.0);
  Decoder in(out.bytes());
  CHECK(in.U32() == 7);
  CHECK(in.String() == "lr");
  CHECK(std::signbit(in.F64()));
  CHECK(in.ok());
  CHECK(in.U64() == 0);
  CHECK_FALSE(in.ok());
  // A length that promises more than there is must not allocate it.
  Decoder lie(std::string_view("\xff\xff\xff\xffx", 5));
  CHECK(lie.String().empty());
  CHECK_FALSE(lie.ok());
}

TEST_CASE("hexadecimal text survives a round trip and refuses what is none", "[bytes]") {
  const std::string bytes("\x00\x9f\xff", 3);
  CHECK(Hex(bytes) == "009fff");
  CHECK(FromHex("009fFF") == bytes);
  CHECK(FromHex("0").empty());
  CHECK(FromHex("0g").empty());
}

TEST_CASE("digests are the published ones", "[digest]") {
  // FIPS 180-2, appendix B.1; xxHash's own value for the empty input.
  CHECK(Hex(Sha256("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Hex(Xxh128("")) == "99aa06d3014798d86001c324468d497f");
  Xxh128Stream stream;
  stream.Update("ab");
  stream.Update("c");
  CHECK(stream.Finish() == Xxh128("abc"));
}

TEST_CASE("Philox gives the numbers of its authors' test vectors", "[random]") {
  // Random123 kat_vectors, philox4x32 10 rounds.
  CHECK(Philox4x32({0, 0, 0, 0}, {0, 0}) ==
        std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("a random stream depends on its key and purpose alone", "[random]") {
  Random a(Key({1, 2}), "noise"), again(Key({1, 2}), "noise"), other(Key({1, 2}), "order");
  const uint64_t first = a.U64();
  CHECK(first == again.U64());
  CHECK(first != other.U64());
  CHECK(Key({1, 2}) != Key({2, 1}));
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const uint64_t below = a.Below(7);
    CHECK(below < 7);
    const double u = a.Uniform();
    CHECK((u >= 0 && u < 1));
    sum += u;
  }
  CHECK(sum / 10000 == Approx(0.5).margin(0.02));
}

TEST_CASE("only a wrong command returns 2, and only what a restart may cure 75", "[status]") {
  const auto exit_code = [](Code code) { return ExitCodeFor({code, "what"}); };
  CHECK(ExitCodeFor({}) == kExitDone);
  CHECK(exit_code(Code::kInvalidArgument) == kExitUsage);
  for (const Code code : {Code::kPeerLost, Code::kTimeout}) {
    CHECK(exit_code(code) == kExitTryAgain);
  }
  for (const Code code : {Code::kNotFound, Code::kCorruption, Code::kIncompatible, Code::kIo,
                          Code::kInternal, Code::kNotFinite}) {
    INFO(CodeName(code));
    CHECK(exit_code(code) == kExitFailed);
  }
  CHECK(std::string(CodeName(Code::kNotFinite)) == "not finite");
}

TEST_CASE("context is put before an error and an OK stays as it is", "[status]") {
  CHECK_THAT(Status(Code::kIo, "no space").Within("write pack"),
             HasCode(Code::kIo, "write pack: no space"));
  CHECK_THAT(Status().Within("anything"), IsOk());
}

// The only rank of a job that believes that it has several hosts.
class Elsewhere final : public Cohort {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string host() const override { return "node7"; }
  Result<int> Min(int mine) override { return mine; }
  Result<std::string> Broadcast(std::string mine, int) override { return mine; }
  Result<std::vector<std::string>> AllGather(std::string mine) override {
    return std::vector<std::string>{std::move(mine)};
  }
};

TEST_CASE("a failure names its rank, and its host where there are several", "[cohort]") {
  SoloCohort here;
  Elsewhere elsewhere;
  const Status full(Code::kIo, "the disk is full");
  CHECK(Agree(here, full).message() == "rank 0: the disk is full");
  CHECK(Agree(elsewhere, full).message() == "rank 0 on node7: the disk is full");
  CHECK(Agree(elsewhere, full).code() == Code::kIo);
  CHECK(Agree(elsewhere, {}).ok());
}

}  // namespace
}  // namespace stemma
