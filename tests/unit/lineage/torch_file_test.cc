// Files of torch.save, in and out: real ones that torch wrote (tests/golden/data/torch), ones of
// our own writer, and hostile ones made by hand.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "lineage/memory_storage.h"
#include "lineage/weights/tensor_file.h"
#include "lineage/weights/crc32.h"
#include "lineage/weights/zip.h"
#include "lineage/weights/zip_writer.h"
#include "tests/unit/lineage/tensor_files.h"

#include "tests/support/status_matchers.h"

#include <catch2/catch.hpp>

namespace stemma::lineage {
namespace {

using tests::HasCode;
using tests::IsOk;

// f(i, j, k) in C order, as f32.
std::string Cube(int a, int b, int c, const std::function<float(int, int, int)>& f) {
  std::vector<float> values;
  for (int i = 0; i < a; ++i) {
    for (int j = 0; j < b; ++j) {
      for (int k = 0; k < c; ++k) values.push_back(f(i, j, k));
    }
  }
  return Bytes(values);
}

TEST_CASE("files of torch.save are read to the bit, whatever the protocol and the strides") {
  const std::string count24 = Cube(1, 1, 24, [](int, int, int k) { return k; });
  const std::map<std::string, std::string> want = {
      {"plain", count24},
      {"tied", count24},
      {"channels_last", count24},
      {"transposed", Cube(4, 2, 3, [](int i, int j, int k) { return 12 * j + 4 * k + i; })},
      {"sliced", Cube(2, 2, 2, [](int i, int j, int k) { return 12 * i + 4 * (j + 1) + 2 * k; })},
      {"row", Bytes<float>({20, 21, 22, 23})},
      {"scalar", Bytes<float>({7.5})},
      {"empty", ""},
      {"parameter", Bytes<float>({0, 1, 2})},
      {"type.u8", Bytes<uint8_t>({0, 1, 2, 3, 4})},
      {"type.i8", Bytes<int8_t>({0, 1, 2, 3, 4})},
      {"type.i16", Bytes<int16_t>({0, 1, 2, 3, 4})},
      {"type.i32", Bytes<int32_t>({0, 1, 2, 3, 4})},
      {"type.i64", Bytes<int64_t>({0, 1, 2, 3, 4})},
      {"type.f16", Bytes<uint16_t>({0, 0x3c00, 0x4000, 0x4200, 0x4400})},
      {"type.bf16", Bytes<uint16_t>({0, 0x3f80, 0x4000, 0x4040, 0x4080})},
      {"type.f32", Bytes<float>({0, 1, 2, 3, 4})},
      {"type.f64", Bytes<double>({0, 1, 2, 3, 4})},
      {"type.bool", Bytes<uint8_t>({0, 1, 1, 1, 1})},
  };
  for (const char* protocol : {"protocol2.pt", "protocol3.pt", "protocol4.pt", "protocol5.pt"}) {
    INFO(protocol);
    MemoryStorage disk;
    const auto file = OpenBytes(disk, ReadGolden(protocol));
    REQUIRE_THAT(file.status(), IsOk());
    const auto read = ReadAll(**file);
    CHECK(read.size() == want.size());
    for (const auto& [name, bytes] : want) {
      INFO(name);
      REQUIRE(read.count(name) == 1);
      CHECK((read.at(name).bytes == bytes));
      if (name.compare(0, 5, "type.") == 0)
        CHECK(NameOf(read.at(name).about.dtype) == name.substr(5));
    }
    CHECK(read.at("transposed").about.shape == std::vector<uint64_t>{4, 2, 3});
    CHECK(read.at("channels_last").about.shape == std::vector<uint64_t>{2, 3, 2, 2});
    CHECK(read.at("scalar").about.shape.empty());
    CHECK(read.at("empty").about.shape == std::vector<uint64_t>{0, 3});
  }
  MemoryStorage disk;
  const auto module = OpenBytes(disk, ReadGolden("module.pt"));
  REQUIRE_THAT(module.status(), IsOk());
  std::string names;
  for (const FileTensor& tensor : (*module)->tensors()) names += tensor.name + " ";
  CHECK(names ==
        "0.weight 0.bias 1.weight 1.bias 1.running_mean 1.running_var "
        "1.num_batches_tracked ");
}

TEST_CASE("a checkpoint gives the dict that was asked for, or the usual one") {
  MemoryStorage disk;
  const auto usual = OpenBytes(disk, ReadGolden("checkpoint.pt"));
  REQUIRE_THAT(usual.status(), IsOk());
  CHECK((*usual)->tensors().size() == 2);
  CHECK((*usual)->others() == 1);  // "step"
  const std::string two = ReadGolden("two_dicts.pt");
  CHECK_THAT(OpenBytes(disk, two).status(),
             HasCode(Code::kInvalidArgument, "--key: 'weights', 'ema'"));
  CHECK_THAT(OpenBytes(disk, two, "best").status(),
             HasCode(Code::kNotFound, "under 'best'; there are: 'weights', 'ema'"));
  const auto chosen = OpenBytes(disk, two, "ema");
  REQUIRE_THAT(chosen.status(), IsOk());
  CHECK((ReadAll(**chosen).at("a").bytes == Bytes<float>({1, 1, 1, 1})));
}

// An archive as torch.save makes it, from any members.
std::string Archive(const std::vector<std::pair<std::string, std::string>>& members) {
  MemoryStorage disk;
  const auto file = disk.Create("/zip", {});
  REQUIRE_THAT(file.status(), IsOk());
  ZipWriter zip(**file);
  for (const auto& [name, bytes] : members) REQUIRE_THAT(zip.Add(name, bytes), IsOk());
  REQUIRE_THAT(zip.Finish(), IsOk());
  const std::string bytes = *disk.ReadAll("/zip");
  CHECK(bytes.size() == zip.written());
  return bytes;
}

// The number 0.
std::string Zero() { return {"K\0", 2}; }

std::string Text(const std::string& text) {
  Encoder out;
  out.U8('X');
  out.String(text);
  return out.Take();
}

// {"v": a tensor over storage "0" of `elements` f32}, with this offset, size and stride.
std::string OneView(int elements, const std::string& view) {
  return std::string("\x80\x02}") + Text("v") + "ctorch._utils\n_rebuild_tensor_v2\n((" +
         Text("storage") + "ctorch\nFloatStorage\n" + Text("0") + Text("cpu") + "K" +
         static_cast<char>(elements) + "tQ" + view + "\x89}tRs.";
}

TEST_CASE("what is no dict of tensors is refused, with the name and the way out") {
  const std::string p2 = "\x80\x02", nought = Zero();
  const auto with = [](const std::string& pickle) {
    return Archive({{"a/data.pkl", pickle}, {"a/data/0", std::string(64, 'x')}});
  };
  const std::string good = Archive(
      {{"a/data.pkl", OneView(16, "K\1K\5\x85K\2\x85")}, {"a/data/0", std::string(64, 'x')}});
  std::string deflated = good, encrypted = good;
  for (size_t at = 0; (at = good.find("PK\1\2", at)) != std::string::npos; ++at) {
    deflated[at + 10] = 8;
    encrypted[at + 8] |= 1;
  }
  const struct {
    std::string file;
    Code code;
    const char* message;
  } cases[] = {
      {ReadGolden("whole_module.pt"), Code::kInvalidArgument, "torch.nn.modules.container.Sequen"},
      {ReadGolden("before_1_6.pt"), Code::kInvalidArgument, "torch.save(torch.load(FILE), OTHER)"},
      {ReadGolden("script.pt"), Code::kInvalidArgument, "TorchScript"},
      {ReadGolden("broadcast.pt"), Code::kInvalidArgument, ".contiguous()"},
      {ReadGolden("complex.pt"), Code::kInvalidArgument, "torch.ComplexFloatStorage"},
      {with(p2 + "cos\nsystem\n" + Text("true") + "\x85R."), Code::kInvalidArgument, "os.system"},
      {with(p2 + "cbuiltins\neval\n."), Code::kInvalidArgument, "builtins.eval"},
      {with(p2 + "cos\nsys\x1b[2J\n."), Code::kInvalidArgument, "os.sys?[2J"},
      {with("\x80\x04" + std::string("\x8c\2os\x8c\6system\x93.")), Code::kInvalidArgument,
       "os.system"},
      {with(OneView(16, "K\1K\x10\x85K\1\x85")), Code::kCorruption, "outside"},
      {with(OneView(16, "K\1K\2\x85K\x0f\x85")), Code::kCorruption, "outside"},
      {with(OneView(16, nought + "K\x11\x85" + nought + "\x85")), Code::kInvalidArgument,
       ".contiguous()"},
      {with(OneView(15, nought + "K\1\x85K\1\x85")), Code::kCorruption, "another length"},
      {with(OneView(16, std::string("\x8a\1\xff") + "K\1\x85K\1\x85")), Code::kCorruption,
       "without storage"},
      {with(OneView(16, nought + "\x8a\x08" + std::string(7, '\xff') + "\x7f\x8a\x08" +
                            std::string(7, '\xff') + "\x7f\x86K\1K\1\x86")),
       Code::kCorruption, "overflows"},
      {with(OneView(16, "K\1K\1\x85K\1K\1\x86")), Code::kCorruption, "1 dimensions and 2"},
      {with(p2 + "]."), Code::kInvalidArgument, "no dict"},
      {with(p2 + "}."), Code::kInvalidArgument, "no dict with tensors"},
      {with(p2 + "]q\1h\1a0"), Code::kCorruption, "ends too early"},
      {with(p2 + "0."), Code::kCorruption, "more than there is"},
      {with(p2 + "(]K\1a(a."), Code::kCorruption, "fills"},
      {with(p2 + "]((K\1e."), Code::kCorruption, "fills"},
      {with(p2 + "}(K\1u."), Code::kCorruption, "no dict"},
      {with(p2 + "h\1."), Code::kCorruption, "never remembered"},
      {with(p2 + "C\1x."), Code::kInvalidArgument, "instruction 67"},
      {with("\x80\x01."), Code::kCorruption, "protocol 1"},
      {with(p2 + "X\xff\xff\xff\xff."), Code::kCorruption, "ends too early"},
      {Archive({{"a/data.pkl", OneView(16, "K\1K\5\x85K\2\x85")}}), Code::kCorruption,
       "storage '0' is not in it"},
      {Archive({{"a/data.pkl", "x"}, {"a/byteorder", "big"}}), Code::kInvalidArgument,
       "big-endian"},
      {Archive({{"a/b", ""}}), Code::kCorruption, "no member data.pkl"},
      {Archive({{"a/data.pkl", ""}, {"b/data.pkl", ""}}), Code::kCorruption, "two members"},
      {Archive({{"a/x", ""}, {"a/x", ""}}), Code::kCorruption, "twice"},
      {good.substr(0, good.size() - 1), Code::kCorruption, "cut short"},
      {deflated, Code::kInvalidArgument, "zip -0"},
      {encrypted, Code::kInvalidArgument, "encrypted"},
      {"PK\3\4 and more", Code::kCorruption, "zip archive"},
      {"text, and more of it", Code::kCorruption, "no archive of torch.save"},
  };
  MemoryStorage disk;
  REQUIRE_THAT(OpenBytes(disk, good).status(), IsOk());
  for (const auto& one : cases) {
    INFO(one.message);
    CHECK_THAT(OpenBytes(disk, one.file).status(), HasCode(one.code, one.message));
  }
}

// Containers that hold themselves, and ones that are spelled out in few bytes: nothing walks them.
TEST_CASE("a pickle cannot make the reader recurse, wait or grow") {
  std::string bomb = "\x80\x02]q\1h\1a0]";
  for (int i = 0; i < 60; ++i) bomb += "(222222222e]22e0";  // lists of the list before
  std::string deep = "\x80\x02" + std::string(100'000, ']') + std::string(99'999, 'a') + ".";
  MemoryStorage disk;
  CHECK_FALSE(OpenBytes(disk, Archive({{"a/data.pkl", bomb}})).ok());
  CHECK_THAT(OpenBytes(disk, Archive({{"a/data.pkl", deep}})).status(),
             HasCode(Code::kInvalidArgument, "no dict"));
  const std::string many = "\x80\x02" + std::string((2 << 20) + 2, '(') + ".";
  CHECK_THAT(OpenBytes(disk, Archive({{"a/data.pkl", many}})).status(),
             HasCode(Code::kCorruption, "two million"));
  // Many tensors over one storage of 64 bytes.
  const std::string one = OneView(16, Zero() + "K\x10\x85K\1\x85");
  const std::string tensor = one.substr(9, one.size() - 11);
  std::string shared = "\x80\x02}";
  for (int i = 0; i < 300; ++i) shared += Text(std::to_string(i)) + tensor + "s";
  // The pickle itself takes room in the file, which counts: give it one call and the rest by memo.
  std::string memo = "\x80\x02}" + Text("0") + tensor + "q\1s";
  for (int i = 1; i < 3000; ++i) memo += Text(std::to_string(i)) + "h\1s";
  const auto few =
      OpenBytes(disk, Archive({{"a/data.pkl", shared + "."}, {"a/data/0", std::string(64, 'x')}}));
  CHECK_THAT(few.status(), IsOk());
  const std::string wide = OneView(255, Zero() + "K\xff\x85K\1\x85");
  std::string much = "\x80\x02}" + Text("0") + wide.substr(9, wide.size() - 11) + "q\1s";
  for (int i = 1; i < 3000; ++i) much += Text(std::to_string(i)) + "h\1s";
  CHECK_THAT(OpenBytes(disk, Archive({{"a/data.pkl", much + "."},
                                      {"a/data/0", std::string(4 * 255, 'x')}}))
                 .status(),
             HasCode(Code::kInvalidArgument, "sixteen times"));
}

TEST_CASE("a compressed byte order is no big-endian one, and names reach no terminal as they are") {
  MemoryStorage disk;
  std::string packed = Archive({{"a/byteorder", "little"}, {"a/data.pkl", "\x80\x02}."}});
  packed[packed.find("PK\1\2") + 10] = 8;
  CHECK_THAT(OpenBytes(disk, packed).status(),
             HasCode(Code::kInvalidArgument, "'a/byteorder' is compressed"));
  std::string escape = OneView(1, Zero() + "K\1\x85K\1\x85");
  escape.replace(escape.find(Text("0")), Text("0").size(), Text("\x1b[2J"));
  CHECK_THAT(OpenBytes(disk, Archive({{"a/data.pkl", escape}})).status(),
             HasCode(Code::kCorruption, "a storage called '?[2J'"));
}

// What takes no room of its own: one dict under many keys, one tensor under many names, one call
// again and again. Looking at each for itself would take minutes, and gigabytes.
TEST_CASE("a pickle cannot make much out of the same few values") {
  MemoryStorage disk;
  const auto open = [&](const std::string& pickle) {
    return OpenBytes(disk, Archive({{"a/data.pkl", pickle}, {"a/data/0", "4321"}})).status();
  };
  constexpr int kMany = 100'000, kTensors = (8 << 20) / 64 + 1;
  std::string dicts = "\x80\x02}q\1(" + std::string(2 * kMany, 'N') + "u0}(";
  for (int i = 0; i < kMany; ++i) dicts += "U\1ah\1";
  CHECK_THAT(open(dicts + "u."), HasCode(Code::kInvalidArgument, "no dict with tensors"));
  std::string ones;
  for (int i = 0; i < 64; ++i) ones += "K\1";
  const std::string one = OneView(1, Zero() + "(" + ones + "t(" + ones + "t");
  const std::string tensor = one.substr(9, one.size() - 11);
  CHECK_THAT(open(one), IsOk());
  std::string named = "\x80\x02}" + Text("0") + tensor + "q\1s";
  for (int i = 1; i < kTensors; ++i) named += Text(std::to_string(i)) + "h\1s";
  CHECK_THAT(open(named + "."), HasCode(Code::kCorruption, "eight million dimensions"));
  std::string made = "\x80\x02" + tensor.substr(0, tensor.size() - 1) + "q\2" + "0q\1" + "0";
  for (int i = 0; i < kTensors; ++i) made += "h\1h\2R0";
  CHECK_THAT(open(made + "N."), HasCode(Code::kCorruption, "eight million dimensions"));
}

TEST_CASE("an archive in zip64's form is read, and bytes are in one member only") {
  CHECK(Crc32(0, "123456789") == 0xcbf43926);
  CHECK(Crc32(Crc32(0, "12345"), "6789") == 0xcbf43926);
  const std::string plain = Archive({{"m", "hello"}});
  const size_t central = plain.find("PK\1\2"), end = plain.find("PK\5\6");
  // The same with lengths, place and counts in the 64-bit fields.
  const auto in64 = [&](uint64_t bytes, uint64_t at) {
    std::string line = plain.substr(central, end - central);
    Encoder field;
    field.U16(1);
    field.U16(24);
    for (const uint64_t number : {bytes, bytes, at}) field.U64(number);
    line.replace(20, 8, 8, '\xff');
    line.replace(42, 4, 4, '\xff');
    line[30] = static_cast<char>(field.bytes().size());
    line += field.bytes();
    Encoder tail;
    tail.Raw(plain.substr(0, central) + line);
    const uint64_t record = tail.bytes().size();
    tail.U32(0x06064b50);
    tail.U64(44);
    tail.Raw(std::string(12, '\0'));
    tail.U64(1);
    tail.U64(1);
    tail.U64(line.size());
    tail.U64(central);
    tail.U32(0x07064b50);
    tail.U32(0);
    tail.U64(record);
    tail.U32(1);
    tail.U32(0x06054b50);
    tail.U32(0);
    tail.Raw(std::string(12, '\xff'));
    tail.U16(0);
    return tail.Take();
  };
  MemoryStorage disk;
  const auto read = [&](const std::string& bytes) {
    Put(disk, "/z", bytes);
    return ReadZip(**disk.OpenToRead("/z"), bytes.size());
  };
  const auto small = read(plain), large = read(in64(5, 0));
  REQUIRE_THAT(small.status(), IsOk());
  REQUIRE_THAT(large.status(), IsOk());
  CHECK(large->at("m").bytes == 5);
  CHECK(large->at("m").begin == small->at("m").begin);
  CHECK(plain.substr(small->at("m").begin, 5) == "hello");
  CHECK(small->at("m").begin % 64 == 0);
  CHECK_THAT(read(in64(~uint64_t{0} - 3, 0)).status(), HasCode(Code::kCorruption, "outside"));
  CHECK_THAT(read(in64(5, ~uint64_t{0} - 3)).status(), HasCode(Code::kCorruption, "outside"));
  CHECK_THAT(read(in64(5, 1)).status(), HasCode(Code::kCorruption, "called otherwise"));
}

}  // namespace
}  // namespace stemma::lineage
