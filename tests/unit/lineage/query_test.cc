#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lineage/query/values.h"
#include "tests/unit/lineage/query_family.h"

#include "tests/support/status_matchers.h"

namespace stemma::lineage {
namespace {

using tests::HasCode;

struct Expectation {
  const char* query;
  const char* selects;  // newest first
};

void CheckTable(const std::vector<Expectation>& table) {
  const Family family;
  for (const auto& [query, selects] : table) {
    INFO(query);
    CHECK(family.Letters(query) == selects);
  }
}

TEST_CASE("states and ranges") {
  CheckTable({{"base@100", "a"},
              {"base@300", "d"},
              {"base@<=399", "d"},
              {"base@", "e"},
              {"base", "e"},
              {"base@~1", "d"},
              {"base~2", "b"},
              {"tag:best", "g"},
              {"tag:best~1", "f"},
              {"scope:sweep", "gc"},
              {"ac000001", "a"},
              {"AC000001", "a"},
              {"0c000001", "g"},
              {"base@200::", "hgfedcb"},
              {"::tag:best", "gfba"},
              {"base@200::m@", "hgfedb"},
              {"tag:best::base@", ""},
              {"x::m", "no run is called 'x'; there are b, base, m"},
              {"(base@100 | b@)::", "hgfedcba"},
              {"base@100::& step>=400", "he"}});
}

TEST_CASE("functions by position and status") {
  CheckTable({{"parents(m)", "ge"},
              {"children(base@200)", "fdc"},
              {"ancestors(b@)", "gfba"},
              {"descendants(b)", "hg"},
              {"descendants(b@200)", "hgf"},
              {"heads()", "hge"},
              {"heads(run(base))", "ec"},
              {"roots()", "a"},
              {"roots(run(b) | base@400)", "fe"},
              {"lca(base@, b@)", "b"},
              {"lca(m@, m@)", "h"},
              {"lca(none(), b@)", ""},
              {"path(base@, b@)", "gfedb"},
              {"path(b@, base@)", "gfedb"},
              {"path(base@100, base@)", "edba"},
              {"forkpoints()", "geb"},
              {"tagged()", "g"},
              {"suspect()", "c"},
              {"pruned()", "a"},
              {"quarantined()", "d"},
              {"live()", "hgfecb"},
              {"all()", "hgfedcba"},
              {"none()", ""},
              {"first(run(base))", "a"},
              {"first(all(), 3)", "cba"},
              {"last(all(), k=2)", "hg"},
              {"latest(run(b))", "g"},
              {"run('b')", "gf"}});
}

TEST_CASE("functions by value") {
  CheckTable({{"best(metric.loss)", "h"},
              {"best(loss, 2)", "hg"},
              {"best(loss, 2, among=run(base))", "ec"},
              {"best(loss, 2, run(base))", "ec"},
              {"best(acc)", "g"},
              {"best(acc, 99)", "hgdcb"},
              {"lowest(acc)", "b"},
              {"highest(loss, k = 1)", "b"},
              {"highest(step - loss * 0)", "h"},
              {"lowest(step, 2, among=step >= 300)", "dc"},
              {"exists(metric.loss)", "hgedcb"},
              {"exists(metric.nobody)", ""},
              {"exists(hp.data.seed)", "edcba"},
              {"exists(run)", "hgfedcba"},
              {"older(1h)", "edcba"},  // now is 9000 s, a is 1000 s: older than 3600 s
              {"older(5000)", "cba"}});
}

TEST_CASE("predicates on every path") {
  CheckTable({{"metric.loss < 2", "hg"},
              {"metric.loss <= 2", "hge"},
              {"metric.loss = 2", "e"},
              {"metric.loss == 2.0", "e"},
              {"metric.loss != 2", "hgdcb"},
              {"metric.loss != metric.loss", "d"},
              {"!(metric.loss < 2)", "edcb"},
              {"hp.optim.lr >= 0.5", "hgf"},
              {"hp.optim.name = 'lamb'", "edcba"},
              {"hp.optim.name in ('lars', \"sgd\")", "hgf"},
              {"step in (100, 250.0)", "ga"},
              {"attr.good",
               "`attr.good` is a value (attr.good), where states are needed; compare it, as in "
               "`attr.good > 0`, or ask exists(attr.good)"},
              {"attr.good = true", "b"},
              {"attr.good = 1", "b"},
              {"attr.good < true", "c"},
              {"attr.note ~ '^first'", "b"},
              {"run ~ '^b$'", "gf"},
              {"run = 'base' & incarnation = 2", "ed"},
              {"world = 2", "gf"},
              {"epoch > 3.5", "he"},
              {"samples % 2000 = 0", "feb"},
              {"reason = 'fork'", "f"},
              {"capture = 0 & step < 150", "a"},
              {"audit = 'suspect'", "c"},
              {"bytes.own = 0", "f"},
              {"bytes.shared > 0", "f"},
              {"bytes.logical = 1000 & run(b)", "gf"},
              {"age > 2h", "a"},
              {"age < 0.5h", "h"},
              {"time >= '1970-01-01 02'", "h"},
              {"loss < 2", "hg"},
              {"lr > 0.1", "hgf"},
              {"best(loss, 3) & descendants(base@200) & lr>0.1", "hg"},
              {"step % 200 = 0 and not run(b)", "eb"},
              {"step / 200 = 1.5", "dc"},
              {"-step + 2 * (100 + 100) = 0", "e"},
              {"step % 0 = 0", ""},
              {"step / 0 = 0 or step = 100", "a"},
              {"9223372036854775807 + step > 9223372036854775807", "hgfedcba"},
              {"9007199254740993 > 9007199254740992.0 & roots()", "a"}});
}

TEST_CASE("order and limit") {
  CheckTable({{"all() order by metric.loss", "hgecbdfa"},
              {"all() order by metric.loss desc limit 3", "bce"},
              {"all() order by metric.loss desc", "bceghdfa"},
              {"all() ORDER BY run asc LIMIT 2", "gf"},
              {"all() order by -step limit 1", "h"},
              {"all() limit 2", "hg"}});
}

TEST_CASE("a missing value is unknown, and only true selects") {
  const Family family;
  using query::Truth;
  for (const Truth a : {Truth::kFalse, Truth::kUnknown, Truth::kTrue}) {
    CHECK(Not(Not(a)) == a);
    CHECK(And(a, Truth::kFalse) == Truth::kFalse);
    CHECK(Or(a, Truth::kTrue) == Truth::kTrue);
    CHECK(And(a, Truth::kTrue) == a);
    CHECK(Or(a, Truth::kFalse) == a);
  }
  CHECK(Not(Truth::kUnknown) == Truth::kUnknown);
  CHECK(And(Truth::kUnknown, Truth::kUnknown) == Truth::kUnknown);
  CHECK(Or(Truth::kUnknown, Truth::kUnknown) == Truth::kUnknown);
  // b@200 has no loss.
  const std::map<std::string, std::string> table = {{"loss < 9", ""},
                                                    {"!(loss < 9)", ""},
                                                    {"!!(loss < 9)", ""},
                                                    {"loss < 9 or step = 200", "f"},
                                                    {"loss < 9 or step = 201", ""},
                                                    {"!(loss < 9 and step = 201)", "f"},
                                                    {"!(loss < 9 and step = 200)", ""},
                                                    {"loss in (1, 2)", ""},
                                                    {"!(loss in (1, 2))", ""},
                                                    {"step in (loss, 200)", "f"},
                                                    {"!(step in (loss, 201))", ""},
                                                    {"attr.note ~ 'x'", ""},
                                                    {"!(attr.note ~ 'x')", ""},
                                                    {"loss + 1 < 9 or !exists(loss)", "f"}};
  for (const auto& [text, selects] : table) {
    INFO(text);
    CHECK(family.Letters("(" + text + ") & b@200") == selects);
  }
}

TEST_CASE("what makes no sense is an error that says the way out") {
  const Family family;
  const std::vector<std::pair<const char*, const char*>> table = {
      {"hp.optim.name > 3", "the text 'lamb' cannot be compared with the number 3"},
      {"step = 'x'", "the number 100 cannot be compared with the text 'x'"},
      {"attr.mixed = 3", "at cc000001 base@300"},
      {"all() order by attr.mixed", "cannot be compared"},
      {"run + 1 = 2", "'+' needs numbers, not the text 'base'"},
      {"best(run)", "a number is needed"},
      {"step ~ 'x'", "needs a text, not the number 100"},
      {"run ~ '('", "never closed"},
      {"run ~ 'a{2}'", "write the part several times"},
      {"metric.los < 2", "did you mean 'loss'?"},
      {"hp.optim.rl = 1", "did you mean 'optim.lr'?"},
      {"los < 2", "did you mean metric.loss?"},
      {"seed = 7", "hp.data.seed or hp.train.seed"},
      {"colour = 7", "values are metric.NAME, hp.NAME, attr.NAME"},
      {"run = base", "a text stands in quotes: 'base'"},
      {"step-1 = 7", "a minus stands between blanks; did you mean step?"},
      {"lr", "is a value (hp.optim.lr)"},
      {"step + 1", "is a value"},
      {"5", "is a number"},
      {"'base'", "leave the quotes away"},
      {"all() > 5", "is a set of states"},
      {"bsae@200", "did you mean 'base'?"},
      {"base@250", "its neighbours are base@200 and base@300"},
      {"tag:bset", "did you mean 'best'?"},
      {"tag:lost", "run fsck"},
      {"scope:swep", "did you mean 'sweep'?"},
      {"decendants(base)", "did you mean descendants()?"},
      {"children()", "children(x)"},
      {"lca(base)", "lca(x, y)"},
      {"best()", "best(metric, k, among=x)"},
      {"best(loss, 0)", "at least 1"},
      {"best(loss, 1, k=2)", "other arguments"},
      {"best(loss + 1)", "lowest() and highest()"},
      {"heads(among=base)", "no argument is called `among`"},
      {"exists(3)", "exists(metric.loss)"},
      {"older(base)", "older(2h)"},
      {"run(bsae)", "did you mean 'base'?"},
      {"99999999999e999999 > 1", "too large"},
  };
  for (const auto& [text, says] : table) {
    INFO(text);
    CHECK_THAT(family.Letters(text), Catch::Contains(says));
  }
  Index bare = family.index;
  bare.scopes.clear();
  CHECK_THAT(Find(*ParseQuery("scope:x"), bare).status(),
             HasCode(Code::kNotFound, "this store has no scopes"));
}

TEST_CASE("one state, or which part was empty, or the candidates") {
  const Family family;
  const auto one = [&](const char* text) { return One(*ParseQuery(text), family.index, 0); };
  REQUIRE(one("best(loss)").ok());
  CHECK(*one("best(loss)") == family.Row('h'));
  CHECK_THAT(one("heads()").status(), HasCode(Code::kInvalidArgument, "names 3 states"));
  CHECK_THAT(one("heads()").status(), HasCode(Code::kInvalidArgument, "m@500, incarnation 1"));
  CHECK_THAT(one("heads() & step > 900").status(),
             HasCode(Code::kNotFound, "`step > 900` selects no state"));
  CHECK_THAT(one("run(b) & run(m)").status(),
             HasCode(Code::kNotFound, "all of `run(b)` (2 states), `run(m)` (1 state)"));
  CHECK_THAT(one("metric.only_g > 5").status(), HasCode(Code::kNotFound, "unknown for 7 states"));
  CHECK_THAT(one("children(descendants(m) & run(b))").status(),
             HasCode(Code::kNotFound, "`run(b)` (2 states)"));
}

TEST_CASE("explain counts what each part selected") {
  const Family family;
  const auto answer = Find(*ParseQuery("best(loss, 3) & lr > 0.1 & base@200::"), family.index);
  REQUIRE(answer.ok());
  CHECK(ExplainText(answer->part) ==
        "2  best(loss, 3) & lr > 0.1 & base@200::\n"
        "3    best(loss, 3)    (loss is metric.loss, best is the smallest)\n"
        "3    lr > 0.1    (lr is hp.optim.lr)\n"
        "7    base@200::\n"
        "1      base@200    (base@200 is bc000001 base@200)\n");
}

TEST_CASE("columns are the values that a query speaks of, each once") {
  const Family family;
  const Query query = *ParseQuery(
      "(loss < 2 | !(lr = 1)) & best(acc) & exists(attr.x) & base@"
      " order by step + metric.loss");
  const auto columns = ColumnsOf(query, family.index);
  REQUIRE(columns.ok());
  std::string names;
  for (const QueryColumn& column : *columns) names += column.name + " ";
  CHECK(names == "metric.loss hp.optim.lr metric.acc attr.x step ");
  CHECK(TextOf((*columns)[0].at(family.Row('g'))) == "1.5");
  CHECK(TextOf((*columns)[1].at(family.Row('g'))) == "0.5");
  CHECK(TextOf((*columns)[0].at(family.Row('a'))) == "");
}

TEST_CASE("an empty store answers with nothing") {
  const Index empty = [] {
    MemoryStorage storage;
    return IndexOf(Graph(), *OpenStore(storage));
  }();
  for (const char* text : {"all()", "loss < 2", "metric.x < 2", "heads() & best(loss)",
                           "lca(all(), roots())", "all() order by loss", "colour = 1"}) {
    INFO(text);
    const auto answer = Find(*ParseQuery(text), empty);
    CHECK_THAT(answer.status(), tests::IsOk());
    CHECK((answer.ok() && answer->rows.empty()));
  }
  CHECK_THAT(Find(*ParseQuery("base@"), empty).status(),
             HasCode(Code::kNotFound, "this store has no runs"));
}

}  // namespace
}  // namespace stemma::lineage
