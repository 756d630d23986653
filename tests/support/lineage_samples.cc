#include "core/digest.h"

#include "tests/support/lineage_samples.h"

namespace stemma::tests {

using lineage::Layout;
using lineage::ObjectId;
using lineage::OnReshape;
using lineage::PackIdentity;
using lineage::Record;
using lineage::Role;
using lineage::Span;
using lineage::Storage;

Span MakeSpan(const std::string& name, const std::string& section, DType dtype,
              std::vector<int64_t> shape, Role role) {
  Span span;
  span.name = name;
  span.section = section;
  span.dtype = dtype;
  span.shape = std::move(shape);
  span.role = role;
  return span;
}

std::vector<Span> SampleSpans(int64_t elements) {
  std::vector<Span> spans = {
      MakeSpan("conv.weight", "params", DType::kF32, {3, 5}),
      MakeSpan("fc.weight", "params", DType::kF32, {elements}),
      MakeSpan("half", "params", DType::kBF16, {elements / 7}),
      MakeSpan("scale", "params", DType::kF32, {}),
      MakeSpan("none", "params", DType::kF32, {0, 4}),
      MakeSpan("frozen", "params", DType::kF32, {33}, Role::kFrozen),
  };
  for (const std::string slot : {"m", "v"}) {
    const std::string section = "optim/" + slot;
    spans.push_back(MakeSpan(section + "/conv.weight", section, DType::kF32, {3, 5}));
    spans.push_back(MakeSpan(section + "/fc.weight", section, DType::kF32, {elements}));
  }
  int number = 0;
  for (const DType dtype : {DType::kU8, DType::kI8, DType::kI16, DType::kI32, DType::kI64,
                            DType::kF16, DType::kF64, DType::kBool}) {
    const int64_t count = 5 + number++;
    spans.push_back(MakeSpan("b/" + std::string(NameOf(dtype)), "small", dtype, {count}));
  }
  spans.push_back(MakeSpan("rng", "rank", DType::kU8, {17}, Role::kPerRank));
  spans.push_back(MakeSpan("running", "rank", DType::kF32, {9}, Role::kPerRank));
  spans.back().on_reshape = OnReshape::kRefuse;
  return spans;
}

char SampleByte(uint32_t span, uint32_t rank, uint64_t at) {
  const uint64_t x = (at + 1) * 0x9e3779b97f4a7c15u + span * 0xbf58476d1ce4e5b9u + rank * 0x94d049u;
  return static_cast<char>(x >> 40);
}

std::string SampleBytes(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes) {
  std::string out(bytes, '\0');
  for (uint64_t i = 0; i < bytes; ++i) out[i] = SampleByte(span, rank, offset + i);
  return out;
}

Status SampleSource::Read(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes,
                          char* out) {
  for (uint64_t i = 0; i < bytes; ++i) out[i] = SampleByte(span, rank, offset + i);
  return {};
}

Record SampleRecord() {
  Record record;
  record.parents = {{Sha256("parent"), lineage::EdgeKind::kTrain},
                    {Sha256("other"), lineage::EdgeKind::kFork}};
  record.run = kSampleRun;
  record.run_name = "laptop";
  record.incarnation = 3;
  record.capture = 17;
  record.layout = Sha256("layout");
  record.packs = {{0, 2, Sha256("pack 0"), 8192}, {1, 2, Sha256("pack 1"), 12288}};
  record.logical_bytes = 20000;
  record.step = 1200;
  record.samples = 76800;
  record.epoch = 1.5;
  record.cursor = {42, 1, 38400};
  record.settings = Sha256("settings");
  record.environment = Sha256("environment");
  record.plan_digest = std::string("\x01\x00\xff", 3);
  record.world = 2;
  record.reason = lineage::Reason::kSignal;
  record.metrics = {{"grad_norm", 0.25}, {"loss", 1.75}, {"lr", 1e-3}};
  record.attributes = {{"flag", true}, {"n", int64_t{-5}}, {"optim.t", 0.5}, {"why", "a text"}};
  record.timings = {0.5, 0.25, 2, 0.125, 0.0625};
  record.audit = "ok";
  record.wall_ms = 1700000000123;
  return record;
}

PackIdentity SampleIdentity(uint32_t writer, uint32_t writers, std::vector<uint32_t> ranks) {
  PackIdentity identity;
  identity.run = kSampleRun;
  identity.incarnation = 3;
  identity.capture = 17;
  identity.writer = writer;
  identity.writers = writers;
  identity.ranks = std::move(ranks);
  return identity;
}

Result<ObjectId> WriteSamplePack(const Layout& layout, const PackIdentity& identity,
                                 Storage& storage, const std::string& path) {
  STEMMA_ASSIGN_OR_RETURN(const lineage::PackPlan plan, PlanPack(layout, identity));
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(path, {}));
  SampleSource source;
  lineage::PackWriteOptions options;
  options.write_bytes = 64 << 10;   // several writes even for a small pack
  STEMMA_ASSIGN_OR_RETURN(ObjectId id, WritePack(plan, layout, source, *file, options));
  STEMMA_RETURN_IF_ERROR(file->Sync());
  STEMMA_RETURN_IF_ERROR(file->Close());
  return id;
}

Status PutFile(Storage& storage, const std::string& path, const std::string& bytes) {
  if (storage.Exists(path)) STEMMA_RETURN_IF_ERROR(storage.Remove(path));
  STEMMA_ASSIGN_OR_RETURN(const auto file, storage.Create(path, {}));
  STEMMA_RETURN_IF_ERROR(file->Append(bytes));
  STEMMA_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace stemma::tests
