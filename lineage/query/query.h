// The query language: states by what they are and by where they stand in the family tree. One
// grammar for both:
//
//   expr      = or ["order by" value ["asc" | "desc"]] ["limit" n]
//   or        = and {("or" | "|") and}
//   and       = not {("and" | "&") not}
//   not       = ("not" | "!") not | predicate | range
//   predicate = value ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") value
//             | value "~" pattern | value "in" "(" value {"," value} ")"
//   value     = number | duration | text | path | value ("+" | "-" | "*" | "/" | "%") value
//             | "-" value | "(" value ")"
//   range     = primary ["::" [primary]] | "::" primary
//   primary   = "(" or ")" | function "(" arguments ")" | state
//   state     = run "@" step | run "@<=" step | run "@" | run | "tag:" name | "scope:" name
//             | at least 8 digits of an id; each but a scope may end in "~" n: n states back
//
//   metric.val_acc > 0.92 and (hp.optim.name in ('lamb', 'lars') or hp.optim.lr >= 0.1)
//   best(val_loss, 3) & descendants(r50@30) & lr > 0.1
//   a@1200~2     tag:x::a@     heads() & !exists(metric.nan) order by metric.loss limit 5
//
// Values. Paths: metric.X, hp.X (settings), attr.X, run, step, epoch, samples, world, incarnation,
// capture, reason, audit ('suspect', or 'ok' when no replica was found to differ), time
// ('2026-11-21 10:12:33', so time > '2026-11' works), age (seconds), bytes.own, bytes.shared,
// bytes.logical. A bare name that is none of these is a metric, an attribute or the last word of
// one setting, in this order. metric.'any name' quotes. Durations are seconds: 30s, 5m, 2h, 7d, 1w.
// A text stands in quotes of either kind. Names may hold '-', so a minus stands between blanks.
//
// Truth is three-valued: a predicate on a value that a state does not have is unknown, `not` keeps
// it unknown, and only true selects; exists(path) asks. NaN is a value, see values.h. A text beside
// a number is an error, and so is a name that no state of the store has.
//
// Ranges and functions over sets hold what they begin from: x:: is x and its descendants.
//   parents(x) children(x) ancestors(x) descendants(x)
//   prev(x) next(x)    one step back and on along first parents only
//   heads()            the runs' newest states; heads(x): those of x before no other of x
//   roots()            states without a parent; roots(x): those of x after no other of x
//   lca(x, y)          the nearest common ancestors; path(x, y): the way between two states
//   forkpoints() tagged() suspect() pruned() quarantined() all() none()
//   live()             neither pruned nor quarantined: it can be restored
//   best(metric, k, among=x)    the k best, 1 without k: smallest if the metric's name holds
//                      "loss", "err" or "mismatch", else largest; never missing ones and NaN; the
//                      older of equals. lowest(value, k, among=x), highest(...) say which way.
//   first(x, k) last(x, k)      oldest, newest of x, parents before children; latest is last
//   exists(path) older(2h) run(name)
//
// age, older() and time go by the clock of the machine that made the state: to look, never to
// decide that bytes may go.
//
// Bounds: 64 KiB of text, 4096 parts, nesting of 64, patterns of 256 bytes (pattern.h: no
// backtracking) and a fixed sum of pattern steps per query. Work is at most parts times states.
//
//   STEMMA_ASSIGN_OR_RETURN(const Query query, ParseQuery("heads() & loss < 2"));
//   STEMMA_ASSIGN_OR_RETURN(const Answer answer, Find(query, index));
//
// Plain values; any thread. Failure: kInvalidArgument for a query that makes no sense, with the
// place; kNotFound for names that the store does not have, with the nearest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/index.h"
#include "lineage/query/values.h"

namespace stemma::lineage {

namespace query {
struct Syntax;
}  // namespace query

// A parsed query. Cheap to copy.
class Query {
 public:
  explicit Query(std::shared_ptr<const query::Syntax> syntax) : syntax_(std::move(syntax)) {}
  const query::Syntax& syntax() const { return *syntax_; }

 private:
  std::shared_ptr<const query::Syntax> syntax_;
};

Result<Query> ParseQuery(std::string_view text);

// What one part of a query selected.
struct Part {
  std::string text;         // as written
  size_t selected = 0;      // states for which it is true
  size_t unknown = 0;       // states for which a value is missing
  std::string notes;        // what its words stand for: "r50@ is 5be1c07d r50@1200"
  bool needs_all = false;   // an `and`
  std::vector<Part> parts;  // the sets that it is made of
};

struct Answer {
  std::vector<Row> rows;  // newest first (children before parents), or in the order asked for
  Part part;              // of the whole
};

// A text that can only be meant as the name of one state ("r50@12000~2", "tag:best", a typo): it
// holds nothing of the language but that. Resolve(graph, text) answers it without an index.
bool IsPlainState(std::string_view text);

int64_t UnixMs();  // this machine's clock

// Missing values come last in any order, NaN before them.
Result<Answer> Find(const Query& query, const Index& index, int64_t now_ms = UnixMs());

// The state that the query names. kNotFound that says which part was empty; kInvalidArgument that
// lists the states when there are several.
Result<Row> One(const Query& query, const Index& index, int64_t now_ms = UnixMs());
Result<Row> OneOf(const Answer& answer, const Index& index);

// The parts as an indented list, one a line: selected, text, notes.
std::string ExplainText(const Part& part);

// The paths that the query speaks of, in full and each once, in the order of the text.
struct QueryColumn {
  std::string name;
  std::function<Scalar(Row)> at;  // refers to the index
};
Result<std::vector<QueryColumn>> ColumnsOf(const Query& query, const Index& index,
                                           int64_t now_ms = UnixMs());

}  // namespace stemma::lineage
