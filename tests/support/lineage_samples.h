// Values with every field set, and bytes in closed form: what the tests of lineage/ write and
// expect to read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"
#include "lineage/memory_storage.h"
#include "lineage/pack.h"
#include "lineage/record.h"
#include "lineage/span.h"

namespace stemma::tests {

constexpr char kSampleRun[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

lineage::Span MakeSpan(const std::string& name, const std::string& section, DType dtype,
                       std::vector<int64_t> shape,
                       lineage::Role role = lineage::Role::kReplicated);

// Every dtype, a scalar, an empty span, two optimizer slots, PerRank spans; about `elements` f32 in
// the largest tensor.
std::vector<lineage::Span> SampleSpans(int64_t elements);

// Byte `at` of span `span` (of `rank`): distinct enough that a swap of spans, ranks or halves
// shows.
char SampleByte(uint32_t span, uint32_t rank, uint64_t at);
std::string SampleBytes(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes);

// Hands out SampleByte.
class SampleSource final : public lineage::PieceSource {
 public:
  Status Read(uint32_t span, uint32_t rank, uint64_t offset, uint64_t bytes, char* out) override;
};

// A record with nothing left at its default.
lineage::Record SampleRecord();

lineage::PackIdentity SampleIdentity(uint32_t writer, uint32_t writers,
                                     std::vector<uint32_t> ranks);

// Writes a pack of SampleSource's bytes to `path`, durable.
Result<lineage::ObjectId> WriteSamplePack(const lineage::Layout& layout,
                                          const lineage::PackIdentity& identity,
                                          lineage::Storage& storage, const std::string& path);

// A file with these bytes in a fresh memory disk, for readers that want a path.
Status PutFile(lineage::Storage& storage, const std::string& path, const std::string& bytes);

}  // namespace stemma::tests
