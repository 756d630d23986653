#include "tools/cli/flags.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/text.h"
#include "core/toml.h"

namespace stemma::cli {
namespace {

template <typename T>
bool ParseWhole(const std::string& text, T* value) {
  const char* end = text.data() + text.size();
  T parsed{};
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  *value = parsed;
  return true;
}

Status Expected(const char* name, const std::string& text, const std::string& what) {
  return {Code::kInvalidArgument, "--" + std::string(name) + "=" + text + ": expected " + what};
}

std::string Dashes(const std::string& name) { return (name.size() == 1 ? "-" : "--") + name; }

std::string Joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

void AppendRow(std::string* out, std::string left, const std::string& right) {
  constexpr size_t kColumn = 26;
  left = "  " + left;
  left += left.size() + 2 <= kColumn ? std::string(kColumn - left.size(), ' ')
                                     : "\n" + std::string(kColumn, ' ');
  *out += left + right + "\n";
}

}  // namespace

Flags::Flags(std::string verb, std::string summary)
    : verb_(std::move(verb)), summary_(std::move(summary)) {}

void Flags::Text(const char* name, std::string* value, const char* metavar, const char* help) {
  flags_.push_back({name, metavar, help, *value, [value](const std::string& text) {
                      *value = text;
                      return Status();
                    }});
}

void Flags::Integer(const char* name, int64_t* value, const char* metavar, const char* help) {
  flags_.push_back(
      {name, metavar, help, std::to_string(*value), [name, value](const std::string& text) {
         return ParseWhole(text, value) ? Status() : Expected(name, text, "a whole number");
       }});
}

void Flags::Number(const char* name, double* value, const char* metavar, const char* help) {
  flags_.push_back(
      {name, metavar, help, DoubleText(*value), [name, value](const std::string& text) {
         return ParseWhole(text, value) ? Status() : Expected(name, text, "a number");
       }});
}

void Flags::Choice(const char* name, std::string* value, std::vector<std::string> choices,
                   const char* help) {
  const std::string metavar = Joined(choices, "|");
  flags_.push_back({name, metavar, help, *value, [=](const std::string& text) {
                      const bool known =
                          std::find(choices.begin(), choices.end(), text) != choices.end();
                      if (!known) return Expected(name, text, metavar);
                      *value = text;
                      return Status();
                    }});
}

void Flags::Switch(const char* name, bool* value, const char* help) {
  flags_.push_back({name, "", help, "", [value](const std::string&) {
                      *value = true;
                      return Status();
                    }});
}

void Flags::List(const char* name, std::vector<std::string>* values, const char* metavar,
                 const char* help) {
  flags_.push_back({name, metavar, help, "", [values](const std::string& text) {
                      values->push_back(text);
                      return Status();
                    }});
}

void Flags::Word(const char* metavar, std::string* value, const char* help, bool optional) {
  words_.push_back({metavar, help, value, optional, nullptr});
}

void Flags::Words(const char* metavar, std::vector<std::string>* values, const char* help) {
  words_.push_back({metavar, help, nullptr, true, values});
}

const Flags::Flag* Flags::Find(std::string_view name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

Status Flags::Unknown(const std::string& name) const {
  std::vector<std::string> names = {"help"};
  for (const Flag& flag : flags_) names.push_back(flag.name);
  const std::string meant = Nearest(name, names);
  std::string hint = "; did you mean " + Dashes(meant) + "?";
  if (meant.empty()) hint = "; `stemma " + verb_ + " --help` lists all";
  // The form of other trainers: --optim.lr=0.1.
  if (meant.empty() && name.find('.') != std::string::npos) {
    hint = "; settings are changed with --set " + name + "=VALUE";
  }
  return {Code::kInvalidArgument, "unknown flag " + Dashes(name) + hint};
}

Status Flags::ParseFlag(const std::vector<std::string>& arguments, size_t* at) {
  std::string name = arguments[*at];
  name.erase(0, name.compare(0, 2, "--") == 0 ? 2 : 1);
  const size_t equals = name.find('=');
  const bool has_value = equals != std::string::npos;
  std::string value = has_value ? name.substr(equals + 1) : "";
  if (has_value) name.erase(equals);
  if (name == "help" || name == "h") {
    help_asked_ = true;
    return {};
  }
  const Flag* flag = Find(name);
  if (!flag) return Unknown(name);
  const std::string spelled = Dashes(name);
  if (flag->metavar.empty()) {
    if (has_value) return {Code::kInvalidArgument, spelled + " takes no value"};
    return flag->set("");
  }
  if (!has_value) {
    if (*at + 1 == arguments.size()) {
      return {Code::kInvalidArgument, spelled + " needs a value: " + spelled + "=" + flag->metavar};
    }
    value = arguments[++*at];
  }
  return flag->set(value);
}

Status Flags::TakeWord(const std::string& word) {
  if (words_seen_ < words_.size() && words_[words_seen_].values != nullptr) {
    words_[words_seen_].values->push_back(word);
    return {};
  }
  if (words_seen_ < words_.size()) {
    *words_[words_seen_++].value = word;
    return {};
  }
  return {Code::kInvalidArgument, "'" + word + "' is one word too many; `stemma " + verb_ +
                                      " --help` shows what belongs where"};
}

Status Flags::Parse(const std::vector<std::string>& arguments) {
  bool only_words = false;
  for (size_t at = 0; at < arguments.size() && !help_asked_; ++at) {
    const std::string& argument = arguments[at];
    if (!only_words && argument == "--") {
      only_words = true;
    } else if (!only_words && argument.size() > 1 && argument[0] == '-') {
      STEMMA_RETURN_IF_ERROR(ParseFlag(arguments, &at));
    } else {
      STEMMA_RETURN_IF_ERROR(TakeWord(argument));
    }
  }
  if (help_asked_ || words_seen_ == words_.size() || words_[words_seen_].optional) return {};
  return {Code::kInvalidArgument, words_[words_seen_].metavar +
                                      " is missing: " + words_[words_seen_].help +
                                      "; see `stemma " + verb_ + " --help`"};
}

std::string Flags::HelpText() const {
  std::string usage = "stemma " + verb_;
  for (const Positional& word : words_) {
    usage += word.optional ? " [" + word.metavar + "]" : " " + word.metavar;
    if (word.values != nullptr) usage += "...";
  }
  std::string out = usage + (flags_.empty() ? "" : " [flags]") + "\n\n" + summary_ + "\n";
  if (!words_.empty() || !flags_.empty()) out += "\n";
  for (const Positional& word : words_) AppendRow(&out, word.metavar, word.help);
  for (const Flag& flag : flags_) {
    const std::string value = flag.metavar.empty() ? "" : "=" + flag.metavar;
    const bool shown = !flag.shown_default.empty();
    AppendRow(&out, Dashes(flag.name) + (flag.name.size() == 1 ? " " + flag.metavar : value),
              flag.help + (shown ? " (default " + flag.shown_default + ")" : ""));
  }
  return out + (notes_.empty() ? "" : "\n" + notes_);
}

}  // namespace stemma::cli
