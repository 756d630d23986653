#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lineage/query/pattern.h"
#include "lineage/query/syntax.h"
#include "tests/unit/lineage/query_family.h"

#include "tests/support/status_matchers.h"

namespace stemma::lineage {
namespace {

using query::Node;
using query::NodeKind;
using query::Parse;
using query::Syntax;
using tests::HasCode;

// A node as a list: "(and (< metric.x 2) r50@)".
std::string Shape(const Node& node) {
  std::string text = node.text;
  if (node.kind == NodeKind::kText) return "'" + text + "'";
  if (node.kind == NodeKind::kNumber) return TextOf(node.value);
  if (node.kind == NodeKind::kState) return "#" + text;
  if (node.kind == NodeKind::kNamed) text += "=";
  if (node.kind == NodeKind::kCall) text += "()";
  if (node.children.empty()) return text;
  for (const Node& child : node.children) text += " " + Shape(child);
  return "(" + text + ")";
}

std::string ShapeOf(const std::string& text) {
  const Result<Syntax> syntax = Parse(text);
  if (!syntax.ok()) return syntax.status().message();
  std::string shape = Shape(syntax->root);
  if (syntax->order) shape += " by " + Shape(*syntax->order) + (syntax->descending ? " desc" : "");
  if (syntax->limit) shape += " limit " + std::to_string(*syntax->limit);
  return shape;
}

TEST_CASE("operators bind as the grammar says, in both spellings") {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"a or b and not c", "(or a (and b (not c)))"},
      {"a | b & !c", "(or a (and b (not c)))"},
      {"a AND b OR c", "(or (and a b) c)"},
      {"(a | b) & c", "(and (or a b) c)"},
      {"a & b & c", "(and a b c)"},
      {"not x = 5", "(not (= x 5))"},
      {"x == 5", "(= x 5)"},
      {"x + 2 * y - 1 > -z % 3", "(> (- (+ x (* 2 y)) 1) (% (- z) 3))"},
      {"(x + 1) * 2 <= 4", "(<= (* (+ x 1) 2) 4)"},
      {"x in ('a', 2, 3h)", "(in x 'a' 2 10800.0)"},
      {"x ~ \"it's\"", "(~ x 'it's')"},
      {"a::b", "(x::y a b)"},
      {"a::", "(x:: a)"},
      {"::b", "(::y b)"},
      {"a:: & ::b", "(and (x:: a) (::y b))"},
      {"tag:x::a@", "(x::y #tag:x #a@)"},
      {"a@<=500::(b | c)", "(x::y #a@<=500 (or b c))"},
      {"best(loss, 3, among=children(a@))", "(best() loss 3 (among= (children() #a@)))"},
      {"a@1200~2", "#a@1200~2"},
      {"lamb-b@1600", "#lamb-b@1600"},
      {"r50~2~1", "#r50~2~1"},
      {"run~'x'", "(~ run 'x')"},
      {"5be1c07d", "5be1c07d"},
      {"metric.'val acc' > .5", "(> metric.val acc 0.5)"},
      {"x > 1e-5", "(> x 1e-05)"},
      {"x > 1e+5", "(> x 1e+05)"},
      {"x > 1.5d", "(> x 129600.0)"},
      {"all() order by x + 1 desc limit 3", "all() by (+ x 1) desc limit 3"},
      {"order@ & x::limit@", "(and #order@ (x::y x #limit@))"},
      {"x:: limit 3", "(x:: x) limit 3"}};
  for (const auto& [text, shape] : table) {
    INFO(text);
    CHECK(ShapeOf(text) == shape);
  }
}

TEST_CASE("text that is no query says what was expected where") {
  const std::vector<std::pair<std::string, const char*>> table = {
      {"", "an empty query; all() is every state"},
      {"  ", "an empty query"},
      {"a b", "`and`, `or`, `::`, `order by`, `limit` or the end at 'b' (character 3)"},
      {"a &", "a state, a value or a function at its end"},
      {"(a", "expected `)` at its end"},
      {"a)", "at ')' (character 2)"},
      {"a and and b", "at 'and' (character 7)"},
      {"1 < x < 3", "join two with `and`"},
      {"a::b::c", "two ends"},
      {"x in 3", "a list such as"},
      {"x in ()", "a state, a value or a function"},
      {"x ~ y", "a pattern in quotes"},
      {"f(a", "`,` or `)` after an argument of f()"},
      {"a order x", "`by` after `order`"},
      {"a limit 0", "at least 1"},
      {"a limit x", "at least 1"},
      {"x = 'abc", "quote at character 5 is never closed"},
      {"a ; b", "';' at character 3"},
      {"a:b", "a range is written x::y"},
      {std::string("a\0b", 3), "a control character at character 2"},
      {"\xff\xfe = 1 ?", "'?'"}};
  for (const auto& [text, says] : table) {
    INFO(text);
    const Status status = Parse(text).status();
    CHECK_THAT(status, HasCode(Code::kInvalidArgument, says));
  }
}

std::string Times(size_t count, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST_CASE("depth, length and parts are bounded") {
  CHECK(Parse(Times(60, "(") + "a" + Times(60, ")")).ok());
  CHECK(Parse(Times(60, "!") + "a").ok());
  CHECK(Parse("a" + Times(1000, " | a")).ok());
  const std::vector<std::pair<std::string, const char*>> table = {
      {Times(65, "(") + "a" + Times(65, ")"), "nested more than 64"},
      {Times(30000, "("), "nested more than 64"},
      {Times(30000, "!") + "a", "nested more than 64"},
      {Times(30000, "not ").substr(0, 60000) + "a", "nested more than 64"},
      {"x = " + Times(30000, "-") + "1", "nested more than 64"},
      {Times(10000, "f(") + "a", "nested more than 64"},
      {"1" + Times(20000, "+1") + " = x", "nested more than 64"},
      {"a" + Times(9000, "|a"), "more than 4096 parts"},
      {"x in (1" + Times(9000, ",1") + ")", "more than 4096 parts"},
      {std::string(64 * 1024 + 1, 'a'), "too long"}};
  for (const auto& [text, says] : table) {
    INFO(text.substr(0, 20));
    CHECK_THAT(Parse(text).status(), HasCode(Code::kInvalidArgument, says));
  }
}

bool Matches(const std::string& pattern, const std::string& text) {
  const Result<query::Pattern> compiled = query::Pattern::Compile(pattern);
  REQUIRE_THAT(compiled.status(), tests::IsOk());
  uint64_t steps = 0;
  return compiled->IsIn(text, &steps);
}

TEST_CASE("patterns match what they say") {
  struct Line {
    const char *pattern, *yes, *no;
  };
  const std::vector<Line> table = {{"b", "abc", "ac"},
                                   {"^b", "bc", "abc"},
                                   {"b$", "ab", "abc"},
                                   {"^$", "", "a"},
                                   {"^a.c$", "abc", "ac"},
                                   {"^a*$", "aaa", "aab"},
                                   {"^a+$", "aaa", ""},
                                   {"^ab?c$", "ac", "abbc"},
                                   {"^(ab|cd)+$", "abcdab", "abc"},
                                   {"^(a|)b$", "b", "cb"},
                                   {"^[a-c_]+$", "ab_", "abd"},
                                   {"^[^a-c]$", "d", "b"},
                                   {"^[]x]$", "]", "y"},
                                   {"^[\\d.-]+$", "1.5-2", "1,5"},
                                   {"^\\w\\s\\D$", "a b", "a 1"},
                                   {"a\\.b\\*", "a.b*", "axb*"},
                                   {"^(a*)*$", "aaaa", "b"},
                                   {"^((a+)+b)?c$", "aabc", "aab"},
                                   {"a+?b", "aab", "b"}};
  for (const auto& [pattern, yes, no] : table) {
    INFO(pattern);
    CHECK(Matches(pattern, yes));
    CHECK_FALSE(Matches(pattern, no));
  }
  for (const char* bad :
       {"(", ")", "[", "*a", "a{2}", "(?=a)", "\\", "\\1", "a**", "[b-a]", "a|*"}) {
    INFO(bad);
    CHECK_THAT(query::Pattern::Compile(bad).status(),
               HasCode(Code::kInvalidArgument, "in the pattern"));
  }
  CHECK_FALSE(query::Pattern::Compile(std::string(257, 'a')).ok());
}

TEST_CASE("a pattern's work is linear where backtracking would be exponential") {
  const auto pattern = query::Pattern::Compile("^(((a*)*)*|(a|a)*|(a|aa)+)*b$");
  REQUIRE(pattern.ok());
  uint64_t steps = 0;
  const size_t length = 2000;
  CHECK_FALSE(pattern->IsIn(std::string(length, 'a'), &steps));
  CHECK(steps <= 2 * (length + 1) * pattern->size());
  CHECK(steps > length);
}

TEST_CASE("any text is answered, with a result or an error") {
  const Family family;
  const std::vector<std::string> words = {
      "base",  "@",      "300",   "<=",         "~",       "tag:best",    "::",       "(",
      ")",     "&",      "|",     "!",          "not ",    "loss",        "metric",   ".",
      "lr",    "hp.",    ">",     "=",          "0.1",     "'a'",         "best",     "all()",
      ",",     " ",      "-",     "*",          "%",       "/",           " in ",     "2h",
      "1e9",   "lca",    "path",  "heads",      "among=",  "k=",          "run",      "[",
      "\x80x", "exists", "older", " order by ", " limit ", "scope:sweep", "ac000001", "true",
      "'",     "step"};
  std::mt19937 random(7);
  size_t answered = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t count = 1 + random() % 8; count > 0; --count)
      text += words[random() % words.size()];
    const Result<Query> query = ParseQuery(text);
    if (!query.ok()) {
      CHECK_FALSE(query.status().message().empty());
      continue;
    }
    const Result<Answer> answer = Find(*query, family.index, Family::kNowMs);
    if (answer.ok()) {
      ++answered;
      CHECK(answer->rows.size() <= family.index.size());
      CHECK_FALSE(ExplainText(answer->part).empty());
    } else {
      CHECK_FALSE(answer.status().message().empty());
    }
  }
  CHECK(answered > 50);
}

TEST_CASE("a plain state is told from a query") {
  for (const char* text : {"r50", "r50@", "r50@<=12000~2", "tag:best", "5be1c07d", "base@x"}) {
    INFO(text);
    CHECK(IsPlainState(text));
  }
  for (const char* text :
       {"a & b", "a::", "::a", "!a", "heads()", "lr>0.1", "step<=5", "scope:x"}) {
    INFO(text);
    CHECK_FALSE(IsPlainState(text));
  }
}

}  // namespace
}  // namespace stemma::lineage
