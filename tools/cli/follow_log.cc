#include "tools/cli/follow_log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include "lineage/index_cache.h"
#include "tools/cli/open_store.h"
#include "tools/cli/state_json.h"
#include "tools/cli/terminal.h"

namespace stemma::cli {
namespace {

using lineage::Row;

constexpr int kLookEveryMs = 1000;

class Follower {
 public:
  Follower(const LogOptions& options, bool json) : options_(options), json_(json) {}

  Status Show(const IndexedStore& opened, const Selection& selected, size_t limit) {
    const lineage::Index& index = opened.index;
    Selection fresh = selected;
    for (Row row = 0; row < index.size(); ++row) {
      if (fresh[row] && shown_.count(lineage::StateId(index.id[row]))) fresh[row] = false;
    }
    std::vector<Row> rows = NewestFirst(index, fresh, limit);
    if (rows.empty()) return {};
    std::reverse(rows.begin(), rows.end());
    STEMMA_RETURN_IF_ERROR(json_ ? PrintJson(*opened.store, index, rows) : PrintRows(index, rows));
    // Those that the limit left out are not news either.
    for (Row row = 0; row < index.size() && limit > 0; ++row) {
      if (fresh[row]) shown_.emplace(index.id[row]);
    }
    return {};
  }

 private:
  // A state that is no record yet, where the index was made of newer files, is shown next time.
  Status PrintJson(const lineage::Store& store, const lineage::Index& index,
                   const std::vector<Row>& rows) {
    STEMMA_ASSIGN_OR_RETURN(const lineage::Graph graph, store.Load());
    for (const Row row : rows) {
      const auto found = graph.states.find(lineage::StateId(index.id[row]));
      if (found == graph.states.end()) continue;
      Print(StateLine(graph, found->second));
      shown_.insert(found->first);
    }
    return {};
  }

  // Columns are as wide as the widest cell so far.
  Status PrintRows(const lineage::Index& index, const std::vector<Row>& rows) {
    const Selection left_behind = LeftBehind(index);
    std::vector<LogRow> lines;
    for (const Row row : rows) {
      lines.push_back(RowOf(index, row, options_.metric, left_behind[row]));
      const std::vector<std::string>& cells = lines.back().cells;
      widths_.resize(std::max(widths_.size(), cells.size()));
      for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], Width(cells[i]));
    }
    const size_t columns = TerminalOfStdout().columns;
    for (const LogRow& line : lines) {
      std::string text;
      for (size_t i = 0; i < line.cells.size(); ++i) {
        const bool last = i + 1 == line.cells.size();
        text += last ? line.cells[i] : Padded(line.cells[i], widths_[i] + 2);
      }
      Print(Cut(text, columns) + "\n");
      shown_.emplace(index.id[line.row]);
    }
    return {};
  }

  const LogOptions& options_;
  const bool json_;
  std::set<lineage::StateId> shown_;
  std::vector<size_t> widths_;
};

// Waits; nothing is asked of poll() but whether the other end of a pipe, or the terminal, is gone.
bool IsReadStill() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return std::fflush(stdout) == 0 && poll(&out, 1, kLookEveryMs) <= 0;
}

}  // namespace

Status FollowLog(const std::string& path, const Wanted& wanted, const LogOptions& options,
                 bool json) {
  Follower follower(options, json);
  STEMMA_ASSIGN_OR_RETURN(IndexedStore opened, OpenIndexed(path));
  for (size_t limit = options.limit;; limit = 0) {
    STEMMA_ASSIGN_OR_RETURN(const Selection selected, wanted(opened.index));
    STEMMA_RETURN_IF_ERROR(follower.Show(opened, selected, limit));
    if (!IsReadStill()) return {};
    STEMMA_ASSIGN_OR_RETURN(opened.index,
                            lineage::LoadIndex(*opened.store, lineage::IndexCacheDir()));
  }
}

}  // namespace stemma::cli
