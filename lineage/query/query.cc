#include "lineage/query/query.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "lineage/query/evaluator.h"
#include "lineage/query/states.h"
#include "lineage/query/syntax.h"

namespace stemma::lineage {
namespace {

using query::Compared;
using query::Comparison;
using query::Evaluator;
using query::IsMissing;
using query::IsNan;
using query::IsText;
using query::Node;
using query::NodeKind;
using query::Syntax;
using query::Truth;

constexpr size_t kColumnsMax = 64;

// Numbers, then NaN, then missing, whichever way the numbers run. REQUIRES: comparable values.
bool Before(const Scalar& a, const Scalar& b, bool descending) {
  const auto rank = [](const Scalar& value) { return IsMissing(value) ? 2 : IsNan(value) ? 1 : 0; };
  if (rank(a) != 0 || rank(b) != 0) return rank(a) < rank(b);
  const Result<Truth> truth = Compared(descending ? Comparison::kMore : Comparison::kLess, a, b);
  return truth.ok() && *truth == Truth::kTrue;
}

Status Sort(const Syntax& syntax, const Index& index, Evaluator* evaluator, Answer* answer) {
  STEMMA_ASSIGN_OR_RETURN(const query::Getter getter,
                          evaluator->ValueOf(*syntax.order, &answer->part.notes));
  std::vector<std::pair<Scalar, Row>> keyed;
  const Scalar* text = nullptr;
  const Scalar* number = nullptr;
  keyed.reserve(answer->rows.size());  // text and number point into it
  for (const Row row : answer->rows) {
    Result<Scalar> value = getter(row);
    if (!value.ok()) {
      return Status(value.status()).Within("order by, at " + query::WordsOf(index, row));
    }
    keyed.push_back({*std::move(value), row});
    const Scalar& key = keyed.back().first;
    if (!IsMissing(key)) (IsText(key) ? text : number) = &key;
  }
  if (text && number) {
    return Compared(Comparison::kLess, *text, *number).status();
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&syntax](const auto& a, const auto& b) {
    return Before(a.first, b.first, syntax.descending);
  });
  for (size_t i = 0; i < keyed.size(); ++i) answer->rows[i] = keyed[i].second;
  return {};
}

std::string Quoted(const Part& part) { return "`" + part.text.substr(0, 200) + "`"; }

std::string CountText(size_t states) {
  return std::to_string(states) + (states == 1 ? " state" : " states");
}

// Which part of an empty set is to blame. REQUIRES: nothing selected.
std::string WhyEmpty(const Part& part) {
  for (const Part& inner : part.parts) {
    if (inner.selected == 0 && inner.unknown == 0) return WhyEmpty(inner);
  }
  for (const Part& inner : part.parts) {
    if (inner.selected == 0) return WhyEmpty(inner);
  }
  std::string text = Quoted(part) + " selects no state";
  if (part.unknown > 0) {
    text += "; it is unknown for " + CountText(part.unknown) + ", where a value is missing";
  }
  if (!part.needs_all) return text;
  text = "no state is in all of";
  for (size_t i = 0; i < part.parts.size() && i < 8; ++i) {
    text +=
        (i ? ", " : " ") + Quoted(part.parts[i]) + " (" + CountText(part.parts[i].selected) + ")";
  }
  return text;
}

size_t DigitsOf(const Part& part) { return std::to_string(part.selected).size(); }

void Explain(const Part& part, size_t level, size_t width, std::string* out) {
  const std::string count = std::to_string(part.selected);
  *out += std::string(width > count.size() ? width - count.size() : 0, ' ') + count + "  " +
          std::string(2 * level, ' ') + part.text;
  std::string notes = part.notes;
  if (part.unknown > 0) {
    notes += (notes.empty() ? "" : ", ") + std::string("unknown for ") + CountText(part.unknown);
  }
  *out += notes.empty() ? "\n" : "    (" + notes + ")\n";
  for (const Part& inner : part.parts) Explain(inner, level + 1, width, out);
}

size_t WidestOf(const Part& part) {
  size_t width = DigitsOf(part);
  for (const Part& inner : part.parts) width = std::max(width, WidestOf(inner));
  return width;
}

// Words in the place of a value, in the order of the text.
void ValueWords(const Node& node, bool is_value, std::vector<const Node*>* words) {
  if (node.kind == NodeKind::kWord && is_value && node.text != "true" && node.text != "false") {
    words->push_back(&node);
  }
  const bool compares = node.kind == NodeKind::kCompare || node.kind == NodeKind::kMatch ||
                        node.kind == NodeKind::kIn || node.kind == NodeKind::kArith ||
                        node.kind == NodeKind::kNegate;
  const bool ranks =
      node.kind == NodeKind::kCall && (node.text == "best" || node.text == "lowest" ||
                                       node.text == "highest" || node.text == "exists");
  for (size_t i = 0; i < node.children.size(); ++i) {
    ValueWords(node.children[i], compares || (ranks && i == 0), words);
  }
}

}  // namespace

int64_t UnixMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Result<Query> ParseQuery(std::string_view text) {
  STEMMA_ASSIGN_OR_RETURN(Syntax syntax, query::Parse(text));
  return Query(std::make_shared<const Syntax>(std::move(syntax)));
}

bool IsPlainState(std::string_view text) {
  std::string rest(text);
  for (size_t at; (at = rest.find("@<=")) != std::string::npos;) rest.erase(at + 1, 2);
  return rest.find_first_of(" \t\r\n()&|!*/%+,'\"<>=") == std::string::npos &&
         rest.find("::") == std::string::npos && rest.rfind("scope:", 0) != 0;
}

Result<Answer> Find(const Query& query, const Index& index, int64_t now_ms) {
  const Syntax& syntax = query.syntax();
  Evaluator evaluator(syntax, index, now_ms);
  Answer answer;
  STEMMA_ASSIGN_OR_RETURN(const query::Truths truths, evaluator.Set(syntax.root, &answer.part));
  for (Row row = static_cast<Row>(truths.size()); row-- > 0;) {
    if (truths[row] == Truth::kTrue) answer.rows.push_back(row);
  }
  if (syntax.order) STEMMA_RETURN_IF_ERROR(Sort(syntax, index, &evaluator, &answer));
  if (syntax.limit && answer.rows.size() > *syntax.limit) answer.rows.resize(*syntax.limit);
  return answer;
}

Result<Row> OneOf(const Answer& answer, const Index& index) {
  if (answer.rows.size() == 1) return answer.rows[0];
  if (answer.rows.empty()) return Status(Code::kNotFound, WhyEmpty(answer.part));
  return Status(Code::kInvalidArgument,
                Quoted(answer.part) + " names " + CountText(answer.rows.size()) + ": " +
                    query::ListOf(index, answer.rows) +
                    "; narrow it, or say which with first(...), last(...) or best(...)");
}

Result<Row> One(const Query& query, const Index& index, int64_t now_ms) {
  STEMMA_ASSIGN_OR_RETURN(const Answer answer, Find(query, index, now_ms));
  return OneOf(answer, index);
}

std::string ExplainText(const Part& part) {
  std::string text;
  Explain(part, 0, WidestOf(part), &text);
  return text;
}

Result<std::vector<QueryColumn>> ColumnsOf(const Query& query, const Index& index, int64_t now_ms) {
  std::vector<const Node*> words;
  ValueWords(query.syntax().root, false, &words);
  if (query.syntax().order) ValueWords(*query.syntax().order, true, &words);
  std::vector<QueryColumn> columns;
  std::set<std::string> names;
  for (const Node* word : words) {
    STEMMA_ASSIGN_OR_RETURN(query::Path path, query::BindPath(word->text, index, now_ms, true));
    if (!names.insert(path.name).second) continue;
    if (names.size() > kColumnsMax) {
      return Status(Code::kInvalidArgument, "the query speaks of more than " +
                                                std::to_string(kColumnsMax) +
                                                " values, too many for a table");
    }
    columns.push_back({path.name, std::move(path.at)});
  }
  return columns;
}

}  // namespace stemma::lineage
