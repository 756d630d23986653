#include <algorithm>
#include <utility>

#include "lineage/query/syntax.h"

namespace stemma::lineage::query {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

// Recursive descent. depth_ counts the calls that nest, so that the stack is bounded before a node
// exists; a node's height bounds what walks the tree later.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Status Run(Syntax* syntax) {
    if (Now().kind == TokenKind::kEnd) {
      return Status(Code::kInvalidArgument,
                    "an empty query; all() is every state, `metric.loss < 2 & heads()` some");
    }
    STEMMA_ASSIGN_OR_RETURN(syntax->root, Or());
    if (TakeWord("order")) {
      if (!TakeWord("by")) return Expected("`by` after `order`");
      STEMMA_ASSIGN_OR_RETURN(syntax->order, Sum());
      syntax->descending = TakeWord("desc");
      if (!syntax->descending) TakeWord("asc");
    }
    if (TakeWord("limit")) {
      const int64_t* limit = std::get_if<int64_t>(&Now().value);
      if (!limit || *limit < 1) return Expected("a whole number of at least 1 after `limit`");
      syntax->limit = static_cast<uint64_t>(*limit);
      ++at_;
    }
    if (Now().kind != TokenKind::kEnd) {
      return Expected("`and`, `or`, `::`, `order by`, `limit` or the end");
    }
    return {};
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  bool Is(const char* mark) const { return Now().kind == TokenKind::kMark && Now().text == mark; }
  bool Take(const char* mark) { return Is(mark) && ++at_; }
  bool IsTheWord(const char* word) const {
    return Now().kind == TokenKind::kWord && Lower(Now().text) == word;
  }
  bool TakeWord(const char* word) { return IsTheWord(word) && ++at_; }

  Status Expected(const std::string& what) const {
    return Status(Code::kInvalidArgument, "expected " + what + Place(Now()));
  }

  Result<Node> Made(NodeKind kind, std::string text, std::vector<Node> children, size_t begin) {
    Node node;
    node.kind = kind;
    node.text = std::move(text);
    for (const Node& child : children) node.height = std::max(node.height, child.height + 1);
    node.children = std::move(children);
    node.begin = begin;
    node.end = at_ > 0 ? tokens_[at_ - 1].end : begin;
    if (node.height > kHeightMax) return TooDeep();
    if (++nodes_ <= kNodesMax) return node;
    return Status(Code::kInvalidArgument,
                  "a query of more than " + std::to_string(kNodesMax) + " parts" + Place(Now()));
  }

  Status TooDeep() const {
    return Status(Code::kInvalidArgument, "nested more than " + std::to_string(kHeightMax) +
                                              " deep" + Place(Now()) +
                                              "; join long chains with brackets or `in (...)`");
  }

  // One level of nesting, for as long as it lives.
  struct Level {
    explicit Level(size_t* held) : depth(held) { ++*depth; }
    ~Level() { --*depth; }
    size_t* depth;
  };

  using Rule = Result<Node> (Parser::*)();

  Result<Node> Joined(NodeKind kind, const char* mark, const char* word, Rule rule) {
    const size_t begin = Now().begin;
    std::vector<Node> parts;
    do {
      STEMMA_ASSIGN_OR_RETURN(Node part, (this->*rule)());
      parts.push_back(std::move(part));
    } while (Take(mark) || TakeWord(word));
    if (parts.size() == 1) return std::move(parts.front());
    return Made(kind, word, std::move(parts), begin);
  }

  Result<Node> Or() {
    const Level level(&depth_);
    if (depth_ > kHeightMax) return TooDeep();
    return Joined(NodeKind::kOr, "|", "or", &Parser::And);
  }
  Result<Node> And() { return Joined(NodeKind::kAnd, "&", "and", &Parser::Not); }

  Result<Node> Not() {
    const size_t begin = Now().begin;
    if (!Take("!") && !TakeWord("not")) return Comparison();
    const Level level(&depth_);
    if (depth_ > kHeightMax) return TooDeep();
    STEMMA_ASSIGN_OR_RETURN(Node what, Not());
    return Made(NodeKind::kNot, "not", One(std::move(what)), begin);
  }

  static std::vector<Node> One(Node node) {
    std::vector<Node> nodes;
    nodes.push_back(std::move(node));
    return nodes;
  }

  bool IsComparison() const {
    return Is("=") || Is("!=") || Is("<") || Is("<=") || Is(">") || Is(">=");
  }

  Result<Node> Comparison() {
    const size_t begin = Now().begin;
    STEMMA_ASSIGN_OR_RETURN(Node left, Sum());
    std::vector<Node> parts = One(std::move(left));
    if (TakeWord("in")) return In(std::move(parts), begin);
    if (Take("~")) {
      if (Now().kind != TokenKind::kText) return Expected("a pattern in quotes after `~`");
      STEMMA_ASSIGN_OR_RETURN(Node pattern, Primary());
      parts.push_back(std::move(pattern));
      return Made(NodeKind::kMatch, "~", std::move(parts), begin);
    }
    if (!IsComparison()) return std::move(parts.front());
    const std::string mark = Now().text;
    ++at_;
    STEMMA_ASSIGN_OR_RETURN(Node right, Sum());
    parts.push_back(std::move(right));
    if (IsComparison() || Is("~")) {
      return Expected("the end of a comparison (they do not chain: join two with `and`)");
    }
    return Made(NodeKind::kCompare, mark, std::move(parts), begin);
  }

  Result<Node> In(std::vector<Node> parts, size_t begin) {
    if (!Take("(")) return Expected("a list such as ('lamb', 'lars') after `in`");
    do {
      STEMMA_ASSIGN_OR_RETURN(Node part, Sum());
      parts.push_back(std::move(part));
    } while (Take(","));
    if (!Take(")")) return Expected("`,` or `)` in the list");
    return Made(NodeKind::kIn, "in", std::move(parts), begin);
  }

  Result<Node> Chain(std::string_view marks, Rule rule) {
    const size_t begin = Now().begin;
    STEMMA_ASSIGN_OR_RETURN(Node left, (this->*rule)());
    while (Now().kind == TokenKind::kMark && Now().text.size() == 1 &&
           marks.find(Now().text[0]) != std::string_view::npos) {
      const std::string mark = Now().text;
      ++at_;
      std::vector<Node> parts = One(std::move(left));
      STEMMA_ASSIGN_OR_RETURN(Node right, (this->*rule)());
      parts.push_back(std::move(right));
      STEMMA_ASSIGN_OR_RETURN(left, Made(NodeKind::kArith, mark, std::move(parts), begin));
    }
    return left;
  }

  Result<Node> Sum() { return Chain("+-", &Parser::Product); }
  Result<Node> Product() { return Chain("*/%", &Parser::Sign); }

  Result<Node> Sign() {
    const size_t begin = Now().begin;
    if (!Take("-")) return Range();
    const Level level(&depth_);
    if (depth_ > kHeightMax) return TooDeep();
    STEMMA_ASSIGN_OR_RETURN(Node what, Sign());
    return Made(NodeKind::kNegate, "-", One(std::move(what)), begin);
  }

  bool StartsPrimary() const {
    if (Now().kind == TokenKind::kMark) return Is("(");
    if (Now().kind == TokenKind::kWord) return !IsKeyword(Now().text);
    return Now().kind != TokenKind::kEnd;
  }

  Result<Node> Range() {
    const size_t begin = Now().begin;
    const bool open_left = Take("::");
    STEMMA_ASSIGN_OR_RETURN(Node first, Primary());
    const bool has_mark = !open_left && Take("::");
    if (!open_left && !has_mark) return first;
    const bool open_right = !open_left && !StartsPrimary();
    std::vector<Node> ends = One(std::move(first));
    if (!open_left && !open_right) {
      STEMMA_ASSIGN_OR_RETURN(Node last, Primary());
      ends.push_back(std::move(last));
    }
    if (Is("::")) return Expected("the end of a range (it has two ends: x::y)");
    return Made(NodeKind::kRange,
                open_left    ? "::y"
                : open_right ? "x::"
                             : "x::y",
                std::move(ends), begin);
  }

  Result<Node> Primary() {
    if (Take("(")) {
      STEMMA_ASSIGN_OR_RETURN(Node inner, Or());
      if (!Take(")")) return Expected("`)`");
      return inner;
    }
    if (!StartsPrimary()) return Expected("a state, a value or a function");
    const Token& token = Now();
    ++at_;
    if (token.kind == TokenKind::kWord && Take("(")) return Call(token);
    NodeKind kind = NodeKind::kWord;
    if (token.kind == TokenKind::kNumber) kind = NodeKind::kNumber;
    if (token.kind == TokenKind::kText) kind = NodeKind::kText;
    if (token.kind == TokenKind::kState) kind = NodeKind::kState;
    STEMMA_ASSIGN_OR_RETURN(Node node, Made(kind, token.text, {}, token.begin));
    node.value = token.value;
    return node;
  }

  Result<Node> Call(const Token& name) {
    std::vector<Node> arguments;
    if (!Is(")")) {
      do {
        STEMMA_ASSIGN_OR_RETURN(Node argument, Argument());
        arguments.push_back(std::move(argument));
      } while (Take(","));
    }
    if (!Take(")")) return Expected("`,` or `)` after an argument of " + name.text + "()");
    return Made(NodeKind::kCall, name.text, std::move(arguments), name.begin);
  }

  Result<Node> Argument() {
    const size_t begin = Now().begin;
    const bool by_name = (IsTheWord("among") || IsTheWord("k")) &&
                         tokens_[at_ + 1].kind == TokenKind::kMark && tokens_[at_ + 1].text == "=";
    if (!by_name) return Or();
    const std::string name = Lower(Now().text);
    at_ += 2;
    STEMMA_ASSIGN_OR_RETURN(Node value, Or());
    return Made(NodeKind::kNamed, name, One(std::move(value)), begin);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0, depth_ = 0, nodes_ = 0;
};

}  // namespace

bool IsKeyword(std::string_view word) {
  const std::string lower = Lower(word);
  for (const char* keyword : {"and", "or", "not", "in", "order", "by", "asc", "desc", "limit"}) {
    if (lower == keyword) return true;
  }
  return false;
}

Result<Syntax> Parse(std::string_view text) {
  STEMMA_ASSIGN_OR_RETURN(std::vector<Token> tokens, TokensOf(text));
  Syntax syntax;
  syntax.text = std::string(text);
  STEMMA_RETURN_IF_ERROR(Parser(std::move(tokens)).Run(&syntax));
  return syntax;
}

}  // namespace stemma::lineage::query
