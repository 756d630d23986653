#include "tools/cli/verb_scale_plot.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tools/cli/flags.h"
#include "tools/cli/terminal.h"
#include "tools/report/chart.h"
#include "tools/report/published_figures.h"
#include "tools/report/scale_facts.h"
#include "tools/report/scale_page.h"
#include "tools/scale/run_table.h"
#include "tools/scale/run_verdict.h"

namespace stemma::cli {
namespace {
namespace fs = std::filesystem;

constexpr char kNotes[] =
    "Writes fig1.svg to fig5.svg and figures.html, which holds all five with their tables;\n"
    "--format=svg leaves the page out. Published points are open and never joined: of Figs 2 to 5\n"
    "only the ends are known. With --runs also scale.html, the page of these runs with their\n"
    "verdict, and a copy of the table beside it; --model shows the runs in the figures too.\n"
    "The pages need nothing but themselves.\n"
    "\n"
    "  stemma scale plot --out=figures\n"
    "  stemma scale plot --out=figures --runs=stemma-scale/scale.csv --model=resnet50\n";

struct PlotFlags {
  std::string out, runs, model, format = "html";
  int64_t draws = 200, seed = 1, threads = 2;
};

Flags FlagList(PlotFlags* f) {
  Flags flags("scale plot",
              "Figs 1 to 5 of the published work: the points that are known, the simulator's\n"
              "curves with 10 to 90 % of the draws, and runs of your own.");
  flags.Text("out", &f->out, "DIR", "where the files go; it is made if it is not there");
  flags.Text("runs", &f->runs, "FILE", "own runs: the CSV of `stemma scale run`");
  flags.Text("model", &f->model, "NAME", "what they trained: resnet50, aigw or aides");
  flags.Choice("format", &f->format, {"html", "svg"}, "pages and pictures, or only these");
  flags.Integer("draws", &f->draws, "N", "how often every uncertain number is drawn");
  flags.Integer("seed", &f->seed, "N", "equal seeds give equal files");
  flags.Integer("threads", &f->threads, "N", "that simulate; no result depends on it");
  flags.Notes(kNotes);
  return flags;
}

Status CheckFlags(const PlotFlags& f) {
  const auto invalid = [](const std::string& what) { return Status(Code::kInvalidArgument, what); };
  if (f.out.empty()) return invalid("--out=DIR is needed: where the figures go");
  if (f.draws < 2 || f.draws > 100000) return invalid("--draws: 2 to 100000");
  if (f.threads < 1 || f.threads > 1024) return invalid("--threads: 1 to 1024");
  if (f.runs.empty() && !f.model.empty()) {
    return invalid("--model says what own runs trained: add --runs=FILE, or leave it out");
  }
  return {};
}

class Plot {
 public:
  explicit Plot(const PlotFlags& flags) : flags_(flags), folder_(flags.out) {}

  Status Run() {
    if (!flags_.runs.empty()) STEMMA_RETURN_IF_ERROR(LoadRuns());
    STEMMA_RETURN_IF_ERROR(MakeFigures());
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) {
      return {Code::kIo, "--out " + flags_.out + ": cannot be made: " + error.message()};
    }
    if (!flags_.runs.empty()) STEMMA_RETURN_IF_ERROR(WriteRuns());
    return WriteFigures();
  }

 private:
  Status LoadRuns() {
    STEMMA_ASSIGN_OR_RETURN(rows_, scale::ReadRunTable(flags_.runs));
    const fs::path table = flags_.runs;
    const std::string json = (table.parent_path() / table.stem()).string() + ".json";
    Result<report::ScaleFacts> facts = report::ReadScaleFacts(json);
    if (!facts.ok() && facts.status().code() != Code::kNotFound) return facts.status();
    const std::string title =
        "Scaling of " + (flags_.model.empty() ? table.string() : flags_.model);
    if (facts.ok()) facts_ = *std::move(facts);
    facts_.title = title;
    facts_.csv = table.filename().string();
    STEMMA_ASSIGN_OR_RETURN(page_, report::ScalePage(rows_, facts_));
    scale::FillEfficiencies(&rows_);
    return {};
  }

  Status MakeFigures() {
    report::OwnRuns own;
    if (!flags_.model.empty()) own = {flags_.model, scale::SummariesOf(rows_)};
    const scale::Sampling sampling{static_cast<uint64_t>(flags_.seed),
                                   static_cast<int>(flags_.draws),
                                   static_cast<int>(flags_.threads)};
    STEMMA_ASSIGN_OR_RETURN(figures_, report::PublishedFigures(sampling, own));
    return {};
  }

  Status WriteRuns() {
    STEMMA_RETURN_IF_ERROR(CopyTable());
    for (const auto& [name, chart] : report::ScaleCharts(rows_)) {
      STEMMA_RETURN_IF_ERROR(Write(name + ".svg", report::SvgFile(report::ChartSvg(chart))));
    }
    if (flags_.format == "svg") return {};
    return Write("scale.html", page_);
  }

  Status WriteFigures() {
    for (const report::PublishedFigure& figure : figures_) {
      const std::string svg = report::SvgFile(report::ChartSvg(figure.chart));
      STEMMA_RETURN_IF_ERROR(Write(figure.file + ".svg", svg));
    }
    if (flags_.format == "svg") return {};
    return Write("figures.html", report::PublishedFiguresPage(figures_));
  }

  // The page links to the table beside it. Never over another table.
  Status CopyTable() {
    const fs::path to = folder_ / facts_.csv;
    std::error_code error;
    if (fs::equivalent(flags_.runs, to, error)) return {};
    const std::string text = TextOf(flags_.runs);
    if (fs::exists(to, error) && TextOf(to) != text) {
      return {Code::kInvalidArgument,
              to.string() + " is another table than " + flags_.runs + "; choose another --out=DIR"};
    }
    return Write(facts_.csv, text);
  }

  static std::string TextOf(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Status Write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) {
      return {Code::kIo,
              path.string() + ": cannot be written; make room or choose another --out=DIR"};
    }
    Print(path.string() + "\n");
    return {};
  }

  const PlotFlags& flags_;
  const fs::path folder_;
  std::vector<scale::RunRow> rows_;
  report::ScaleFacts facts_;
  std::string page_;
  std::vector<report::PublishedFigure> figures_;
};

}  // namespace

Result<int> RunScalePlot(const Arguments& arguments) {
  PlotFlags f;
  Flags flags = FlagList(&f);
  STEMMA_RETURN_IF_ERROR(flags.Parse(arguments));
  if (flags.help_asked()) return Print(flags.HelpText()), 0;
  STEMMA_RETURN_IF_ERROR(CheckFlags(f));
  STEMMA_RETURN_IF_ERROR(Plot(f).Run());
  return 0;
}

}  // namespace stemma::cli
