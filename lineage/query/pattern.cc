#include "lineage/query/pattern.h"

#include <cctype>
#include <string>
#include <utility>

namespace stemma::lineage::query {
namespace {

using Step = Pattern::Step;
using Kind = Pattern::Step::Kind;
using Program = std::vector<Step>;
using Bytes = std::bitset<256>;

Step StepOf(Kind kind, int first = 1, int second = 1) {
  Step step;
  step.kind = kind;
  step.first = first;
  step.second = second;
  return step;
}

Step Consume(const Bytes& bytes) {
  Step step = StepOf(Kind::kBytes);
  step.bytes = bytes;
  return step;
}

size_t At(char c) { return static_cast<unsigned char>(c); }

// \d \w \s and their opposites; \n \t; any other mark stands for itself. False: a letter or digit
// without such a meaning.
bool Escaped(char c, Bytes* bytes) {
  const auto lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower == 'd' || lower == 'w' || lower == 's') {
    for (int i = 0; i < 128; ++i) {
      if (lower == 'd') bytes->set(static_cast<size_t>(i), std::isdigit(i) != 0);
      if (lower == 'w') bytes->set(static_cast<size_t>(i), std::isalnum(i) != 0 || i == '_');
      if (lower == 's') bytes->set(static_cast<size_t>(i), std::isspace(i) != 0);
    }
    if (c != lower) bytes->flip();
    return true;
  }
  if (c == 'n' || c == 't') {
    bytes->set(At(c == 'n' ? '\n' : '\t'));
    return true;
  }
  if (std::isalnum(static_cast<unsigned char>(c)) != 0) return false;
  bytes->set(At(c));
  return true;
}

// Blocks of steps with relative jumps, so that blocks can be joined as they are.
class Compiler {
 public:
  explicit Compiler(std::string_view text) : text_(text) {}

  Result<Program> Run() {
    STEMMA_ASSIGN_OR_RETURN(Program program, Either());
    if (at_ < text_.size()) return Bad("')' without '('");
    program.push_back(StepOf(Kind::kMatch));
    return program;
  }

 private:
  bool Has() const { return at_ < text_.size(); }
  bool Take(char c) { return Has() && text_[at_] == c && ++at_; }

  Status Bad(const std::string& what) const {
    return Status(Code::kInvalidArgument, "in the pattern '" + std::string(text_) + "' at byte " +
                                              std::to_string(at_ + 1) + ": " + what);
  }

  static void Append(Program* to, const Program& more) {
    to->insert(to->end(), more.begin(), more.end());
  }

  Result<Program> Either() {
    STEMMA_ASSIGN_OR_RETURN(Program first, Sequence());
    if (!Take('|')) return first;
    STEMMA_ASSIGN_OR_RETURN(const Program second, Either());
    Program both = {StepOf(Kind::kSplit, 1, static_cast<int>(first.size()) + 2)};
    Append(&both, first);
    both.push_back(StepOf(Kind::kJump, static_cast<int>(second.size()) + 1));
    Append(&both, second);
    return both;
  }

  Result<Program> Sequence() {
    Program all;
    while (Has() && text_[at_] != '|' && text_[at_] != ')') {
      STEMMA_ASSIGN_OR_RETURN(Program one, Single());
      if (Has() && (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '?')) {
        one = Repeated(text_[at_++], one);
        Take('?');  // as few as possible: the same texts match
      }
      Append(&all, one);
    }
    return all;
  }

  static Program Repeated(char how, const Program& what) {
    const int size = static_cast<int>(what.size());
    Program out;
    if (how == '+') {
      out = what;
      out.push_back(StepOf(Kind::kSplit, -size, 1));
      return out;
    }
    out.push_back(StepOf(Kind::kSplit, 1, how == '*' ? size + 2 : size + 1));
    Append(&out, what);
    if (how == '*') out.push_back(StepOf(Kind::kJump, -(size + 1)));
    return out;
  }

  Result<Program> Single() {
    const char c = text_[at_];
    if (c == '*' || c == '+' || c == '?') return Bad("nothing to repeat before it");
    if (c == '{') return Bad("counts in braces are not supported; write the part several times");
    ++at_;
    Bytes bytes;
    if (c == '^') return Program{StepOf(Kind::kBegin)};
    if (c == '$') return Program{StepOf(Kind::kEnd)};
    if (c == '(') return Group();
    if (c == '[') return Class();
    if (c == '\\') {
      if (!Has()) return Bad("a backslash at the end");
      if (!Escaped(text_[at_], &bytes)) return Bad("'\\' before it means nothing here");
      ++at_;
    } else if (c == '.') {
      bytes.set();
    } else {
      bytes.set(At(c));
    }
    return Program{Consume(bytes)};
  }

  Result<Program> Group() {
    if (Has() && text_[at_] == '?') return Bad("look-ahead and other (?...) are not supported");
    STEMMA_ASSIGN_OR_RETURN(Program inner, Either());
    if (!Take(')')) return Bad("'(' is never closed");
    return inner;
  }

  // After '['. A ']' that comes first stands for itself.
  Result<Program> Class() {
    Bytes bytes;
    const bool others = Take('^');
    for (bool first = true; first || !Take(']'); first = false) {
      if (!Has()) return Bad("'[' is never closed");
      const char from = text_[at_++];
      if (from == '\\') {
        Bytes escaped;
        if (!Has() || !Escaped(text_[at_], &escaped)) return Bad("'\\' means nothing here");
        ++at_;
        bytes |= escaped;
        continue;
      }
      char to = from;
      if (Has() && text_[at_] == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        to = text_[at_ + 1];
        at_ += 2;
      }
      if (At(to) < At(from)) return Bad("a range of characters that runs backwards");
      for (size_t i = At(from); i <= At(to); ++i) bytes.set(i);
    }
    if (others) bytes.flip();
    return Program{Consume(bytes)};
  }

  std::string_view text_;
  size_t at_ = 0;
};

// The steps that the automaton is at, each once.
class Front {
 public:
  explicit Front(const Program& program) : program_(program), seen_(program.size(), 0) {}

  // Starts the front of the next byte.
  void Clear() {
    steps_.clear();
    ++round_;
  }

  // Follows everything that consumes nothing. True: a match is reached.
  bool Add(size_t step, bool at_begin, bool at_end, uint64_t* work) {
    open_.push_back(step);
    while (!open_.empty()) {
      const size_t at = open_.back();
      open_.pop_back();
      if (seen_[at] == round_) continue;
      seen_[at] = round_;
      ++*work;
      const Step& now = program_[at];
      const bool passes = now.kind == Kind::kSplit || now.kind == Kind::kJump ||
                          (now.kind == Kind::kBegin && at_begin) ||
                          (now.kind == Kind::kEnd && at_end);
      if (now.kind == Kind::kMatch) {
        open_.clear();
        return true;
      }
      if (now.kind == Kind::kBytes) steps_.push_back(at);
      if (passes) open_.push_back(at + static_cast<size_t>(now.first));
      if (now.kind == Kind::kSplit) open_.push_back(at + static_cast<size_t>(now.second));
    }
    return false;
  }

  const std::vector<size_t>& steps() const { return steps_; }

 private:
  const Program& program_;
  std::vector<size_t> steps_, open_;
  std::vector<uint64_t> seen_;
  uint64_t round_ = 0;
};

}  // namespace

Result<Pattern> Pattern::Compile(std::string_view text) {
  if (text.size() > kPatternMax) {
    return Status(Code::kInvalidArgument, "a pattern of " + std::to_string(text.size()) +
                                              " bytes is too long: " + std::to_string(kPatternMax) +
                                              " at most");
  }
  STEMMA_ASSIGN_OR_RETURN(Program program, Compiler(text).Run());
  return Pattern(std::move(program));
}

bool Pattern::IsIn(std::string_view text, uint64_t* steps) const {
  Front even(program_), odd(program_);
  Front *now = &even, *next = &odd;
  now->Clear();
  if (now->Add(0, true, text.empty(), steps)) return true;
  for (size_t i = 0; i < text.size(); ++i) {
    next->Clear();
    const bool at_end = i + 1 == text.size();
    for (const size_t step : now->steps()) {
      ++*steps;
      if (program_[step].bytes[At(text[i])] && next->Add(step + 1, false, at_end, steps)) {
        return true;
      }
    }
    if (next->Add(0, false, at_end, steps)) return true;
    std::swap(now, next);
  }
  return false;
}

}  // namespace stemma::lineage::query
