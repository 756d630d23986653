"""Sweeps as people run them: trials that share their beginning are trained once up to there, each
ends in the bytes of training it alone, and a sweep that is killed goes on where it was."""

import json
import os
import pathlib
import re
import signal
import sys
import time

import harness

LIMIT = 900  # seconds: a slow machine is no failure

SPEC = """
recipe = "r.toml"
[sweep]
name = "lr"
method = "grid"
slots = 2
[settings]
device.threads = 1
optim.schedule = "steps"
[knobs]
optim.step_factors = {{ values = [{factors}] }}
"""

FACTORS = ["20:1", "20:2", "20:0.5", "30:0.1"]


def spec(box, factors=FACTORS, steps=40, extra=""):
    box.recipe(steps=steps)
    text = SPEC.format(factors=", ".join('"%s"' % f for f in factors))
    (box.dir / "lr.toml").write_text(text + extra)
    return "lr.toml"


def sweep(box, *arguments):
    return [box.stemma, "sweep", *arguments]


def report(box):
    """What `sweep report --json` says: the sweep, then its trials in their order."""
    done = box.run(sweep(box, "report", "lr", "--json"), limit=LIMIT)
    if done.code != 0:
        return None, []
    lines = [json.loads(line) for line in done.text.splitlines() if line.startswith("{")]
    trials = sorted((l for l in lines if l["kind"] == "trial"), key=lambda l: l["trial"])
    return lines[0], trials


def stage_folders(box):
    root = box.dir / "stemma-runs" / "lr"
    return {p.name: sorted(i.name for i in p.glob("inc-*")) for p in root.iterdir() if p.is_dir()}


def check_bits(box, factors=FACTORS, steps=40):
    """Each trial alone, in one uninterrupted run of its own, ends in the same bytes."""
    whole, trials = report(box)
    assert len(trials) == len(factors), trials
    for trial, factor in zip(trials, factors):
        assert trial["optim.step_factors"] == factor and trial["step"] == steps, trial
        name = "alone%d" % trial["trial"]
        box.train("r.toml", "--set", "run.name=" + name, "--set", "device.threads=1",
                  "--set", "optim.schedule=steps", "--set", "optim.step_factors=" + factor,
                  ranks=None).expect(0)
        box.say("diff", name + "@%d" % steps, trial["state"]).expect(0, "identical")
    return whole, trials


def test_trials_share_their_beginning_and_equal_training_alone(box):
    done = box.run(sweep(box, "run", spec(box)), limit=LIMIT)
    done.expect(0, "4 trials begin", "best path", "alone")
    whole, trials = check_bits(box)
    # Steps 0 to 20 for all, 20 to 30 for the two that part later, then what is each one's own.
    assert whole["over"] and whole["stages"] == whole["stages_done"] == 6, whole
    assert whole["steps_once"] == 20 + 10 + 10 + 10 + 20 + 20, whole
    assert whole["steps_alone"] == 4 * 40, whole
    assert len(set(t["runs"][0] for t in trials)) == 1, trials
    assert whole["rank_s_saved"] > 0 and whole["rank_s_spent"] > 0, whole
    best = [t for t in trials if t["trial"] == whole["best"]][0]
    assert best["metric"] == min(t["metric"] for t in trials), trials
    box.say("show", "tag:lr-best").expect(0, best["state"].split("@")[0])
    box.say("sweep", "report", "lr", "--html=lr.html").expect(0, "wrote lr.html")
    page = (box.dir / "lr.html").read_text()
    assert page.count("<svg") >= 2 and "trial 3" in page, page[:2000]
    assert not any(word in page for word in (" src=", "<link", "<script")), page[:2000]
    # Nothing is left to do; the report is the same.
    again = box.run(sweep(box, "run", "lr.toml"), limit=LIMIT).expect(0)
    assert "from step" not in again.text, again.text
    table = [l for l in done.text.splitlines() if " best" in l]
    assert table and table[0] in again.text, again.text
    box.say("sweep", "report", "lr", "--csv").expect(0, "trial,optim.step_factors,step,loss,state")
    # The printed schedule trains the same once more.
    script = box.say("sweep", "show", "lr", "--trial=2", "--schedule").expect(0).text
    env = {"PATH": str(box.programs) + ":" + os.environ["PATH"]}
    box.run(["sh", "-c", script], env=env)
    box.say("diff", "lr-alone2@40", trials[2]["state"]).expect(0, "identical")


def beginnings(box, sweep_name):
    """From where each stage's first step came, and the processes that trained."""
    froms, pids = [], set()
    for path in (box.dir / "stemma-runs" / sweep_name).glob("*/inc-*/logs/rank-*.log"):
        text = path.read_text()
        pids.update(re.findall(r" begins .*pid=(\d+)", text))
        froms += re.findall(r"first step is done .*from=(\w+)", text)
    return froms, pids


def test_stages_in_living_processes_equal_processes_of_their_own(box):
    # What is trained right after the part that both share begins in memory, the other one does not.
    factors = ["10:0.5", "20:0.5"]
    launch = "--launch=" + " ".join(box.mpirun(2)) + " {train}"
    trials = {}
    for name, reuse in (("lr", "on"), ("apart", "off")):
        text = (box.dir / spec(box, factors)).read_text().replace("slots = 2", "slots = 1")
        text = text.replace('name = "lr"', 'name = "%s"\nranks_per_trial = 2' % name)
        (box.dir / "lr.toml").write_text(text)
        box.run(sweep(box, "run", "lr.toml", "--reuse=" + reuse, launch), limit=LIMIT).expect(0)
        done = box.say("sweep", "report", name, "--json").expect(0)
        lines = [json.loads(line) for line in done.text.splitlines() if line.startswith("{")]
        trials[name] = sorted((l for l in lines if l["kind"] == "trial"), key=lambda l: l["trial"])
    for one, other in zip(trials["lr"], trials["apart"]):
        box.say("diff", one["state"], other["state"]).expect(0, "identical")
    froms, pids = beginnings(box, "lr")
    assert len(pids) == 2, pids  # two ranks for all three stages
    assert sorted(froms) == ["disk"] * 4 + ["memory"] * 2, froms
    froms, pids = beginnings(box, "apart")
    assert not froms and len(pids) == 2 * 3, (froms, pids)
    groups = box.dir / "stemma-runs" / "lr" / "groups"
    assert not list(groups.iterdir()), list(groups.iterdir())
    box.say("fsck").expect(0)


def test_champion_of_pbt_alone_has_the_same_bits(box):
    box.recipe(steps=30)
    (box.dir / "lr.toml").write_text("""
recipe = "r.toml"
[sweep]
name = "lr"
method = "pbt"
slots = 2
[method]
trials = 4
interval = 10
[settings]
device.threads = 1
optim.schedule = "constant"
[knobs]
optim.lr = { low = 1e-4, high = 1e-2, log = true }
""")
    box.run(sweep(box, "run", "lr.toml"), limit=LIMIT).expect(0, "exploit")
    done = box.say("sweep", "report", "lr", "--json")
    lines = [json.loads(line) for line in done.text.splitlines() if line.startswith("{")]
    trials = {l["trial"]: l for l in lines if l["kind"] == "trial"}
    last = [l for l in lines if l["kind"] == "decision" and l["decision"] == "exploit"][-1]
    best = next(l for l in lines if l["kind"] == "sweep")["best"]
    for trial in {best, last["trial"]}:  # the champion, and one that went on from another trial
        script = box.say("sweep", "show", "lr", "--trial=%d" % trial, "--schedule").expect(0).text
        env = {"PATH": str(box.programs) + ":" + os.environ["PATH"]}
        box.run(["sh", "-c", script], env=env)
        name = re.findall(r"--run (\S+)", script)[-1]
        box.say("diff", name + "@30", trials[trial]["state"]).expect(0, "identical")


def finished(box):
    """Stages that have their last state, each with the processes that have worked on it."""
    folders = stage_folders(box)
    ends = {run: 60 if i == 0 else 120 for t in report(box)[1] for i, run in enumerate(t["runs"])}
    return {run: folders[run] for run, end in ends.items()
            if run in folders and box.say("show", "%s@%d" % (run, end)).code == 0}


def test_killed_controller_and_trainings_go_on_and_repeat_nothing(box):
    factors = ["60:1", "60:2", "60:0.5"]
    command = sweep(box, "run", spec(box, steps=120, factors=factors))
    seen = {}
    for done in (0, 1):
        process = box.start(command)
        while process.poll() is None:
            whole, _ = report(box)
            if whole and whole["stages_done"] >= done and box.engines(process):
                break
            time.sleep(0.1)
        for run, folders in finished(box).items():
            seen.setdefault(run, folders)
        for pid in [process.pid] + box.engines(process):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself just now
        box.finish(process, LIMIT)
    assert seen, "no stage was done when the last one was killed"
    box.run(command, limit=LIMIT).expect(0, "best path")
    folders = stage_folders(box)
    assert all(folders[run] == before for run, before in seen.items()), (seen, folders)
    check_bits(box, factors, 120)
    box.say("fsck").expect(0)


def test_trial_that_diverges_is_a_result(box):
    # A rate of 1e30 has no finite loss soon; the others go on.
    text = spec(box, factors=["20:1", "20:1e30"])
    box.run(sweep(box, "run", text, "--quiet"), limit=LIMIT).expect(0, "diverged: ")
    whole, trials = report(box)
    assert trials[1]["metric"] is None and whole["best"] == 0, trials


def test_second_controller_is_refused_and_ctrl_c_stops(box):
    command = sweep(box, "run", spec(box, steps=100000))
    process = box.start(command)
    while process.poll() is None and not box.engines(process):
        time.sleep(0.05)
    second = box.run(command, limit=LIMIT)
    second.expect(2, "a controller of sweep 'lr' is at work", "pid %d" % process.pid)
    box.say("sweep", "status").expect(0, "at work: ")
    process.send_signal(signal.SIGINT)
    box.finish(process, LIMIT).expect(75, "stopped; the same command goes on")
    box.say("sweep", "status", "lr").expect(0, "nobody is at work", "stemma sweep run lr.toml")


def test_data_in_a_file_are_swept_over_where_lengths_are_in_steps(box):
    path = spec(box, FACTORS[:2])
    made = box.say("data", "waveforms", "r.toml", "--out=w.h5")
    if "--define hdf5=off" in made.text:
        return  # a build without the format
    made.expect(0)
    box.recipe(extra='aigw.file = "w.h5"\n')
    box.run(sweep(box, "run", path), limit=LIMIT).expect(0, "best path")
    whole, _ = check_bits(box, FACTORS[:2])
    assert whole["stages_done"] == 3, whole
    (box.dir / "ep.toml").write_text((box.dir / path).read_text().replace(
        "[settings]", '[settings]\nvalidate.every = "1ep"').replace('"lr"', '"ep"'))
    box.say("sweep", "plan", "ep.toml").expect(2, 'validate.every = "1ep" asks how many samples',
                                               "HDF5", "Lengths in steps")


def stand_in(box, name, text):
    (box.dir / name).write_text("#!/bin/sh\n%s\n" % text)
    (box.dir / name).chmod(0o755)


def test_wrong_commands_say_what_to_do(box):
    path = spec(box)
    box.say("sweep", "run").expect(2, "SPEC.toml")
    box.say("sweep", "run", "none.toml").expect(2, "none.toml")
    box.say("sweep", "asha", path).expect(2, 'method = "grid"')
    box.say("sweep", "run", path, "--launch=srun").expect(2, "{train}")
    box.say("sweep", "run", path, "--pin", "--slots=100000").expect(2, "--pin: 100000 slots")
    box.say("sweep", "run", path, "--reuse=maybe").expect(2, "on")
    box.say("sweep", "report", "lr").expect(1, "stemma-store")
    box.say("sweep", "run", path, "--emit=slurm-array").expect(0, "6 stages in 3 arrays")
    folder = box.dir / "stemma-runs" / "lr"
    lines = (folder / "stages.list").read_text().splitlines()
    assert len(lines) == 6 and " fork " not in lines[0] and " fork " in lines[1], lines
    submit = (folder / "submit.sh").read_text()
    assert "--array=1-1 " in submit and "--dependency=afterany" in submit, submit
    # A training that was told to stop has saved: its job is requeued, others are not.
    job = (folder / "job.sh").read_text()
    assert "--requeue" in job and "--signal=USR1@" in job, job
    assert "#SBATCH --output='%s/slurm-%%A_%%a.log'\n" % folder in job, job
    cores = re.search(r"--cpus-per-task=(\d+)\n", job).group(1)
    assert all("srun --kill-on-bad-exit=1 -n 1 -c %s " % cores in line for line in lines), lines
    stand_in(box, "srun", "exit 75")
    stand_in(box, "scontrol", 'echo "$@" >> requeued')
    start = "PATH=$PWD:$PATH SLURM_ARRAY_TASK_ID=1 SLURM_JOB_ID=7 bash %s/job.sh" % folder
    box.run(["sh", "-c", start]).expect(75)
    assert (box.dir / "requeued").read_text() == "requeue 7\n"
    stand_in(box, "srun", "exit 3")
    box.run(["sh", "-c", start]).expect(1)
    assert (box.dir / "requeued").read_text() == "requeue 7\n"
    # The list does what a controller does; afterwards nothing is left to train.
    for line in lines:
        box.run(["sh", "-c", re.sub(r"srun --kill-on-bad-exit=1 -n 1 -c \d+ ", "", line)]).expect(0)
    done = box.run(sweep(box, "run", path), limit=LIMIT).expect(0, "best path")
    assert "from step" not in done.text, done.text
    whole = report(box)[0]
    assert whole["stages_done"] == 6 and whole["rank_s_spent"] > 0, whole


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
