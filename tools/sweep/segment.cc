#include "tools/sweep/segment.h"

#include <algorithm>
#include <set>

#include "core/bytes.h"
#include "core/check.h"
#include "core/digest.h"
#include "core/settings.h"
#include "models/train/course.h"
#include "models/train/fill_settings.h"
#include "optim/schedule.h"
#include "tools/sweep/epoch.h"

namespace stemma::sweep {
namespace {

constexpr size_t kBlockBytes = 65536;

// Settings that act through the rate alone: the rate is compared in their place.
bool ShapesTheRate(const std::string& key) {
  static const std::set<std::string> kKeys = {
      "optim.lr",           "optim.schedule",      "optim.warmup_steps",   "optim.warmup",
      "optim.lr_min",       "optim.warmup_origin", "optim.poly_power",     "optim.lr_start",
      "optim.cycle",        "optim.step_factors",  "optim.cycle_mult",     "optim.lr_scaling",
      "optim.lr_batch",     "train.length",        "optim.plateau_factor", "optim.plateau_patience",
      "optim.plateau_delta"};
  return kKeys.count(key) > 0;
}

std::string DigestOf(const std::map<std::string, std::string>& texts) {
  Encoder out;
  for (const auto& [key, text] : texts) {
    out.String(key);
    out.String(text);
  }
  return Sha256(out.bytes());
}

}  // namespace

// One text of settings, from a step on.
struct Timeline::Piece {
  int64_t begin = 0;
  std::map<std::string, std::string> settings;
  std::string rest;   // digest of what is compared beside the rate
  std::string shape;  // equal shapes have equal rates; different ones may have
  optim::OptimSettings optim;
  int64_t total_steps = 0;

  double Rate(int64_t step) const { return optim::LearningRate(optim, total_steps, step); }
  // The end of steps that have the rate of `step` for certain, in this piece.
  int64_t Flat(int64_t step, int64_t end) const {
    const bool constant = optim.schedule == "constant" || optim.schedule == "plateau";
    return constant && step >= optim.warmup_steps ? end : step + 1;
  }
};

namespace {

std::string Assigned(const std::string& assignment, std::map<std::string, std::string>* out) {
  const size_t equals = assignment.find('=');
  (*out)[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  return assignment;
}

}  // namespace

Result<Timeline> Timeline::Make(const Base& base, const std::vector<Part>& parts) {
  auto pieces = std::make_shared<std::vector<Piece>>();
  for (const Part& part : parts) {
    Piece piece;
    piece.begin = part.begin;
    models::RunSettings settings;
    SettingsList list = models::FieldsOf(settings);
    for (const std::string& one : base.assignments) STEMMA_RETURN_IF_ERROR(list.Set(one, "base"));
    for (const std::string& one : base.settings) {
      STEMMA_RETURN_IF_ERROR(list.Set(Assigned(one, &piece.settings), "[settings]"));
    }
    for (const auto& [key, value] : part.knobs) {
      piece.settings[key] = value;
      STEMMA_RETURN_IF_ERROR(list.Set(key + "=" + value, "[knobs]"));
    }
    STEMMA_RETURN_IF_ERROR(models::FillSettings(settings, &list));
    STEMMA_ASSIGN_OR_RETURN(models::Course course,
                            models::CourseOf(settings, EpochOf(base, settings)));
    STEMMA_RETURN_IF_ERROR(optim::CheckSchedule(course.optim, course.total_steps));
    std::map<std::string, std::string> rest, shape;
    for (const Setting& setting : list.all()) {
      if (setting.help.kind == Kind::kLocal || setting.key == "run.name") continue;
      const bool shapes = ShapesTheRate(setting.key);
      if (shapes) shape[setting.key] = setting.Text();
      if (!shapes || course.optim.schedule == "plateau") rest[setting.key] = setting.Text();
    }
    shape["batch"] = std::to_string(settings.train.global_batch);
    shape["epoch"] = std::to_string(EpochOf(base, settings));
    piece.rest = DigestOf(rest);
    piece.shape = DigestOf(shape);
    piece.optim = std::move(course.optim);
    piece.total_steps = course.total_steps;
    pieces->push_back(std::move(piece));
  }
  STEMMA_CHECK(!pieces->empty(), "a trial has at least one part");
  Timeline timeline;
  timeline.pieces_ = std::move(pieces);
  return timeline;
}

const Timeline::Piece& Timeline::At(int64_t step) const {
  const auto after = std::upper_bound(pieces_->begin(), pieces_->end(), step,
                                      [](int64_t s, const Piece& p) { return s < p.begin; });
  return after == pieces_->begin() ? pieces_->front() : *(after - 1);
}

int64_t Timeline::total_steps() const { return pieces_->back().total_steps; }

double Timeline::Rate(int64_t step) const { return At(step).Rate(step); }

uint64_t Timeline::StepKey(int64_t step) const {
  const Piece& piece = At(step);
  Encoder values;
  values.Raw(piece.rest);
  values.F64(piece.Rate(step));
  return Xxh64(values.bytes());
}

// Where the piece of `step` ends, or `end`.
int64_t Timeline::PieceEnd(int64_t step, int64_t end) const {
  for (const Piece& piece : *pieces_) {
    if (piece.begin > step) return std::min(piece.begin, end);
  }
  return end;
}

int64_t Timeline::FirstDifference(const Timeline& other, int64_t begin, int64_t end) const {
  for (int64_t step = begin; step < end;) {
    const Piece &a = At(step), &b = other.At(step);
    if (a.rest != b.rest) return step;
    const int64_t until = std::min(PieceEnd(step, end), other.PieceEnd(step, end));
    if (a.shape == b.shape) step = until;
    while (step < until) {
      if (a.Rate(step) != b.Rate(step)) return step;
      step = std::min(a.Flat(step, until), b.Flat(step, until));
    }
  }
  return end;
}

std::vector<int64_t> Timeline::Breaks(int64_t begin, int64_t end) const {
  std::vector<int64_t> breaks;
  for (size_t i = 1; i < pieces_->size(); ++i) {
    const Piece& piece = (*pieces_)[i];
    if (piece.begin <= begin || piece.begin >= end) continue;
    if (piece.settings != (*pieces_)[i - 1].settings) breaks.push_back(piece.begin);
  }
  return breaks;
}

// Rates as runs of equal ones, in one stream; in the other the steps at which the rest becomes
// another, and what. Both are the same for every text with these values.
Segment Timeline::Cut(int64_t begin, int64_t end) const {
  Segment segment;
  segment.begin = begin;
  segment.end = end;
  segment.settings = At(begin).settings;
  Sha256Stream rates;
  Encoder rest, run;
  const std::string* last = nullptr;
  double rate = 0;
  for (int64_t step = begin; step < end;) {
    const Piece& piece = At(step);
    if (!last || *last != piece.rest) {
      rest.I64(step - begin);
      rest.String(piece.rest);
    }
    if (!last || rate != piece.Rate(step)) {
      rate = piece.Rate(step);
      run.I64(step - begin);
      run.F64(rate);
    }
    last = &piece.rest;
    if (run.bytes().size() >= kBlockBytes) {
      rates.Update(run.bytes());
      run = Encoder();
    }
    step = piece.Flat(step, PieceEnd(step, end));
  }
  rates.Update(run.bytes());
  segment.values = Hex(Sha256(rates.Finish() + Sha256(rest.bytes())));
  return segment;
}

}  // namespace stemma::sweep
