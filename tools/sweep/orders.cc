#include "tools/sweep/orders.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

namespace stemma::sweep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kClosed[] = "/closed";

bool IsThere(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

Status WriteWhole(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".part";
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file.good()) fs::rename(temporary, path, error);
  if (file.good() && !error) return {};
  return {Code::kIo, "cannot write " + path + (error ? ": " + error.message() : "")};
}

Result<Order> DecodeOrder(const std::string& bytes) {
  const json read = json::parse(bytes, nullptr, false);
  const Status wrong(Code::kCorruption, "an order that cannot be read: " + bytes.substr(0, 200));
  if (!read.is_object() || !read.contains("words") || !read["words"].is_array()) return wrong;
  Order order;
  for (const json& word : read["words"]) {
    if (!word.is_string()) return wrong;
    order.words.push_back(word);
  }
  if (read.contains("log") && read["log"].is_string()) order.log = read["log"];
  return order;
}

Result<OrderFolder> OrderFolder::Make(const std::string& above) {
  std::error_code error;
  fs::create_directories(above, error);
  std::string path = above + "/XXXXXX";
  if (!error && mkdtemp(path.data()) != nullptr) return OrderFolder(path);
  const int reason = error ? error.value() : errno;
  return Status(Code::kIo, "cannot make a folder in " + above + ": " +
                               std::generic_category().message(reason));
}

std::string OrderFolder::Path(const char* what, int64_t number) const {
  return path_ + "/" + what + "-" + std::to_string(number);
}

Status OrderFolder::Give(int64_t number, const Order& order) const {
  const json text = {{"words", order.words}, {"log", order.log}};
  return WriteWhole(Path("order", number), text.dump());
}

std::optional<Answer> OrderFolder::AnswerTo(int64_t number) const {
  std::ifstream file(Path("answer", number));
  if (!file.is_open()) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const json read = json::parse(text, nullptr, false);
  const bool good = read.is_object() && read.contains("exit_code") && read.contains("last") &&
                    read["exit_code"].is_number_integer() && read["last"].is_boolean();
  if (!good) return std::nullopt;
  return Answer{read["exit_code"], read["last"]};
}

Status OrderFolder::Close() const {
  if (IsClosed()) return {};
  const Status written = WriteWhole(path_ + kClosed, "");
  return IsClosed() ? Status() : written;  // by several ranks at once
}

void OrderFolder::Remove() const {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool OrderFolder::Has(int64_t number) const { return IsThere(Path("order", number)); }

bool OrderFolder::IsClosed() const { return IsThere(path_ + kClosed) || !IsThere(path_); }

Result<std::string> OrderFolder::Read(int64_t number) const {
  std::ifstream file(Path("order", number));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.empty()) return text;
  return Status(Code::kIo, "cannot read " + Path("order", number));
}

Status OrderFolder::Say(int64_t number, const Answer& answer) const {
  const json text = {{"exit_code", answer.exit_code}, {"last", answer.last}};
  return WriteWhole(Path("answer", number), text.dump());
}

}  // namespace stemma::sweep
