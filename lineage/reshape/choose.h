// Which tensors of a state are meant, by their names and sections.
//
//   Choice choice;
//   choice.sections = {"params"};
//   choice.drop = {"head.*"};
//   STEMMA_ASSIGN_OR_RETURN(const std::vector<uint32_t> spans, Choose(layout, choice));
//
// In a pattern * is any run of characters, dots and slashes too, ? is any one character, and the
// rest stands for itself; a pattern must fit the whole name. Names hold neither blanks nor
// brackets, so there is nothing to escape. A pattern takes time proportional to its length times
// the name's.
//
// Pure functions; any thread. Failure: kNotFound for a pattern that fits nothing, with the nearest
// name, and for a choice that leaves nothing; kInvalidArgument for patterns of more than 4096 bytes
// together, which no record should hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "lineage/layout.h"

namespace stemma::lineage {

struct Choice {
  std::vector<std::string> keep;      // of names; empty: all
  std::vector<std::string> drop;      // of names, taken away from those
  std::vector<std::string> sections;  // of sections; empty: all
};

bool FitsGlob(std::string_view text, std::string_view pattern);

// Indices into layout.spans(), ascending.
Result<std::vector<uint32_t>> Choose(const Layout& layout, const Choice& choice);

// "keep fc.* drop *.bias section params"; "" for everything.
std::string ChoiceText(const Choice& choice);

}  // namespace stemma::lineage
