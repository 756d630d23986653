#include "lineage/query/evaluator.h"

#include <cmath>

#include "lineage/query/graph_sets.h"
#include "lineage/query/pattern.h"
#include "lineage/query/states.h"
#include "lineage/selector_impl.h"

namespace stemma::lineage::query {
namespace {

constexpr uint64_t kPatternStepsMax = 2'000'000'000;  // a few seconds
constexpr size_t kShownMax = 80;

std::string Shown(const std::string& text) {
  return text.size() > kShownMax ? text.substr(0, kShownMax) + "..." : text;
}

void AddNote(std::string* notes, const std::string& note) {
  if (notes->find(note) != std::string::npos || notes->size() > 4 * kShownMax) return;
  *notes += (notes->empty() ? "" : ", ") + note;
}

}  // namespace

Status Evaluator::At(const Node& node, Row row, const Status& status) const {
  return Status(status.code(), "in `" + Shown(TextOfNode(node)) + "` at " + WordsOf(index_, row) +
                                   ": " + status.message());
}

Result<Truths> Evaluator::Set(const Node& node, Part* part) {
  part->text = TextOfNode(node);
  part->needs_all = node.kind == NodeKind::kAnd;
  STEMMA_ASSIGN_OR_RETURN(Truths truths, SetOf(node, part));
  part->selected = CountOf(truths, Truth::kTrue);
  part->unknown = CountOf(truths, Truth::kUnknown);
  return truths;
}

Result<Truths> Evaluator::Inner(const Node& node, Part* part) {
  Part inner;
  STEMMA_ASSIGN_OR_RETURN(Truths truths, Set(node, &inner));
  part->parts.push_back(std::move(inner));
  return truths;
}

Result<Truths> Evaluator::SetOf(const Node& node, Part* part) {
  switch (node.kind) {
    case NodeKind::kOr:
    case NodeKind::kAnd:
      return Joined(node, part);
    case NodeKind::kNot: {
      STEMMA_ASSIGN_OR_RETURN(Truths truths, Inner(node.children[0], part));
      for (Truth& truth : truths) truth = Not(truth);
      return truths;
    }
    case NodeKind::kRange:
      return RangeOf(node, part);
    case NodeKind::kCompare:
      return CompareOf(node, part);
    case NodeKind::kMatch:
      return MatchOf(node, part);
    case NodeKind::kIn:
      return InOf(node, part);
    case NodeKind::kCall:
      return Call(node, part);
    case NodeKind::kState:
      return StateOf(node, part);
    case NodeKind::kWord:
    case NodeKind::kNumber:
      return ByWord(node, part);
    case NodeKind::kText:
      return Status(Code::kInvalidArgument,
                    "'" + Shown(node.text) + "' is a text and names no states; compare it, as in " +
                        "run = '" + Shown(node.text) + "', or leave the quotes away");
    case NodeKind::kNamed:
      return Status(Code::kInvalidArgument, "no argument is called `" + node.text + "` here");
    case NodeKind::kArith:
    case NodeKind::kNegate:
      break;
  }
  return Status(Code::kInvalidArgument, "`" + Shown(TextOfNode(node)) +
                                            "` is a value, where states are needed; compare "
                                            "it, as in `... > 0`");
}

Result<Truths> Evaluator::Joined(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(Truths all, Inner(node.children[0], part));
  for (size_t i = 1; i < node.children.size(); ++i) {
    STEMMA_ASSIGN_OR_RETURN(const Truths next, Inner(node.children[i], part));
    const bool both = node.kind == NodeKind::kAnd;
    for (size_t row = 0; row < all.size(); ++row) {
      all[row] = both ? And(all[row], next[row]) : Or(all[row], next[row]);
    }
  }
  return all;
}

Result<Truths> Evaluator::RangeOf(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(const Truths first, Inner(node.children[0], part));
  if (node.text == "::y") return Ancestors(index_, first);
  if (node.text == "x::") return Descendants(index_, first);
  STEMMA_ASSIGN_OR_RETURN(const Truths last, Inner(node.children[1], part));
  return Range(index_, first, last);
}

Result<Truths> Evaluator::Single(std::string_view text, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(const Row row, ResolveRow(index_, text));
  AddNote(&part->notes, std::string(text) + " is " + WordsOf(index_, row));
  Truths truths = Nothing();
  truths[row] = Truth::kTrue;
  return truths;
}

Result<Truths> Evaluator::ScopeOf(std::string_view name) {
  STEMMA_ASSIGN_OR_RETURN(const ScopeRow* scope, FindScope(index_, name));
  Truths truths = Nothing();
  for (const Row row : scope->members) truths[row] = Truth::kTrue;
  return truths;
}

Result<Truths> Evaluator::StateOf(const Node& node, Part* part) {
  if (node.text.compare(0, 6, "scope:") == 0) return ScopeOf(node.text.substr(6));
  return Single(node.text, part);
}

// A run, an id, or a value that somebody forgot to compare. A number may be the digits of an id.
Result<Truths> Evaluator::ByWord(const Node& node, Part* part) {
  Result<Truths> state = Single(node.text, part);
  if (state.ok() || index_.FindRun(node.text)) return state;
  if (node.kind == NodeKind::kNumber &&
      (node.text.size() < internal::kPrefixMin || !internal::IsHex(node.text))) {
    return Status(Code::kInvalidArgument,
                  "`" + Shown(node.text) + "` is a number, where states are needed");
  }
  if (node.kind == NodeKind::kNumber || index_.size() == 0) return state;
  const Result<Path> path = BindPath(node.text, index_, now_ms_, false);
  if (!path.ok()) return state;
  return Status(Code::kInvalidArgument, "`" + Shown(node.text) + "` is a value (" + path->name +
                                            "), where states are needed; compare it, as in `" +
                                            Shown(node.text) + " > 0`, or ask exists(" +
                                            path->name + ")");
}

Result<Path> Evaluator::PathOf(const Node& node, bool may_be_absent, std::string* notes) {
  STEMMA_ASSIGN_OR_RETURN(Path path, BindPath(node.text, index_, now_ms_, may_be_absent));
  if (path.name != node.text) AddNote(notes, node.text + " is " + path.name);
  return path;
}

Result<Getter> Evaluator::ValueOf(const Node& node, std::string* notes) {
  switch (node.kind) {
    case NodeKind::kNumber: {
      const double* number = std::get_if<double>(&node.value);
      if (number && !std::isfinite(*number)) {
        return Status(Code::kInvalidArgument, "`" + Shown(node.text) + "` is too large a number");
      }
      return Getter([value = node.value](Row) -> Result<Scalar> { return value; });
    }
    case NodeKind::kText:
      return Getter([value = Scalar(node.text)](Row) -> Result<Scalar> { return value; });
    case NodeKind::kWord: {
      if (node.text == "true" || node.text == "false") {
        return Getter([yes = node.text == "true"](Row) -> Result<Scalar> { return Scalar(yes); });
      }
      STEMMA_ASSIGN_OR_RETURN(const Path path, PathOf(node, false, notes));
      return Getter([at = path.at](Row row) -> Result<Scalar> { return at(row); });
    }
    case NodeKind::kNegate: {
      STEMMA_ASSIGN_OR_RETURN(const Getter of, ValueOf(node.children[0], notes));
      return Getter([of](Row row) -> Result<Scalar> {
        STEMMA_ASSIGN_OR_RETURN(const Scalar value, of(row));
        return Calculated('-', int64_t{0}, value);
      });
    }
    case NodeKind::kArith: {
      STEMMA_ASSIGN_OR_RETURN(const Getter a, ValueOf(node.children[0], notes));
      STEMMA_ASSIGN_OR_RETURN(const Getter b, ValueOf(node.children[1], notes));
      return Getter([a, b, mark = node.text[0]](Row row) -> Result<Scalar> {
        STEMMA_ASSIGN_OR_RETURN(const Scalar left, a(row));
        STEMMA_ASSIGN_OR_RETURN(const Scalar right, b(row));
        return Calculated(mark, left, right);
      });
    }
    default:
      return Status(Code::kInvalidArgument, "`" + Shown(TextOfNode(node)) +
                                                "` is a set of states, where a value is needed");
  }
}

Result<Truths> Evaluator::CompareOf(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(const Getter a, ValueOf(node.children[0], &part->notes));
  STEMMA_ASSIGN_OR_RETURN(const Getter b, ValueOf(node.children[1], &part->notes));
  const Comparison how = ComparisonOf(node.text);
  Truths truths = Nothing();
  for (Row row = 0; row < index_.size(); ++row) {
    const Result<Scalar> left = a(row);
    if (!left.ok()) return At(node, row, left.status());
    const Result<Scalar> right = b(row);
    if (!right.ok()) return At(node, row, right.status());
    const Result<Truth> truth = Compared(how, *left, *right);
    if (!truth.ok()) return At(node, row, truth.status());
    truths[row] = *truth;
  }
  return truths;
}

Result<Truths> Evaluator::InOf(const Node& node, Part* part) {
  std::vector<Getter> getters;
  for (const Node& child : node.children) {
    STEMMA_ASSIGN_OR_RETURN(Getter getter, ValueOf(child, &part->notes));
    getters.push_back(std::move(getter));
  }
  Truths truths = Nothing();
  for (Row row = 0; row < index_.size(); ++row) {
    const Result<Scalar> value = getters[0](row);
    if (!value.ok()) return At(node, row, value.status());
    for (size_t i = 1; i < getters.size() && truths[row] != Truth::kTrue; ++i) {
      const Result<Scalar> one = getters[i](row);
      if (!one.ok()) return At(node, row, one.status());
      const Result<Truth> same = Compared(Comparison::kEqual, *value, *one);
      if (!same.ok()) return At(node, row, same.status());
      truths[row] = Or(truths[row], *same);
    }
  }
  return truths;
}

// Runs of equal texts are common (the run's name): the answer for the last one is kept.
Result<Truths> Evaluator::MatchOf(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(const Getter getter, ValueOf(node.children[0], &part->notes));
  STEMMA_ASSIGN_OR_RETURN(const Pattern pattern, Pattern::Compile(node.children[1].text));
  Truths truths = Nothing();
  std::string last;
  Truth of_last = Truth::kUnknown;
  for (Row row = 0; row < index_.size(); ++row) {
    const Result<Scalar> value = getter(row);
    if (!value.ok()) return At(node, row, value.status());
    truths[row] = Truth::kUnknown;
    if (IsMissing(*value)) continue;
    if (!IsText(*value)) {
      return At(node, row,
                Status(Code::kInvalidArgument, "`~` needs a text, not " + Described(*value)));
    }
    const std::string& text = std::get<std::string>(*value);
    if (of_last == Truth::kUnknown || text != last) {
      // An instruction is visited at most once a byte.
      if (pattern_steps_ + text.size() * pattern.size() > kPatternStepsMax) {
        return At(node, row,
                  Status(Code::kInvalidArgument,
                         "patterns and texts are too long for so many states; narrow by "
                         "prefix, or ask a store with fewer states"));
      }
      of_last = TruthOf(pattern.IsIn(text, &pattern_steps_));
      last = text;
    }
    truths[row] = of_last;
  }
  return truths;
}

}  // namespace stemma::lineage::query
