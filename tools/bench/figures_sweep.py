"""What sweeps by fork save, what a kill costs them, and how well they keep their slots busy.

Sizes are small, so that all of it takes minutes; STEMMA_SWEEP_SCALE=10 makes trials so many times
longer.
"""

import contextlib
import json
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import tempfile
import time

from figure_base import Figure, environment, run, seconds_of, stemma

SCALE = float(os.environ.get("STEMMA_SWEEP_SCALE", "1"))

# AI-GW's network on a short, coarse window: a step takes milliseconds.
RECIPE = """
run.name = "r"
train.length = "{steps}step"
train.global_batch = {batch}
aigw.t_from = -72.0
aigw.t_to = 56.0
aigw.dt = 2.0
aigw.last = 16
aigw.train_size = 4096
optim.lr = 0.005
optim.schedule = "steps"
lineage.every = {every}
device.threads = 1
"""

SPEC = """
recipe = "r.toml"
[sweep]
name = "s"
method = "grid"
slots = {slots}
[knobs]
optim.step_factors = {{ values = [{factors}] }}
"""


@contextlib.contextmanager
def prepared(factors, steps, slots, batch=8, every=0):
    with tempfile.TemporaryDirectory(prefix="stemma.") as name:
        folder = pathlib.Path(name)
        (folder / "r.toml").write_text(RECIPE.format(steps=steps, batch=batch, every=every))
        listed = ", ".join('"%s"' % factor for factor in factors)
        (folder / "s.toml").write_text(SPEC.format(slots=slots, factors=listed))
        yield folder


def sweep(*words):
    return [str(stemma()), "sweep", *words]


def report(folder):
    """What `sweep report --json` says: the sweep, and its trials in their order."""
    done = subprocess.run(sweep("report", "s", "--json"), cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, universal_newlines=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines:
        return None, []
    return lines[0], sorted((l for l in lines if l["kind"] == "trial"), key=lambda l: l["trial"])


def sweep_shared():
    """Rank-seconds of processes, from start to exit. The reference is the bound."""
    steps = int(600 * SCALE)
    factors = ["%d:%g" % (steps // 2, 0.2 + 0.1 * i) for i in range(8)]
    with prepared(factors, steps, slots=1, batch=32) as folder:
        run(sweep("run", "s.toml"), cwd=str(folder), env=environment())
        whole, trials = report(folder)
        alone = 0
        for trial, factor in zip(trials, factors):
            name = "alone%d" % trial["trial"]
            alone += seconds_of([stemma(), "train", "r.toml", "--progress=off",
                                 "--set", "run.name=" + name,
                                 "--set", "optim.step_factors=" + factor],
                                cwd=str(folder), env=environment())
            said = run([stemma(), "diff", "%s@%d" % (name, steps), trial["state"]],
                       cwd=str(folder))
            if "identical" not in said:
                raise RuntimeError("trial %d is not what it is alone:\n%s"
                                   % (trial["trial"], said))
    return [whole["rank_s_spent"] / alone], 0.5 + 0.5 / 8


def number_in(log, what, key):
    """key=NUMBER of the line of `log` that says `what`."""
    found = re.search(r" %s .*\b%s=(\S+)" % (what, key), log)
    return float(found.group(1)) if found else None


def first_steps(origin):
    """Of stages that began in memory, or from the disk: from the order, when the fork is durable,
    to the end of the first step, less what the training waited for bytes, in steps of the stage."""
    batch, apart, branches = 256, 4, 5
    steps = apart * (branches + 1)
    factors = ["%d:0.5" % (apart * (i + 1)) for i in range(branches)]
    shares = []
    with prepared(factors, steps, slots=1, batch=batch) as folder:
        run(sweep("run", "s.toml"), cwd=str(folder), env=environment())
        for path in (folder / "stemma-runs" / "s").glob("*/inc-*/logs/rank-0.log"):
            log = path.read_text()
            if " from=%s" % origin not in log:
                continue
            waited = number_in(log, "restored", "waited_s")
            if origin == "disk" and waited is None:
                continue  # the one that begins at step 0
            rows = [json.loads(line) for line in
                    (path.parents[2] / "metrics.jsonl").read_text().splitlines()]
            took = [row["step_s"] for row in rows if "step_s" in row]
            after = number_in(log, "first step is done", "after_s") - (waited or 0)
            shares.append(after / statistics.median(took[1:]))
    return sorted(shares), None


def fork_first_step_warm():
    return first_steps("memory")


def fork_first_step_cold():
    return first_steps("disk")


def processes_below(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(entry.name)] + processes_below(int(entry.name))
    return found


def finished_stages(folder, apart, steps):
    """Stages that are at their end, and the processes that worked on each: what all trials share
    ends at step `apart`, the others at the last one."""
    done = subprocess.run([str(stemma()), "log", "--json"], cwd=str(folder),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True)
    reached = {}
    for line in done.stdout.splitlines():
        state = json.loads(line)
        reached.setdefault(state["run"], []).append(state["step"])
    root = folder / "stemma-runs" / "s"
    return {name: sorted(p.name for p in (root / name).glob("inc-*"))
            for name, at in reached.items()
            if max(at) == (apart if min(at) < apart else steps)}


def struck(folder, after_s):
    """Starts the sweep or goes on with it, and kills all of it. Whether it was at work still, and
    whether something trained."""
    process = subprocess.Popen(sweep("run", "s.toml"), cwd=str(folder), env=environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    time.sleep(after_s)
    below = processes_below(process.pid)
    for pid in [process.pid] + below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError("a sweep that was killed does not go on: it left with %d" % code)
    return code != 0, bool(below)


def winner_of(folder):
    run(sweep("run", "s.toml"), cwd=str(folder), env=environment())
    return report(folder)[0]["best"]


def sweep_kill():
    """Kills of the controller and all its trainings, each in a sweep that was at work, of 20. One
    after which a finished stage was trained again counts as none. A sweep that reaches its end
    between them is held against the one without kills, and another one begins."""
    steps, kills = int(400 * SCALE), 20
    factors = ["%d:%g" % (steps // 2, 0.5 + 0.5 * i) for i in range(4)]
    with prepared(factors, steps, slots=2, every=10) as folder:
        want = winner_of(folder)
    draw, hits, training, good, sweeps = random.Random(1), 0, 0, 0, 0
    while hits < kills:
        sweeps += 1
        with prepared(factors, steps, slots=2, every=10) as folder:
            finished, at_work = {}, True
            while hits < kills and at_work:
                at_work, trained = struck(folder, draw.uniform(0.1, 2.5))
                now = finished_stages(folder, steps // 2, steps)
                again = [name for name in finished if now.get(name) != finished[name]]
                finished = now
                hits += at_work
                training += at_work and trained
                good += at_work and not again
                if again and not at_work:
                    raise RuntimeError("done, and trained again: %s" % ", ".join(again))
            got = winner_of(folder)
            now = finished_stages(folder, steps // 2, steps)
            again = [name for name in finished if now.get(name) != finished[name]]
            if again:
                raise RuntimeError("done, and trained again: %s" % ", ".join(again))
        if got != want:
            raise RuntimeError("the winner is trial %d, without kills trial %d" % (got, want))
    print("  %d kills of %d sweeps, %d of them while something trained" % (hits, sweeps, training),
          flush=True)
    return [good], None


def sweep_idle():
    """Of 4 slots from the first start to the last one: the time between the end of a stage's
    processes and the start of the next stage's, as the controller's lines tell it."""
    steps = int(300 * SCALE)
    factors = ["1:%g" % (0.1 + 0.1 * i) for i in range(16)]
    with prepared(factors, steps, slots=4) as folder:
        process = subprocess.Popen(sweep("run", "s.toml"), cwd=str(folder), env=environment(),
                                   stdout=subprocess.PIPE, universal_newlines=True)
        busy, begun, last, at, running = 0.0, None, None, None, 0
        events = []
        for line in process.stdout:
            now = time.monotonic()
            if " from step " in line:
                events.append((now, 1))
            elif " is at step " in line:
                events.append((now, -1))
        if process.wait() != 0:
            raise RuntimeError("the sweep left with %d" % process.returncode)
    # The first stage is what all share, and nothing can run beside it.
    full = 0
    for moment, change in events:
        running += change
        if begun is None and running == 4:
            begun = at = moment
        if change > 0 and begun is not None:
            last = moment
    running = 0
    for moment, change in events:
        if begun <= moment <= last:
            busy += running * (moment - max(at, begun))
            at = moment
        running += change
    return [100 * (1 - busy / (4 * (last - begun)))], None


SEARCH = """
recipe = "r.toml"
[sweep]
name = "{name}"
method = "{method}"
seed = {seed}
[method]
trials = {trials}
{more}
[knobs]
optim.lr = {{ low = 1e-6, high = 1, log = true }}
optim.beta1 = {{ values = [0.8, 0.9, 0.95] }}
optim.beta2 = {{ values = [0.9, 0.99, 0.999] }}
"""


def searched(folder, name, method, seed, trials, more=""):
    """A sweep's rank-seconds and its best value: infinity where no trial has one."""
    spec = SEARCH.format(name=name, method=method, seed=seed, trials=trials, more=more)
    (folder / (name + ".toml")).write_text(spec)
    # Exit code 1 says that no trial has a result: all of them diverged.
    subprocess.run(sweep("run", name + ".toml", "--quiet"), cwd=str(folder), env=environment(),
                   stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    done = subprocess.run(sweep("report", name, "--json"), cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines:
        raise RuntimeError("sweep %s did not begin:\n%s" % (name, done.stderr))
    best = [line["metric"] for line in lines
            if line["kind"] == "trial" and line["trial"] == lines[0]["best"]]
    value = best[0] if best and best[0] is not None else float("inf")
    return lines[0]["rank_s_spent"], value


def asha_ratio():
    """ASHA's rank-seconds over those of random trials, each trained whole, one after the other
    until one is as good as ASHA's best; after 27 the search ends, and the ratio is an upper
    bound. Nothing is known of the learning rate within six decades; there is no warm-up, of which
    alone the first rungs would speak."""
    steps, ratios = int(243 * SCALE), []
    more = "eta = 3\nmin_steps = %d" % (steps // 27)
    for seed in (1, 2, 3):
        with prepared(["1:1"], steps, slots=1, batch=64) as folder:
            recipe = (folder / "r.toml").read_text().replace('"steps"', '"constant"')
            (folder / "r.toml").write_text(recipe)
            spent, threshold = searched(folder, "asha", "asha", seed, 27, more)
            random_s, tried, reached = 0.0, 0, False
            while tried < 27 and not reached:
                tried += 1
                cost, loss = searched(folder, "random%d" % tried, "random", 100 * seed + tried, 1)
                random_s += cost
                reached = loss <= threshold
        print("  seed %d: loss %.4g with %.0f rank-seconds by ASHA; random %s after %d trials, "
              "%.0f rank-seconds" % (seed, threshold, spent,
                                     "as good" if reached else "not so good", tried, random_s),
              flush=True)
        ratios.append(spent / random_s)
    return ratios, None


FIGURES = [
    Figure("sweep_shared", "x", 0.60, True,
           "rank-seconds of 8 trials that share half of their steps, over 8 runs of their own, "
           "bits compared; beside it, the bound", sweep_shared),
    Figure("fork_first_step_warm", "steps", 2, True,
           "a stage of a sweep that begins in its parent's memory: from the order to the end of "
           "its first step, over a step of its own (batch 256)", fork_first_step_warm),
    Figure("fork_first_step_cold", "steps", 2, True,
           "the same for one that is restored, less what the training waited for the bytes",
           fork_first_step_cold),
    Figure("sweep_kill", "of 20", 20, False,
           "kill -9 of a sweep and its trainings at random moments: resumed, no finished stage "
           "trained again, same winner", sweep_kill),
    Figure("sweep_idle", "%", 5, True,
           "idle time of 4 slots on 2 cores, from the first full moment to the last start",
           sweep_idle),
    Figure("asha_ratio", "x", 1, True,
           "rank-seconds of ASHA with 27 trials over those of random trials until one is as good, "
           "AI-GW on a short window, median of three seeds", asha_ratio),
]
