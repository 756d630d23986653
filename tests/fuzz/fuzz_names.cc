// Names of files and what people type: the canonical spelling is the only one accepted, so what was
// parsed spells the input again.

#include "core/bytes.h"
#include "core/digest.h"
#include "lineage/names.h"
#include "tests/fuzz/fuzz.h"

#include "tests/support/lineage_samples.h"

namespace stemma::fuzz {
namespace {

void Parse(const std::string& text) {
  const lineage::Paths paths("/s");
  const std::string run = tests::kSampleRun;
  const auto same = [&](const std::string& path) {
    Require(lineage::BaseOf(path) == text, "what was parsed spells the same");
  };
  if (const auto number = lineage::ParseIncarnation(text)) same(paths.IncarnationDir(run, *number));
  if (const auto number = lineage::ParseLogSegment(text)) same(paths.LogSegment(run, 1, *number));
  if (const auto number = lineage::ParseTagVersion(text)) same(paths.TagVersionDir("t", *number));
  if (const auto id = lineage::ParseObject(text)) {
    same(paths.Object(lineage::ObjectKind::kPack, *id));
  }
  if (const auto notes = lineage::ParseNotesSegment(text)) {
    same(paths.NotesSegment(notes->writer, notes->segment));
  }
  if (const auto notes = lineage::ParseDamagedNotes(text)) {
    same(paths.DamagedNotes(notes->writer, notes->segment));
  }
  if (const auto tmp = lineage::ParseTmp(text)) same(paths.TmpOf(tmp->run, tmp->incarnation));
  if (lineage::IsUlid(text)) same(lineage::UlidFromBytes(lineage::UlidToBytes(text)));
  if (lineage::IsName(text)) {
    Require(lineage::CheckName("run", text).ok(), "both say that it is a name");
    Require(text.find('/') == std::string::npos && text[0] != '.', "no name is a path");
  }
  Require(lineage::ParentOf(text).size() <= text.size() + 1, "a parent is no longer");
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string run = tests::kSampleRun;
  return {"inc-0001",
          "inc-10000",
          "log.000001.seg",
          "v000001",
          Hex(Sha256("x")),
          run + ".000001.seg",
          run + "-0001",
          run,
          "resnet-50_lr.1e3",
          "a/b/c",
          "/"};
}

}  // namespace stemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  stemma::fuzz::Parse(std::string(stemma::fuzz::View(data, size)));
  return 0;
}
