#include <charconv>

#include "tools/cli/open_store.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

namespace stemma::cli {
namespace {

template <typename T>
bool Whole(const std::string& text, T* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

// true, 3 and 0.5 become what they look like; quotes make text of anything.
lineage::AttributeValue Typed(const std::string& text) {
  int64_t integer = 0;
  double number = 0;
  if (text == "true" || text == "false") return text == "true";
  if (Whole(text, &integer)) return integer;
  if (Whole(text, &number)) return number;
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

Result<int> RunAnnotate(const Arguments& arguments) {
  std::string path, state, assignment;
  Flags flags("annotate", "Adds a note to a state: a key with a number, true, false or text.");
  flags.Word("STATE", &state, "which one");
  flags.Word("KEY=VALUE", &assignment, "a later value of a key replaces the earlier one");
  AddStoreFlag(&flags, &path);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Status(Code::kInvalidArgument, "'" + assignment + "': expected KEY=VALUE");
  }

  STEMMA_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(path));
  STEMMA_ASSIGN_OR_RETURN(const lineage::StateId id, OneState(opened, state));
  const std::string key = assignment.substr(0, equals);
  const lineage::AttributeValue value = Typed(assignment.substr(equals + 1));
  STEMMA_RETURN_IF_ERROR(opened.store->Annotate(id, key, value));
  Print(Words(opened.graph, id) + ": " + key + " = " + AttributeText(value) + "\n");
  return 0;
}

}  // namespace stemma::cli
