#include <cerrno>
#include <cstdlib>

#include "lineage/query/syntax.h"

namespace stemma::lineage::query {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
// Bytes of UTF-8 beyond ASCII belong to words: metrics may be called anything.
bool StartsWord(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsWord(char c) { return StartsWord(c) || c == '.' || c == '-'; }

double SecondsOf(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    case 'w':
      return 7 * 86400;
    default:
      return 0;
  }
}

// Decimal only: strtod would also take "inf", "nan" and hexadecimal digits.
std::optional<double> Decimal(const std::string& text) {
  if (text.find_first_not_of("0123456789.eE+-") != std::string::npos) return std::nullopt;
  if (!IsDigit(text[0]) && text[0] != '.') return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return value;
}

// A number, or a duration in seconds; monostate: the word is neither.
Scalar NumberOf(const std::string& word) {
  if (word.empty() || word.size() > 64) return {};
  if (word.find_first_not_of("0123456789") == std::string::npos) {
    errno = 0;
    const long long whole = std::strtoll(word.c_str(), nullptr, 10);
    if (errno == 0) return static_cast<int64_t>(whole);
  }
  if (const auto value = Decimal(word)) return *value;
  const double unit = SecondsOf(word.back());
  if (unit == 0) return {};
  if (const auto value = Decimal(word.substr(0, word.size() - 1))) return *value * unit;
  return {};
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> All() {
    std::vector<Token> tokens;
    for (;;) {
      while (IsBlank(Peek())) ++at_;
      Token token;
      token.begin = at_;
      if (at_ < text_.size()) STEMMA_RETURN_IF_ERROR(Next(&token));
      token.end = at_;
      tokens.push_back(std::move(token));
      if (tokens.back().kind == TokenKind::kEnd) return tokens;
    }
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Status Next(Token* token) {
    const char c = Peek();
    if (c == '\'' || c == '"') return Quoted(token);
    if (StartsWord(c) || (c == '.' && IsDigit(Peek(1)))) return Word(token);
    return Mark(token);
  }

  Status Quoted(Token* token) {
    const size_t close = text_.find(text_[at_], at_ + 1);
    if (close == std::string_view::npos) {
      return Status(Code::kInvalidArgument,
                    "the quote at character " + std::to_string(at_ + 1) + " is never closed");
    }
    token->kind = TokenKind::kText;
    token->text += text_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    return {};
  }

  Status Word(Token* token) {
    while (IsWord(Peek())) token->text += text_[at_++];
    const bool exponent = (token->text.back() == 'e' || token->text.back() == 'E') &&
                          Decimal(token->text.substr(0, token->text.size() - 1)).has_value();
    if (exponent && Peek() == '+' && IsDigit(Peek(1))) {
      for (token->text += text_[at_++]; IsDigit(Peek());) token->text += text_[at_++];
    }
    token->kind = TokenKind::kWord;
    if (token->text.back() == '.' && (Peek() == '\'' || Peek() == '"')) {  // metric.'any name'
      STEMMA_RETURN_IF_ERROR(Quoted(token));
      token->kind = TokenKind::kWord;
      return {};
    }
    if (State(token)) return {};
    token->value = NumberOf(token->text);
    if (token->value.index() != 0) token->kind = TokenKind::kNumber;
    return {};
  }

  // What follows a name without a blank and makes it a state: @..., :name, ~n.
  bool State(Token* token) {
    const bool named = token->text == "tag" || token->text == "scope";
    if (Peek() == '@') {
      token->text += text_[at_++];
      if (Peek() == '<' && Peek(1) == '=') token->text += "<=", at_ += 2;
      while (StartsWord(Peek())) token->text += text_[at_++];
    } else if (named && Peek() == ':' && Peek(1) != ':') {
      token->text += text_[at_++];
      while (IsWord(Peek())) token->text += text_[at_++];
    } else if (Peek() != '~' || !IsDigit(Peek(1))) {
      return false;
    }
    while (Peek() == '~') {
      token->text += text_[at_++];
      while (IsDigit(Peek())) token->text += text_[at_++];
    }
    token->kind = TokenKind::kState;
    return true;
  }

  Status Mark(Token* token) {
    token->kind = TokenKind::kMark;
    for (const char* two : {"==", "!=", "<=", ">=", "::"}) {
      if (text_.substr(at_, 2) != two) continue;
      at_ += 2;
      token->text = std::string_view(two) == "==" ? "=" : two;
      return {};
    }
    const char c = Peek();
    if (c != '\0' && std::string_view("()=<>~+-*/%&|!,").find(c) != std::string_view::npos) {
      ++at_;
      token->text = c;
      return {};
    }
    const bool printable = c >= ' ' && c <= '~';
    return Status(Code::kInvalidArgument,
                  (printable ? std::string("'") + c + "'" : std::string("a control character")) +
                      " at character " + std::to_string(at_ + 1) + " means nothing here" +
                      (c == ':' ? "; a range is written x::y, a tag tag:NAME" : ""));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> TokensOf(std::string_view text) {
  if (text.size() > kLengthMax) {
    return Status(Code::kInvalidArgument, "a query of " + std::to_string(text.size()) +
                                              " bytes is too long: " + std::to_string(kLengthMax) +
                                              " at most");
  }
  return Lexer(text).All();
}

std::string Place(const Token& token) {
  if (token.kind == TokenKind::kEnd) return " at its end";
  const bool cut = token.text.size() > 40;
  return " at '" + (cut ? token.text.substr(0, 40) + "..." : token.text) + "' (character " +
         std::to_string(token.begin + 1) + ")";
}

}  // namespace stemma::lineage::query
