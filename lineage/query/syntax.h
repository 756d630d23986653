// A query as a tree of nodes, before anything is known of a store: what the parser makes and the
// evaluator walks. Internal to query/.
//
//   step > 5 & r50@        kAnd [ kCompare ">" [ kWord step, kNumber 5 ], kState "r50@" ]
//
// Whether a word is a value or a state depends on where it stands and on the store, so that is the
// evaluator's to say. Bounds keep every walk small: a node is at most kHeightMax high, a query has
// at most kNodesMax nodes. Plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/query/values.h"

namespace stemma::lineage::query {

constexpr size_t kLengthMax = 64 * 1024;
constexpr size_t kHeightMax = 64;
constexpr size_t kNodesMax = 4096;

enum class TokenKind : uint8_t {
  kWord,    // "and", "metric.loss", "r50", "5be1c07d"
  kNumber,  // 12, 0.5, 1e-3, 2h (seconds)
  kText,    // 'lamb'
  kState,   // "r50@12000", "r50~2", "tag:best~1", "scope:sweep7"
  kMark,    // operators and brackets
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;           // of kText: without quotes; else as written, "==" as "="
  Scalar value;               // of kNumber
  size_t begin = 0, end = 0;  // in the query's text
};

// kInvalidArgument with the place: an open quote, a character that means nothing, too long.
Result<std::vector<Token>> TokensOf(std::string_view text);

enum class NodeKind : uint8_t {
  kOr,
  kAnd,  // two or more children
  kNot,
  kRange,    // one child or two; `text` is "x::y", "x::" or "::y"
  kCompare,  // `text` is =, !=, <, <=, > or >=
  kMatch,    // a value and a text
  kIn,       // a value, then the list
  kArith,    // `text` is + - * / or %
  kNegate,
  kCall,   // `text` is the function; children are arguments
  kNamed,  // `text`=child: an argument by name
  kState,
  kWord,
  kNumber,
  kText,
};

struct Node {
  NodeKind kind = NodeKind::kWord;
  std::string text;
  Scalar value;
  std::vector<Node> children;
  size_t begin = 0, end = 0;  // in the query's text, brackets around it left out
  size_t height = 1;
};

struct Syntax {
  std::string text;
  Node root;
  std::optional<Node> order;
  bool descending = false;
  std::optional<uint64_t> limit;
};

// Words with a meaning of their own, in any case: and or not in order by asc desc limit.
bool IsKeyword(std::string_view word);

// kInvalidArgument that says what was expected where.
Result<Syntax> Parse(std::string_view text);

// " at 'foo' (character 12)"; for messages.
std::string Place(const Token& token);

}  // namespace stemma::lineage::query
