#include "models/train/settings.h"

#include <cmath>
#include <cstdlib>

#include "models/train/settings_workloads.h"

namespace stemma::models {
namespace {

template <typename V>
void VisitRun(RunSection& s, V&& field) {
  field("run.name", s.name, Help{"names the run in the store: letters, digits, '.', '_', '-'"});
  field("run.workload", s.workload, Help{"what is trained", "aigw | resnet50 | vgg16 | aides"});
}

template <typename V>
void VisitTrain(TrainSection& s, V&& field) {
  field("train.length", s.length,
        Help{"how long to train: \"400step\", \"3ep\", \"12800samples\""});
  field("train.global_batch", s.global_batch,
        Help{"samples per step over all ranks; divisible by ranks x micro_batches",
             "[1, 1000000000]"});
  field("train.micro_batches", s.micro_batches,
        Help{"backward passes per step and rank (gradient accumulation)", "[1, 65536]"});
  field("train.precision", s.precision,
        Help{"what the forward computes in where that is safe; parameters, gradients and the "
             "optimizer stay float32. float16 needs a GPU and optim.loss_scaling",
             "float32 | bfloat16 | float16"});
  field("train.last_batch", s.last_batch,
        Help{"the rest of an epoch that fills no global batch: left out, or a short batch",
             "drop | short"});
  field("train.order", s.order,
        Help{"samples of an epoch are mixed over all of the data, or over order_window shards at a "
             "time, which a disk reads in larger pieces",
             "full | window"});
  field("train.order_window", s.order_window,
        Help{"shards that are mixed at a time with order = window", "[1, 1000000]"});
  field("train.seed", s.seed, Help{"of initialisation, order and dropout", "[0, inf)"});
  field(
      "train.log_every", s.log_every,
      Help{"steps between progress lines; metrics.jsonl has every step", "[1, inf)", Kind::kLocal});
  field("train.loader_threads", s.loader_threads,
        Help{"threads that prepare data on each rank; never changes the data. 0: beside a GPU the "
             "rank's cores less two, on a CPU, where the network needs them, one",
             "[0, 256]", Kind::kLocal});
  field("train.prefetch", s.prefetch,
        Help{"batches prepared ahead on each rank", "[1, 1024]", Kind::kLocal});
  field(
      "train.data_stall_s", s.data_stall_s,
      Help{"seconds in which a rank reads no sample until the run ends, with a warning after half "
           "of them: which thread waits for which file. Above diagnose.abort_s or "
           "comm.deadline_s raise those too",
           "(0, 86400]", Kind::kLocal});
  field(
      "train.stop_check_s", s.stop_check_s,
      Help{"seconds between looks for the files STOP, SAVE and TRACE", "[0, 3600]", Kind::kLocal});
  field("train.stop_at", s.stop_at,
        Help{"save and stop as soon as this step is done, as a file STOP would; 0: train.length",
             "[0, inf)", Kind::kLocal});
  field("train.stop_patience", s.stop_patience,
        Help{"the run ends after so many evaluations (validate.every) none of which had a lower "
             "val_loss than the best before them; 0: at train.length only",
             "[0, inf)"});
}

template <typename V>
void VisitValidate(ValidateSection& s, V&& field) {
  field("validate.every", s.every,
        Help{"how often the held-out samples are evaluated, and once more at the end: \"500step\", "
             "\"1ep\", \"20000samples\"; \"\": never. States captured at such a step have the "
             "metrics val_loss, ..."});
  field("validate.batch", s.batch,
        Help{"samples per evaluation batch over all ranks; 0: train.global_batch",
             "[0, 1000000000]"});
  field("validate.weights", s.weights,
        Help{"what is evaluated: the parameters of the last update, or their moving averages "
             "(optim.ema_decay), beside batch norm's statistics as they are",
             "trained | average"});
}

template <typename V>
void VisitDevice(DeviceSection& s, V&& field) {
  field("device.kind", s.kind, Help{"where the model computes", "cpu | cuda"});
  field("device.threads", s.threads,
        Help{"LibTorch threads per rank; 0: its share of its host's cores. Another number may give "
             "other bits",
             "[0, 1024]"});
}

template <typename V>
void VisitComm(ops::CommSettings& s, V&& field) {
  field("comm.backend", s.backend,
        Help{"what moves gradients; auto: nccl on GPUs; on CPUs node-shared memory on one node, "
             "hierarchical on several, threads for one rank",
             "auto | node-shared | hierarchical | mpi | threads | nccl"});
  field("comm.progress", s.progress,
        Help{"who sums in node-shared memory; hook: the rank itself, between its own work",
             "auto | hook | thread", Kind::kLocal});
  field("comm.node_small_bytes", s.node_small_bytes,
        Help{"up to here a node-shared call takes one exchange instead of two", "[0, 65536]"});
  field("comm.spin_us", s.spin_us,
        Help{"microseconds awake while waiting for a rank of the node", "[0, 1000000]",
             Kind::kLocal});
  field("comm.chunk_bytes", s.chunk_bytes,
        Help{"bytes of one piece of a sum that walks from node to node", "[1024, 67108864]"});
  field("comm.fake_nodes", s.fake_nodes,
        Help{"which ranks share a node, for tests on one machine: 0,1|2,3"});
  field("comm.ranks_per_node", s.ranks_per_node,
        Help{"nodes of so many neighbouring ranks, for tests on one machine; 0: as they are",
             "[0, 65536]"});
  field("comm.check", s.check,
        Help{"full: before each collective call ranks compare what they are about to do",
             "off | full"});
  field(
      "comm.deadline_s", s.deadline_s,
      Help{"longest wait for other ranks in any collective call; where a state is read or written "
           "and samples are evaluated, counted from when that should be over",
           "(0, 86400]", Kind::kLocal});
  field("comm.init_timeout_s", s.init_timeout_s,
        Help{"longest wait for all ranks to arrive at the start", "(0, 86400]", Kind::kLocal});
  field("comm.control_lag", s.control_lag,
        Help{"steps between posting a control word and acting on it", "[0, 1]"});
}

template <typename V>
void VisitDiagnose(ops::DiagnoseSettings& s, V&& field) {
  field("diagnose.warn_s", s.warn_s,
        Help{"seconds without progress of any rank until a warning says why; 0: never",
             "[0, 86400]", Kind::kLocal});
  field("diagnose.abort_s", s.abort_s,
        Help{"and until the job is ended, exit 75; 0: never. Raise it when one step or call takes "
             "longer",
             "[0, 864000]", Kind::kLocal});
  field("diagnose.trace", s.trace,
        Help{"Chrome trace of every rank into logs/; a file TRACE in the run folder, empty or "
             "with the word off, switches it on or off at run time",
             "on | off", Kind::kLocal});
}

template <typename V>
void VisitOps(ops::OpsSettings& s, V&& field) {
  field("ops.bucket_mb", s.bucket_mb, Help{"largest gradient bucket, MiB", "(0, 4096]"});
  field("ops.first_mb", s.first_mb, Help{"first bucket: communication starts early", "(0, 4096]"});
  field("ops.last_mb", s.last_mb, Help{"last bucket: the exposed tail is short", "(0, 4096]"});
  field(
      "ops.unused", s.unused,
      Help{"a parameter without gradient: counts as zero, keeps none (LibTorch's optimizers only), "
           "or is an error",
           "zero | keep_none | error"});
  field("ops.shard", s.shard,
        Help{"what ranks divide among them: nothing, or the optimizer's state and update (ZeRO-1): "
             "8 + 8/N bytes per f32 parameter instead of 16 with lamb and adam",
             "none | optimizer"});
  field("ops.compress", s.compress,
        Help{"gradients on the wire: as they are, or cast to 16 bits", "none | bf16 | fp16"});
  field("ops.divisor", s.divisor,
        Help{"what summed gradients are divided by; the trainer's losses are sums: samples",
             "samples | counted | world | active"});
  field("ops.lost_alias", s.lost_alias,
        Help{"a gradient that left its bucket inside a step: error, or copy it back",
             "error | copy"});
  field("ops.zero_gradients", s.zero_gradients,
        Help{"when a large gradient becomes zero in a step: before its first contribution, or at "
             "once; changes no result of training",
             "arrival | begin"});
  field("ops.check_finite", s.check_finite,
        Help{"which rank had a value that is not finite: look at the loss, or at each bucket too",
             "off | loss | bucket"});
  field("ops.digest_every", s.digest_every,
        Help{"steps between comparisons of all replicas' parameters; 0: never", "[0, inf)"});
}

// What stands around the update, whatever its kind.
template <typename V>
void VisitRate(optim::OptimSettings& s, V&& field) {
  field("optim.schedule", s.schedule,
        Help{"learning rate over the steps",
             "constant | warmup_linear | warmup_poly | warmup_cosine | steps | one_cycle | "
             "cosine_restarts | exponential | plateau"});
  field("optim.warmup_steps", s.warmup_steps, Help{"linear warm-up", "[0, inf)"});
  field("optim.warmup", s.warmup,
        Help{"the same as \"5ep\", \"64000samples\" or \"782step\": give one of the two"});
  field("optim.warmup_origin", s.warmup_origin,
        Help{"0: the first step has rate 0; 1: it has lr / warmup_steps", "[0, 1]"});
  field("optim.poly_power", s.poly_power, Help{"warmup_poly", "(0, inf)"});
  field("optim.lr_min", s.lr_min,
        Help{"where the cosines end; plateau: the least rate", "[0, inf)"});
  field("optim.lr_start", s.lr_start,
        Help{"one_cycle, exponential: rate of the first step", "[0, inf)"});
  field("optim.step_factors", s.step_factors,
        Help{"steps: \"300:0.1,600:0.01\" or \"30ep:0.1,60ep:0.01\": factor from there on"});
  field("optim.cycle", s.cycle,
        Help{"cosine_restarts: length of the first cycle: \"10ep\", \"1000step\""});
  field("optim.cycle_mult", s.cycle_mult,
        Help{"cosine_restarts: each cycle is so many times the one before", "[1, 1000]"});
  field("optim.lr_scaling", s.lr_scaling,
        Help{"optim.lr is multiplied by train.global_batch / optim.lr_batch, or by its root",
             "none | linear | sqrt"});
  field("optim.lr_batch", s.lr_batch, Help{"the batch that optim.lr is meant for", "[1, inf)"});
  field("optim.plateau_on", s.plateau_on,
        Help{"plateau: what must fall: each epoch's mean training loss, or each evaluation's "
             "val_loss (needs validate.every)",
             "loss | val_loss"});
  field("optim.plateau_factor", s.plateau_factor,
        Help{"plateau: what the rate is multiplied by", "(0, 1)"});
  field(
      "optim.plateau_patience", s.plateau_patience,
      Help{"plateau: after so many epochs, or evaluations, whose loss was no better", "[1, inf)"});
  field("optim.plateau_delta", s.plateau_delta,
        Help{"plateau: better is lower by more than this", "[0, inf)"});
  field("optim.on_nonfinite", s.on_nonfinite,
        Help{"a gradient that is not finite: stop, or skip the update", "stop | skip"});
  field("optim.loss_scaling", s.loss_scaling,
        Help{"backward on a multiple of the loss, which the optimizer takes out again; dynamic: "
             "halved and the update skipped at an overflow",
             "none | static | dynamic"});
  field("optim.loss_scale", s.loss_scale,
        Help{"the multiple, a power of two; dynamic: the first one", "[1, inf)"});
  field("optim.loss_scale_steps", s.loss_scale_steps,
        Help{"dynamic: doubled after so many updates without an overflow", "[1, inf)"});
  field("optim.ema_decay", s.ema_decay,
        Help{"keep a moving average of the parameters, optim/ema in states; 0: none", "[0, 1)"});
}

template <typename V>
void VisitOptim(optim::OptimSettings& s, V&& field) {
  field("optim.name", s.name, Help{"which optimizer", "lamb | lars | sgd | adamw | adam"});
  field("optim.preset", s.preset,
        Help{"lamb: a published variant, which fills the options that nobody has set",
             "paper | author | apex | nvlamb | timm | timm-clip | tfa | optax | deepspeed | "
             "cybertronai | nus"});
  field("optim.recipe", s.recipe,
        Help{"lamb: lr, and warm-up where warmup_steps is 0, from the global batch and the data "
             "set, unless they are set",
             "none | untuned-resnet50"});
  field("optim.lr", s.lr, Help{"learning rate at the top of the schedule", "[0, inf)"});
  field("optim.weight_decay", s.weight_decay,
        Help{"of weights, not of excluded roles", "[0, inf)"});
  field("optim.beta1", s.beta1, Help{"first moment (lamb, adam, adamw)", "[0, 1)"});
  field("optim.beta2", s.beta2, Help{"second moment (lamb, adam, adamw)", "[0, 1)"});
  field("optim.eps", s.eps,
        Help{"added to the root of the second moment; lars: to the norms", "[0, inf)"});
  field("optim.eps_inside_sqrt", s.eps_inside_sqrt, Help{"lamb: eps is added under the root"});
  field("optim.grad_averaging", s.grad_averaging,
        Help{"lamb: the first moment takes (1 - beta1) of the gradient, not all of it"});
  field("optim.momentum", s.momentum, Help{"sgd, lars", "[0, 1)"});
  field("optim.nesterov", s.nesterov, Help{"sgd: look ahead"});
  field("optim.max_grad_norm", s.max_grad_norm,
        Help{"clip the reduced gradient to this global norm; 0: off", "[0, inf)"});
  field("optim.max_grad_value", s.max_grad_value,
        Help{"clip each element of the reduced gradient to +- this; 0: off", "[0, inf)"});
  field("optim.clip_scope", s.clip_scope,
        Help{"the norm of what: the reduced gradient, or excluded roles and the others each for "
             "itself; local gradients cannot be clipped",
             "reduced | group | local"});
  field("optim.adapt", s.adapt,
        Help{"lamb, lars: which tensors get a trust ratio", "decayed | all | list"});
  field("optim.adapt_roles", s.adapt_roles, Help{"with adapt = list: roles with a ratio"});
  field("optim.decay", s.decay,
        Help{"lamb: the decay is part of the update, of the gradient, or taken off the parameter",
             "in_update | l2 | decoupled"});
  field("optim.bias_correction", s.bias_correction,
        Help{"lamb: of the moments (Algorithm 2), none, or in the step size",
             "moments | none | step_size"});
  field(
      "optim.exclude", s.exclude,
      Help{"roles without decay, and without ratio when adapt = decayed: any of bias, norm_scale, "
           "norm_shift, embedding, weight"});
  field("optim.phi_min", s.phi_min, Help{"lamb: lower clamp of a parameter's norm", "[0, inf)"});
  field("optim.phi_max", s.phi_max, Help{"lamb: upper clamp; 0: none", "[0, inf)"});
  field("optim.ratio_min", s.ratio_min, Help{"lamb, lars: lower clamp of the ratio", "[0, inf)"});
  field("optim.ratio_max", s.ratio_max, Help{"lamb, lars: upper clamp; 0: none", "[0, inf)"});
  field("optim.lars_variant", s.lars_variant,
        Help{"lars: rate and ratio inside the momentum, the ratio alone, or neither",
             "inside | ratio_inside | outside"});
  field("optim.trust_coefficient", s.trust_coefficient,
        Help{"lars: multiplies the ratio", "(0, inf)"});
  field("optim.clip_to_lr", s.clip_to_lr, Help{"lars: the ratio never raises a rate above lr"});
  field("optim.lars_clamp", s.lars_clamp,
        Help{"lars: largest element of a gradient with its decay; 0: none", "[0, inf)"});
  VisitRate(s, field);
}

template <typename V>
void VisitLineage(lineage::LineageSettings& s, V&& field) {
  field("lineage.store", s.store,
        Help{"directory of the family tree; \"\": no state is captured", "", Kind::kLocal});
  field(
      "lineage.every", s.every,
      Help{"steps between captures; 0: only at the end and on request", "[0, inf)", Kind::kLocal});
  field("lineage.budget", s.budget,
        Help{"captures may take this share of the run time, such as \"1%\": lineage.every is then "
             "the least interval, and the real one follows from what they cost",
             "", Kind::kLocal});
  field("lineage.every_max", s.every_max,
        Help{"with lineage.budget: the longest interval, whatever captures cost", "[1, inf)",
             Kind::kLocal});
  field("lineage.keep", s.keep,
        Help{"which states of the run stay: all, or rules as of `stemma prune --keep`, such as "
             "\"last 3, every 1000, best loss 2\"; the others are marked pruned, `stemma gc` "
             "frees them",
             "", Kind::kLocal});
  field("lineage.ttl_s", s.ttl_s,
        Help{"time to live of periodic captures, seconds: kept until then, and no longer unless "
             "rules of lineage.keep say so; 0: no limit",
             "[0, inf)", Kind::kLocal});
  field("lineage.critical", s.critical,
        Help{"captures that are never pruned, by reason: any of periodic, requested, signal, "
             "final, with commas",
             "", Kind::kLocal});
  field("lineage.scope", s.scope,
        Help{"an open scope (`stemma scope`) that each capture joins", "", Kind::kLocal});
  field("lineage.on_failure", s.on_failure,
        Help{"a capture that fails: stop, or go on; a full disk is gone on with in any case",
             "stop | continue", Kind::kLocal});
  field("lineage.missed_captures_max", s.missed_captures_max,
        Help{"failures in a row until it stops all the same", "[1, inf)", Kind::kLocal});
  field("lineage.direct_io", s.direct_io,
        Help{"O_DIRECT for packs; on: an error where impossible", "auto | on | off", Kind::kLocal});
  field("lineage.writer_bytes_min", s.writer_bytes_min,
        Help{"small states use fewer writers, of at least so many bytes", "[4096, inf)",
             Kind::kLocal});
  field(
      "lineage.restore", s.restore,
      Help{"the start of a fork: exact, or progressive: the first gradient is taken as soon as the "
           "upper 16 bits of the parameters are there, the state says so, and every later start is "
           "exact again",
           "exact | progressive", Kind::kLocal});
  field("lineage.verify_fence", s.verify_fence,
        Help{"hash the state again before the optimizer changes it (debugging)", "", Kind::kLocal});
}

// Upwards, but not for what lies above a whole number by rounding alone: 2.2 epochs of 25 steps are
// 55.000000000000007 in doubles.
double WholeSteps(double steps) {
  const double nearest = std::round(steps);
  return std::abs(steps - nearest) <= 1e-12 * steps ? nearest : std::ceil(steps);
}

}  // namespace

SettingsList FieldsOf(RunSettings& s) {
  SettingsList list;
  VisitRun(s.run, list);
  VisitTrain(s.train, list);
  VisitValidate(s.validate, list);
  VisitDevice(s.device, list);
  VisitComm(s.comm, list);
  VisitDiagnose(s.comm.diagnose, list);
  VisitOps(s.ops, list);
  VisitOptim(s.optim, list);
  VisitLineage(s.lineage, list);
  AddWorkloadFields(s, &list);
  return list;
}

Result<int64_t> TotalSteps(const TrainSection& train, int64_t dataset_size) {
  return StepsOf("train.length", train.length, train, dataset_size);
}

Result<int64_t> StepsOf(const std::string& key, const std::string& length,
                        const TrainSection& train, int64_t dataset_size) {
  const auto bad = [&](const std::string& why) {
    return Status(Code::kInvalidArgument, key + " = \"" + length + "\": " + why +
                                              "; write \"400step\", \"3ep\" or \"12800samples\"");
  };
  char* unit = nullptr;
  const double count = std::strtod(length.c_str(), &unit);
  if (unit == length.c_str()) return bad("no number");
  if (!(count > 0) || count > 1e15) return bad("the number must be positive");
  const std::string name = unit;
  const auto batch = static_cast<double>(train.global_batch);
  const auto size = static_cast<double>(dataset_size);
  const bool is_short = train.last_batch == "short";
  const double epoch = is_short ? std::ceil(size / batch) : std::floor(size / batch);
  const bool by_epoch = name.compare(0, 2, "ep") == 0 || (is_short && name == "samples");
  if (by_epoch && dataset_size < 1) return bad("the samples of an epoch are not known");
  double steps = 0;
  if (name == "step" || name == "steps") {
    steps = count;
  } else if (name == "ep" || name == "epoch" || name == "epochs") {
    steps = WholeSteps(count * epoch);
  } else if (name == "samples") {
    const double epochs = is_short ? std::floor(count / size) : 0;
    steps = epochs * epoch + std::ceil((count - epochs * size) / batch);
  } else {
    return bad("'" + name + "' is no unit");
  }
  if (steps < 1 || steps != std::floor(steps)) return bad("that is no whole number of steps");
  if (steps > 1e15) return bad("that is more steps than can be counted");
  return static_cast<int64_t>(steps);
}

}  // namespace stemma::models
