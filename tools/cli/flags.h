// The command line of one verb: a list of flags with types, defaults and help, filled into plain
// variables. Own code instead of a library: 150 lines, and the errors read like the rest of Stemma.
//
//   std::string store = "stemma-store";
//   int64_t count = 0;
//   bool json = false;
//   Flags flags("log", "What states exist, and from what each was made.");
//   flags.Text("store", &store, "DIR", "the store to read");
//   flags.Integer("n", &count, "N", "only the newest N states; 0: all");
//   flags.Switch("json", &json, "one JSON object per line");
//   STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
//   if (flags.help_asked()) ...                       // Parse stopped there
//
// `--key=value` and `--key value` are the same; a switch takes no value; `-n 5` and `-h` are the
// only short ones, by having one letter. What follows `--` is never a flag. Failure:
// kInvalidArgument, which makes the program return 2, with the nearest flag. The variables outlive
// the Flags.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace stemma::cli {

class Flags {
 public:
  Flags(std::string verb, std::string summary);

  void Text(const char* name, std::string* value, const char* metavar, const char* help);
  void Integer(const char* name, int64_t* value, const char* metavar, const char* help);
  void Number(const char* name, double* value, const char* metavar, const char* help);
  void Choice(const char* name, std::string* value, std::vector<std::string> choices,
              const char* help);
  void Switch(const char* name, bool* value, const char* help);
  void List(const char* name, std::vector<std::string>* values, const char* metavar,
            const char* help);  // may be given several times
  // Words without dashes, in this order; optional ones last.
  void Word(const char* metavar, std::string* value, const char* help, bool optional = false);
  // All words that are left, also none; the last one.
  void Words(const char* metavar, std::vector<std::string>* values, const char* help);
  // Printed below the flags: examples, exit codes, what to read next.
  void Notes(std::string notes) { notes_ = std::move(notes); }

  Status Parse(const std::vector<std::string>& arguments);
  bool help_asked() const { return help_asked_; }
  std::string HelpText() const;

 private:
  struct Flag {
    std::string name, metavar, help, shown_default;
    std::function<Status(const std::string&)> set;  // metavar empty: a switch, called with ""
  };
  struct Positional {
    std::string metavar, help;
    std::string* value;  // null: any number of words
    bool optional;
    std::vector<std::string>* values;  // null: one word
  };
  const Flag* Find(std::string_view name) const;
  Status Unknown(const std::string& name) const;
  Status ParseFlag(const std::vector<std::string>& arguments, size_t* at);
  Status TakeWord(const std::string& word);

  std::string verb_, summary_, notes_;
  std::vector<Flag> flags_;
  std::vector<Positional> words_;
  size_t words_seen_ = 0;
  bool help_asked_ = false;
};

}  // namespace stemma::cli
