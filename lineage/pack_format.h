// Names inside a pack that its writer and its reader share. Internal to lineage/.
#pragma once

#include <string>

#include "core/dtype.h"
#include "lineage/pack.h"
#include "lineage/span.h"

namespace stemma::lineage {

constexpr char kLowPrefix[] = "__stemma.lo/";
constexpr char kRankPrefix[] = "__stemma.rank/";  // then "<rank>/<name>"
constexpr char kPadPrefix[] = "__stemma.pad.";    // then a number
constexpr char kChunksName[] = "__stemma.chunks";
constexpr char kReservedPrefix[] = "__stemma.";

constexpr char kKeyPack[] = "stemma.pack";      // the version, "1"
constexpr char kKeyLeaf[] = "stemma.leaf";      // digest of a chunk: "xxh3-128"
constexpr char kKeyLayout[] = "stemma.layout";  // hexadecimal
constexpr char kKeyRun[] = "stemma.run";
constexpr char kKeyInc[] = "stemma.inc";
constexpr char kKeyCapture[] = "stemma.capture";
constexpr char kKeyWriter[] = "stemma.writer";  // "3/8"

// Stored as two planes: everything in f32 but what each rank has of its own.
bool IsInPlanes(const Span& span);

// The entry of a piece: "w", "w[10:20]", "__stemma.lo/w", "__stemma.rank/3/w". A piece that is the
// whole span has no brackets and the span's own shape.
std::string EntryName(const Span& span, const PackPiece& piece);

// A high plane is BF16, a low one I16 (the safe spelling of 16 bits), everything else its own type.
DType EntryType(const Span& span, Plane plane);

}  // namespace stemma::lineage
