// The functions of the language: a table, and those whose arguments are more than sets.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/text.h"
#include "lineage/query/evaluator.h"
#include "lineage/query/graph_sets.h"
#include "lineage/query/states.h"
#include "lineage/selector_impl.h"

namespace stemma::lineage::query {
namespace {

struct Function {
  const char* name;
  const char* usage;
  // The function over no set, one set or two; what it does not take is nullptr. All nullptr: the
  // evaluator reads the arguments itself.
  Truths (*of_none)(const Index&) = nullptr;
  Truths (*of_one)(const Index&, const Truths&) = nullptr;
  Truths (*of_two)(const Index&, const Truths&, const Truths&) = nullptr;
};

Truths Everything(const Index& index) { return Truths(index.size(), Truth::kTrue); }
Truths NoState(const Index& index) { return Truths(index.size(), Truth::kFalse); }
Truths AllRoots(const Index& index) { return RootsAmong(index, Everything(index)); }
Truths Suspect(const Index& index) { return Flagged(index, kSuspectFlag, true); }
Truths Pruned(const Index& index) { return Flagged(index, kPrunedFlag, true); }
Truths Quarantined(const Index& index) { return Flagged(index, kQuarantinedFlag, true); }
Truths Live(const Index& index) { return Flagged(index, kPrunedFlag | kQuarantinedFlag, false); }

const Function kFunctions[] = {
    {"all", "all()", Everything, nullptr, nullptr},
    {"none", "none()", NoState, nullptr, nullptr},
    {"forkpoints", "forkpoints()", ForkPoints, nullptr, nullptr},
    {"tagged", "tagged()", Tagged, nullptr, nullptr},
    {"suspect", "suspect()", Suspect, nullptr, nullptr},
    {"pruned", "pruned()", Pruned, nullptr, nullptr},
    {"quarantined", "quarantined()", Quarantined, nullptr, nullptr},
    {"live", "live()", Live, nullptr, nullptr},
    {"heads", "heads() or heads(x)", RunHeads, HeadsAmong, nullptr},
    {"roots", "roots() or roots(x)", AllRoots, RootsAmong, nullptr},
    {"parents", "parents(x)", nullptr, Parents, nullptr},
    {"children", "children(x)", nullptr, Children, nullptr},
    {"prev", "prev(x)", nullptr, Previous, nullptr},
    {"next", "next(x)", nullptr, Next, nullptr},
    {"ancestors", "ancestors(x)", nullptr, Ancestors, nullptr},
    {"descendants", "descendants(x)", nullptr, Descendants, nullptr},
    {"lca", "lca(x, y)", nullptr, nullptr, NearestCommon},
    {"path", "path(x, y)", nullptr, nullptr, Way},
    {"best", "best(metric, k, among=x)", nullptr, nullptr, nullptr},
    {"lowest", "lowest(value, k, among=x)", nullptr, nullptr, nullptr},
    {"highest", "highest(value, k, among=x)", nullptr, nullptr, nullptr},
    {"first", "first(x, k)", nullptr, nullptr, nullptr},
    {"last", "last(x, k)", nullptr, nullptr, nullptr},
    {"latest", "latest(x, k)", nullptr, nullptr, nullptr},
    {"exists", "exists(metric.loss)", nullptr, nullptr, nullptr},
    {"older", "older(2h)", nullptr, nullptr, nullptr},
    {"run", "run(name)", nullptr, nullptr, nullptr},
};

Result<const Function*> FindFunction(const std::string& name) {
  std::vector<std::string> names;
  for (const Function& function : kFunctions) {
    if (name == function.name) return &function;
    names.push_back(function.name);
  }
  std::string text = "no function is called `" + name.substr(0, 80) + "`";
  const std::string nearest = Nearest(name, names);
  if (!nearest.empty()) return Status(Code::kNotFound, text + "; did you mean " + nearest + "()?");
  for (size_t i = 0; i < names.size(); ++i) text += (i ? ", " : "; there are ") + names[i];
  return Status(Code::kNotFound, text);
}

Status Usage(const Node& node) {
  const Result<const Function*> function = FindFunction(node.text);
  return Status(Code::kInvalidArgument, node.text + "() takes other arguments: " +
                                            (function.ok() ? (*function)->usage : ""));
}

// Arguments by place, then by name; nullptr: not given.
struct Arguments {
  std::vector<const Node*> placed;
  const Node* count = nullptr;
  const Node* among = nullptr;
};

Result<Arguments> ArgumentsOf(const Node& node, size_t placed_max) {
  Arguments out;
  for (const Node& child : node.children) {
    if (child.kind != NodeKind::kNamed) {
      out.placed.push_back(&child);
      continue;
    }
    const Node*& named = child.text == "k" ? out.count : out.among;
    if (named) return Usage(node);
    named = &child.children[0];
  }
  if (out.placed.empty() || out.placed.size() > placed_max) return Usage(node);
  return out;
}

Result<size_t> CountIn(const Node* node) {
  if (!node) return size_t{1};
  const int64_t* count = std::get_if<int64_t>(&node->value);
  if (count && *count >= 1) return static_cast<size_t>(*count);
  return Status(Code::kInvalidArgument, "`" + node->text.substr(0, 80) +
                                            "` is no number of states: a whole number of at "
                                            "least 1 is needed");
}

bool SmallerIsBetter(std::string name) {
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const char* word : {"loss", "err", "mismatch", "mse", "mae"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Result<Truths> Evaluator::Call(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(const Function* function, FindFunction(node.text));
  const std::string& name = node.text;
  if (name == "best" || name == "lowest" || name == "highest") return Rank(node, part);
  if (name == "first" || name == "last" || name == "latest") return Ends(node, part);
  if (name == "exists") return Exists(node, part);
  if (name == "older") return Older(node);
  if (name == "run") return OfRun(node);
  const size_t count = node.children.size();
  if (count == 0 && function->of_none) return function->of_none(index_);
  if (count == 1 && function->of_one) {
    STEMMA_ASSIGN_OR_RETURN(const Truths of, Inner(node.children[0], part));
    return function->of_one(index_, of);
  }
  if (count == 2 && function->of_two) {
    STEMMA_ASSIGN_OR_RETURN(const Truths a, Inner(node.children[0], part));
    STEMMA_ASSIGN_OR_RETURN(const Truths b, Inner(node.children[1], part));
    return function->of_two(index_, a, b);
  }
  return Usage(node);
}

Result<Truths> Evaluator::Rank(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(Arguments arguments, ArgumentsOf(node, 3));
  if (arguments.placed.size() > 1 && arguments.count) return Usage(node);
  if (arguments.placed.size() > 2 && arguments.among) return Usage(node);
  if (arguments.placed.size() > 1) arguments.count = arguments.placed[1];
  if (arguments.placed.size() > 2) arguments.among = arguments.placed[2];
  const Node& by = *arguments.placed[0];
  bool lowest = node.text == "lowest";
  if (node.text == "best") {
    if (by.kind != NodeKind::kWord) {
      return Status(Code::kInvalidArgument,
                    "best() takes a metric; lowest() and highest() take any value");
    }
    STEMMA_ASSIGN_OR_RETURN(const Path path, PathOf(by, false, &part->notes));
    lowest = SmallerIsBetter(path.name);
    part->notes += (part->notes.empty() ? "" : ", ") + std::string("best is the ") +
                   (lowest ? "smallest" : "largest");
  }
  STEMMA_ASSIGN_OR_RETURN(const size_t count, CountIn(arguments.count));
  STEMMA_ASSIGN_OR_RETURN(const Getter getter, ValueOf(by, &part->notes));
  Truths among = Everything(index_);
  if (arguments.among) {
    STEMMA_ASSIGN_OR_RETURN(among, Inner(*arguments.among, part));
  }
  std::vector<std::pair<double, Row>> ranked;
  for (Row row = 0; row < index_.size(); ++row) {
    if (among[row] != Truth::kTrue) continue;
    const Result<Scalar> value = getter(row);
    if (!value.ok()) return At(node, row, value.status());
    if (IsText(*value)) {
      return At(node, row,
                Status(Code::kInvalidArgument, "a number is needed, not " + Described(*value)));
    }
    if (IsMissing(*value) || IsNan(*value)) continue;
    ranked.push_back({lowest ? NumberOf(*value) : -NumberOf(*value), row});
  }
  std::sort(ranked.begin(), ranked.end());
  Truths truths = Nothing();
  for (size_t i = 0; i < ranked.size() && i < count; ++i) truths[ranked[i].second] = Truth::kTrue;
  return truths;
}

Result<Truths> Evaluator::Ends(const Node& node, Part* part) {
  STEMMA_ASSIGN_OR_RETURN(Arguments arguments, ArgumentsOf(node, 2));
  if (arguments.among || (arguments.placed.size() > 1 && arguments.count)) return Usage(node);
  if (arguments.placed.size() > 1) arguments.count = arguments.placed[1];
  STEMMA_ASSIGN_OR_RETURN(size_t count, CountIn(arguments.count));
  STEMMA_ASSIGN_OR_RETURN(const Truths of, Inner(*arguments.placed[0], part));
  Truths truths = Nothing();
  const size_t size = truths.size();
  for (size_t i = 0; i < size && count > 0; ++i) {
    const size_t row = node.text == "first" ? i : size - 1 - i;
    if (of[row] != Truth::kTrue) continue;
    truths[row] = Truth::kTrue;
    --count;
  }
  return truths;
}

Result<Truths> Evaluator::Exists(const Node& node, Part* part) {
  if (node.children.size() != 1 || node.children[0].kind != NodeKind::kWord) return Usage(node);
  STEMMA_ASSIGN_OR_RETURN(const Path path, PathOf(node.children[0], true, &part->notes));
  Truths truths = Nothing();
  for (Row row = 0; row < index_.size(); ++row) truths[row] = TruthOf(!IsMissing(path.at(row)));
  return truths;
}

Result<Truths> Evaluator::Older(const Node& node) {
  if (node.children.size() != 1 || node.children[0].kind != NodeKind::kNumber) return Usage(node);
  const double seconds = NumberOf(node.children[0].value);
  STEMMA_ASSIGN_OR_RETURN(const Path age, BindPath("age", index_, now_ms_, false));
  Truths truths = Nothing();
  for (Row row = 0; row < index_.size(); ++row) {
    STEMMA_ASSIGN_OR_RETURN(truths[row], Compared(Comparison::kMore, age.at(row), Scalar(seconds)));
  }
  return truths;
}

Result<Truths> Evaluator::OfRun(const Node& node) {
  if (node.children.size() != 1) return Usage(node);
  const Node& name = node.children[0];
  const bool is_name = name.kind == NodeKind::kWord || name.kind == NodeKind::kText ||
                       name.kind == NodeKind::kNumber;
  if (!is_name) return Usage(node);
  STEMMA_ASSIGN_OR_RETURN(const RunRow* run, FindRun(index_, name.text.substr(0, 512)));
  Truths truths = Nothing();
  for (Row row = 0; row < index_.size(); ++row) {
    truths[row] = TruthOf(&index_.runs[index_.run[row]] == run);
  }
  return truths;
}

}  // namespace stemma::lineage::query
