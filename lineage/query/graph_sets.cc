#include "lineage/query/graph_sets.h"

#include <algorithm>

namespace stemma::lineage::query {
namespace {

Truths Nothing(const Index& index) { return Truths(index.size(), Truth::kFalse); }

bool Has(const Truths& set, Row row) { return set[row] == Truth::kTrue; }

Truths Both(const Truths& a, const Truths& b) {
  Truths both(a.size(), Truth::kFalse);
  for (Row row = 0; row < a.size(); ++row) both[row] = TruthOf(Has(a, row) && Has(b, row));
  return both;
}

Truths Either(const Truths& a, const Truths& b) {
  Truths either(a.size(), Truth::kFalse);
  for (Row row = 0; row < a.size(); ++row) either[row] = TruthOf(Has(a, row) || Has(b, row));
  return either;
}

Truths Without(const Truths& a, const Truths& b) {
  Truths rest(a.size(), Truth::kFalse);
  for (Row row = 0; row < a.size(); ++row) rest[row] = TruthOf(Has(a, row) && !Has(b, row));
  return rest;
}

}  // namespace

size_t CountOf(const Truths& set, Truth what) {
  return static_cast<size_t>(std::count(set.begin(), set.end(), what));
}

Truths Parents(const Index& index, const Truths& of) {
  Truths out = Nothing(index);
  for (Row row = 0; row < index.size(); ++row) {
    if (!Has(of, row)) continue;
    for (const Row parent : index.ParentsOf(row)) out[parent] = Truth::kTrue;
  }
  return out;
}

Truths Children(const Index& index, const Truths& of) {
  Truths out = Nothing(index);
  for (Row row = 0; row < index.size(); ++row) {
    if (!Has(of, row)) continue;
    for (const Row child : index.ChildrenOf(row)) out[child] = Truth::kTrue;
  }
  return out;
}

Truths Previous(const Index& index, const Truths& of) {
  Truths out = Nothing(index);
  for (Row row = 0; row < index.size(); ++row) {
    const Row parent = Has(of, row) ? index.FirstParent(row) : kNoRow;
    if (parent != kNoRow) out[parent] = Truth::kTrue;
  }
  return out;
}

Truths Next(const Index& index, const Truths& of) {
  Truths out = Nothing(index);
  for (Row row = 0; row < index.size(); ++row) {
    const Row parent = index.FirstParent(row);
    if (parent != kNoRow && Has(of, parent)) out[row] = Truth::kTrue;
  }
  return out;
}

Truths Ancestors(const Index& index, const Truths& of) {
  Truths out = Either(of, Nothing(index));
  for (Row row = static_cast<Row>(index.size()); row-- > 0;) {
    if (!Has(out, row)) continue;
    for (const Row parent : index.ParentsOf(row)) out[parent] = Truth::kTrue;
  }
  return out;
}

Truths Descendants(const Index& index, const Truths& of) {
  Truths out = Either(of, Nothing(index));
  for (Row row = 0; row < index.size(); ++row) {
    if (!Has(out, row)) continue;
    for (const Row child : index.ChildrenOf(row)) out[child] = Truth::kTrue;
  }
  return out;
}

Truths Range(const Index& index, const Truths& from, const Truths& to) {
  return Both(Descendants(index, from), Ancestors(index, to));
}

Truths HeadsAmong(const Index& index, const Truths& among) {
  return Without(among, Ancestors(index, Parents(index, among)));
}

Truths RootsAmong(const Index& index, const Truths& among) {
  return Without(among, Descendants(index, Children(index, among)));
}

Truths NearestCommon(const Index& index, const Truths& a, const Truths& b) {
  return HeadsAmong(index, Both(Ancestors(index, a), Ancestors(index, b)));
}

Truths Way(const Index& index, const Truths& a, const Truths& b) {
  const Truths top = NearestCommon(index, a, b);
  return Either(Range(index, top, a), Range(index, top, b));
}

Truths ForkPoints(const Index& index) {
  Truths out = Nothing(index);
  for (Row row = 0; row < index.size(); ++row) {
    for (const Row child : index.ChildrenOf(row)) {
      if (index.run[child] != index.run[row]) out[row] = Truth::kTrue;
    }
  }
  return out;
}

Truths RunHeads(const Index& index) {
  Truths out = Nothing(index);
  for (const RunRow& run : index.runs) {
    if (run.head != kNoRow) out[run.head] = Truth::kTrue;
  }
  return out;
}

Truths Tagged(const Index& index) {
  Truths out = Nothing(index);
  for (const TagRow& tag : index.tags) {
    if (tag.target != kNoRow) out[tag.target] = Truth::kTrue;
  }
  return out;
}

Truths Flagged(const Index& index, uint8_t bits, bool wanted) {
  Truths out = Nothing(index);
  for (Row row = 0; row < index.size(); ++row) {
    out[row] = TruthOf(((index.flags[row] & bits) != 0) == wanted);
  }
  return out;
}

}  // namespace stemma::lineage::query
