// Names of tensors in one library's model as another's: rules in a file for people.
//
//   # timm's legacy_xception for AI-DES: its own head is left out
//   fc.*                   -
//   *.num_batches_tracked  -
//   backbone.*             *
//   stem/kernel            conv1.weight  3,2,0,1
//
//   STEMMA_ASSIGN_OR_RETURN(NameMap map, NameMap::Parse(text));
//   map.Apply("backbone.conv1.weight");                          // "conv1.weight"
//
// One rule a line: the name as it is, blanks, the name as it shall be. One `*` on the left stands
// for any text, also none, and one on the right for the same text. `-` on the right leaves the
// tensor out. A third word is an order of the tensor's axes, axes.h. The first rule that fits
// decides, once; a name that none fits stays. What follows `#` is a comment.
//
// Plain value; one thread at a time (rules count what they fit). Failure: kInvalidArgument with the
// line's number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/weights/axes.h"

namespace stemma::lineage {

class NameMap {
 public:
  static Result<NameMap> Parse(std::string_view text);
  // The new name; "" leaves the tensor out. `axes` gets the new order of its axes; empty: as it is.
  std::string Apply(const std::string& name, Axes* axes = nullptr);
  // Rules that fitted no name so far, as written: "fc.* -". Mostly slips.
  std::vector<std::string> Unused() const;

 private:
  struct Rule {
    std::string from, to;
    Axes axes;
    uint64_t used = 0;
  };
  static Status ReadAxes(const std::string& order, Rule* rule);
  std::vector<Rule> rules_;
};

}  // namespace stemma::lineage
