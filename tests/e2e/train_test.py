"""Training as people do it: start, kill, continue, fork, stop, another number of ranks. Everything
that must be bit-identical is compared as printed with 17 digits, and as bytes of the weights."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import harness


def reference(box, **recipe):
    path = box.recipe(**recipe)
    box.train(path).expect(0, "starting r at step 0", "r is complete at step")
    return path, box.losses()


def identical(box, a, b):
    box.say("diff", a, b).expect(0, "identical")


def test_killed_rank_resumes_bit_for_bit(box):
    path, whole = reference(box)
    assert len(whole) == 40
    for victim in (0, 1):
        name = "k%d" % victim
        arguments = (path, "--set", "run.name=" + name)
        process = box.start(box.train_command(*arguments))
        assert box.wait_for_state(name + "@10", process)
        box.kill_rank(process, victim)
        killed = box.finish(process)
        assert killed.code != 0, killed.text
        box.train(*arguments).expect(0, "continuing %s from %s@" % (name, name))
        assert box.losses(name) == whole
        identical(box, "r@40", name + "@40")


def test_fork_with_unchanged_settings_equals_going_on(box):
    path, whole = reference(box)
    box.say("fork", "r@20", "--name", "same").expect(0)
    box.train("--run", "same").expect(0, "starting same from r@20, forked")
    branch = box.losses("same")
    assert branch == {s: v for s, v in whole.items() if s > 20}, branch
    identical(box, "r@40", "same@40")


def test_fork_with_another_learning_rate(box):
    path, whole = reference(box)
    box.say("fork", "r@20", "--name", "warm", "--set", "optim.lr=0.02").expect(0, "--run warm")
    box.train("--run", "warm").expect(0, "optim.lr 0.005 -> 0.02")
    branch = box.losses("warm")
    assert branch[21] == whole[21], "the first forward sees the same weights"
    assert branch[23] != whole[23], "and then the rate matters"
    box.say("log", "--graph").expect(0, "warm@40", "r@40", "r@20")
    box.say("diff", "r@40", "warm@40").expect(0, "optim.lr")


def test_progressive_fork_says_so_and_is_exact_from_then_on(box):
    path, whole = reference(box)
    box.say("fork", "r@20", "--name", "half").expect(0)
    progressive = ("--set", "lineage.restore=progressive")
    box.train("--run", "half", *progressive).expect(0, "forked, progressively")
    branch = box.losses("half")
    assert branch[21] != whole[21], "the first forward sees parameters of 16 bits"
    assert abs(float(branch[21]) / float(whole[21]) - 1) < 0.25, (branch[21], whole[21])
    states = [json.loads(s) for s in box.say("log", "half@", "--json").text.splitlines()]
    marked = [s["step"] for s in states if s["attributes"].get("restore") == "progressive"]
    assert marked == [25], states
    box.say("show", "half@25").expect(0, "restore = progressive")
    box.say("show", "half@25", "--settings").expect(0, 'restore = "exact"')
    box.say("fork", "half@25", "--name", "after").expect(0)
    assert "restore =" not in box.say("show", "after@25").expect(0).text
    box.train("--run", "after").expect(0)
    assert box.losses("after") == {s: v for s, v in branch.items() if s > 25}


def test_progressive_start_is_refused_but_for_a_fork(box):
    progressive = ("--set", "lineage.restore=progressive")
    box.train(box.recipe(), *progressive).expect(2, "r starts from nothing", "fork")
    path, _ = stops(box, lambda p: box.kill_rank(p, 1, signal.SIGUSR1), 75)
    box.train(path, *progressive).expect(2, "is for the start of a fork", "r goes on from r@")


def test_bisect_goes_on_to_the_first_bad_step(box):
    path, losses = reference(box, steps=20, every=10)
    # The step at which the loss of the second half is highest parts good from bad.
    bad = max(range(11, 21), key=lambda step: float(losses[step]))
    ends = ("bisect", "--good", "r@10", "--bad", "r@20", "--replay", "--json")
    launch = " ".join(box.mpirun(2)[:-1]) + " {ranks} {train}"
    done = box.say(*ends, "--launch", launch, "--run", "test $STEMMA_STEP -lt %d" % bad)
    last = [line for line in done.expect(0).text.splitlines() if line.startswith('{"kind":"step"')]
    assert json.loads(last[0])["first_bad_step"] == bad, done.text
    assert {s: v for s, v in box.losses("r-replay1").items() if s <= 20} == \
        {s: v for s, v in losses.items() if s > 10}, "a replay goes the same way"
    box.say("bisect", "--good", "r@10", "--bad", "r@20", "--where", "step > 10", "--replay",
            "--launch", "false {train}").expect(1, "the replay left with 1")


def test_run_that_is_complete_says_so(box):
    path, _ = reference(box, steps=10)
    box.train(path).expect(0, "r is complete: r@10")
    box.train(path, "--fresh").expect(2, "--fresh", "run.name=NEWNAME")


def test_conformance_75_continues_on_another_number_of_ranks(box):
    path = box.recipe(steps=20)
    process = box.start(box.train_command(path))
    assert box.wait_for_state("r@5", process)
    box.kill_rank(process)
    box.finish(process)
    box.train(path, ranks=1).expect(0, "continuing r from r@")
    assert sorted(box.losses()) == list(range(1, 21))
    states = [json.loads(line) for line in box.say("log", "--json").expect(0).text.splitlines()]
    first_alone = min((s for s in states if s["ranks"] == 1), key=lambda s: s["step"])
    assert first_alone["parents"][0]["kind"] == "reshape", first_alone
    assert all(s["parents"][0]["kind"] == "train" for s in states
               if s["parents"] and s is not first_alone), states


def test_conformance_83_sharded_run_is_killed_reshaped_and_equals_the_replicated_one(box):
    path, whole = reference(box, steps=24, batch=12)
    run = (path, "--set", "run.name=z", "--set", "ops.shard=")
    sharded = run[:-1] + (run[-1] + "optimizer",)
    process = box.start(box.train_command(*sharded))
    assert box.wait_for_state("z@5", process)
    box.kill_rank(process, 1)
    killed = box.finish(process)
    assert "optimizer state per rank, sharded: 1 of 2 parts" in killed.text, killed.text
    box.train(*sharded).expect(0, "continuing z from z@")
    assert box.losses("z") == whole
    identical(box, "r@24", "z@24")
    # From shards to three ranks' shards, and to replicas: the samples are the same, the bits of one
    # way those of the other.
    for name, how in (("three", "optimizer"), ("replicas", "none")):
        box.say("fork", "z@10", "--name", name).expect(0)
        box.train("--run", name, "--set", "ops.shard=" + how, ranks=3).expect(0)
    identical(box, "three@24", "replicas@24")
    box.say("fsck", "--read-data").expect(0)


def test_one_rank_without_mpirun(box):
    path = box.recipe(steps=6)
    box.train(path, ranks=None).expect(0, "world      1 rank", "r is complete at step 6")


def test_conformance_17_same_run_gives_same_bits(box):
    path, whole = reference(box, steps=15)
    box.train(path, "--set", "run.name=again").expect(0)
    assert box.losses("again") == whole
    identical(box, "r@15", "again@15")


def test_saved_settings_train_the_same_again(box):
    """The run folder's settings.toml is a recipe by itself: whatever --set changed is in it."""
    path = box.recipe(steps=15)
    box.train(path, "--set", "optim.lr=0.01", "--set", "train.seed=7").expect(0)
    saved = box.dir / "stemma-runs" / "r" / "settings.toml"
    assert "optim.lr = 0.01\n" in saved.read_text(), saved.read_text()
    box.train(str(saved), "--run", "again").expect(0, "starting again at step 0")
    assert len(box.losses()) == 15 and box.losses("again") == box.losses()
    identical(box, "r@15", "again@15")
    again = (box.dir / "stemma-runs" / "again" / "settings.toml").read_text()
    assert again == saved.read_text().replace('run.name = "r"', 'run.name = "again"'), again


def test_metrics_have_a_row_for_every_step(box):
    box.train(box.recipe(steps=20)).expect(0)
    lines = [json.loads(line) for line in box.metrics_path().read_text().splitlines()]
    rows = [row for row in lines if "event" not in row]
    assert [row["step"] for row in rows] == list(range(1, 21)), rows
    for row in rows:
        before = row["step"] - 1
        lr = 0.005 * (row["step"] / 5 if before < 5 else 1 - (before - 5) / 15)
        assert abs(row["lr"] - lr) < 1e-12, row
        assert row["loss"] > 0 and row["mse_q"] > 0 and row["mse_ap"] > 0, row
        assert abs(row["mse_q"] + row["mse_ap"] - row["loss"]) < 1e-5 * row["loss"], row
        assert row["samples"] == 8 * row["step"] and row["epoch"] == row["samples"] / 4096, row
        assert abs(row["samples_per_s"] * row["step_s"] - 8) < 1e-6, row
        # The waits are shares of the step, and parts of it that do not overlap.
        assert row["data_wait"] >= 0 and row["comm_wait"] > 0, row
        assert row["data_wait"] + row["comm_wait"] < 1, row
        computing = row["forward_s"] + row["backward_s"] + row["optim_s"]
        assert 0 < computing < row["step_s"] and row["capture_stall_s"] >= 0, row
        assert row["grad_norm"] > 0 and row["skipped"] == 0, row
        assert row["world"] == 2 and row["inc"] == 1, row
        assert row["slowest_rank"] in (0, 1) and row["slowest_late_s"] >= 0, row


def test_environment_says_which_libtorch_is_loaded(box):
    done = box.run([str(box.programs / "stemma-engine"), "version"]).expect(0)
    facts = json.loads(done.text)["identity"]
    assert facts["LibTorch loaded"].split("+")[0] == facts["LibTorch compiled"], facts


def test_state_of_another_build_goes_on_but_is_not_called_exact(box):
    """The other build is the same program and one byte behind its end."""
    steady = ["--set", "optim.schedule=constant", "--set", "optim.warmup_steps=0"]
    path = box.recipe(steps=5)
    box.train(path, *steady).expect(0)
    longer = steady + ["--set", "train.length=10step"]
    other = box.dir / "other"
    other.mkdir()
    for name in ("stemma", "stemma-engine"):
        shutil.copy(str(box.programs / name), str(other / name))
    (other / "stemma-engine").chmod(0o755)
    with open(str(other / "stemma-engine"), "ab") as program:
        program.write(b"\0")
    mine, box.stemma = box.stemma, str(other / "stemma")
    done = box.train(path, *longer)
    done.expect(0, "continuing r from r@5 ", "by another build", 'another build: program "xxh3:')
    assert ", exact" not in done.text, done.text
    box.train(path, *steady, "--set", "train.length=15step").expect(0, "r@10 ", ", exact")
    box.stemma = mine


def test_accumulation_equals_one_pass_in_data_and_roughly_in_loss(box):
    path, whole = reference(box, steps=6)
    box.train(path, "--set", "run.name=acc", "--set", "train.micro_batches=2").expect(0)
    accumulated = box.losses("acc")
    assert sorted(accumulated) == sorted(whole)
    # Batch norm sees smaller batches, so the losses are near but not equal.
    first, again = float(whole[1]), float(accumulated[1])
    assert 0 < abs(first - again) < 0.5 * first, (first, again)


def stops(box, ask, code, *words):
    path = box.recipe(steps=100000)
    process = box.start(box.train_command(path))
    assert box.wait_for_step(8, process)
    ask(process)
    done = box.finish(process)
    assert done.code == code, done.text
    for word in words:
        assert word in done.text, done.text
    return path, done


def test_sigusr1_saves_and_stops_at_a_common_step(box):
    path, done = stops(box, lambda p: box.kill_rank(p, 1, signal.SIGUSR1), 75,
                       "saved r@", "run the same command again")
    last = max(box.losses())
    box.say("show", "r@").expect(0, "r@%d" % last)


def test_sigterm_twice_still_saves(box):
    def ask(process):
        box.kill_rank(process, 0, signal.SIGTERM)
        box.kill_rank(process, 0, signal.SIGTERM)
    stops(box, ask, 75, "stopped by SIGTERM", "saved r@")


def on_terminal(box, command):
    """Runs it below a terminal of 100 columns; what that got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    env = box.environment({"TERM": "xterm"})
    for name in ("CI", "NO_COLOR"):
        env.pop(name, None)
    process = subprocess.Popen(command, cwd=box.dir, env=env, stdin=slave, stdout=slave,
                               stderr=slave, close_fds=True)
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        text += part
    os.close(master)
    assert process.wait(60) == 0, text.decode()
    return text.decode()


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(box):
    path = box.recipe(steps=30)
    for ranks in (1, 2):  # with one, no launcher stands between; the rest with two
        command = (box.mpirun(2) if ranks == 2 else []) + [box.stemma, "train", path, "--fresh"]
        text = on_terminal(box, command)
        assert "\r" in text and "\x1b[K" in text and "30/30" in text, text
        bars = [bar for bar in re.split(r"[\r\n]+", text) if " loss " in bar]
        assert bars and all(len(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", b)) <= 100 for b in bars), bars
        box.clear()
    piped = box.run(command).expect(0, "step 30/30")
    box.clear()
    log = box.dir / "job.log"
    with log.open("w") as file:
        subprocess.run(command, cwd=box.dir, env=box.environment(), stdout=file, check=True)
    for plain in (piped.text, log.read_text()):
        assert "\r" not in plain and "\x1b" not in plain and "step 30/30" in plain, plain


def test_every_rank_keeps_a_log_of_each_incarnation(box):
    path = box.recipe(steps=20)
    box.train(path).expect(0)
    logs = box.dir / "stemma-runs" / "r" / "inc-0001" / "logs"
    for rank in range(2):
        lines = (logs / ("rank-%d.log" % rank)).read_text().splitlines()
        assert all(" r%02d " % rank in line for line in lines), lines
        assert " begins run=r incarnation=1 ranks=2 " in lines[0], lines
        assert any(" step=20 step done loss=" in line for line in lines), lines
        assert any("saved r@20" in line for line in lines), lines
        assert lines[-1].endswith("ends exit_code=0 cause=done"), lines


def test_stop_file(box):
    stop = box.dir / "stemma-runs" / "r" / "STOP"
    path, _ = stops(box, lambda p: stop.touch(), 75, "the file STOP", "saved r@")
    box.train(path).expect(0, "STOP found")
    stop.unlink()


def test_save_file_and_sigusr2_capture_and_go_on(box):
    path = box.recipe(steps=100000, every=0)
    process = box.start(box.train_command(path))
    assert box.wait_for_step(5, process)
    (box.dir / "stemma-runs" / "r" / "SAVE").touch()
    reached = max(box.losses())
    assert box.wait_for_step(reached + 10, process)
    box.kill_rank(process, 1, signal.SIGUSR2)
    reached = max(box.losses())
    assert box.wait_for_step(reached + 10, process)
    box.kill_rank(process, 0, signal.SIGUSR1)
    done = box.finish(process).expect(75)
    assert done.text.count("saved r@") >= 3, done.text  # SAVE, SIGUSR2, the stop


def states_of(box, run):
    lines = box.say("log", "--json").expect(0).text.splitlines()
    found = [json.loads(line) for line in lines]
    return sorted((s for s in found if s["run"] == run), key=lambda s: s["step"])


def test_captures_by_a_budget_change_no_bit(box):
    path, whole = reference(box)
    arguments = (path, "--set", "lineage.every=1", "--set", "lineage.every_max=8",
                 "--set", "lineage.budget=5%", "--set", "run.name=paced")
    process = box.start(box.train_command(*arguments))
    assert box.wait_for_step(24, process, "paced")
    box.kill_rank(process)
    box.finish(process)
    box.train(*arguments).expect(0, "continuing paced from", "every 1 steps to 8, by 5%")
    assert box.losses("paced") == whole
    identical(box, "r@40", "paced@40")
    states = states_of(box, "paced")
    assert states[0]["step"] == 1, states
    for before, state in zip(states, states[1:]):
        interval = before["attributes"]["lineage.every"]
        assert 1 <= interval <= 8, before
        if state["reason"] == "periodic":
            assert state["step"] - before["step"] == interval, (before, state)
    box.train(path, "--set", "lineage.budget=1").expect(2, "lineage.budget", "1%")


def test_a_run_prunes_what_its_rules_let_go_of(box):
    keep = (box.recipe(steps=2000), "--set", "lineage.keep=last 2, every 20",
            "--set", "lineage.critical=signal, requested")
    for least in (32, 50):
        process = box.start(box.train_command(*keep))
        assert box.wait_for_step(least, process)
        box.kill_rank(process, 0, signal.SIGUSR1)
        box.finish(process).expect(75, "(kept: last 2, every 20)", "marked pruned; `stemma gc")
        states = states_of(box, "r")
        assert states[-1]["attributes"]["stemma.critical"] is True, states[-1]
        wanted = {s["step"] for s in states[-2:]} | {5}  # the first one at or after 0
        wanted |= {s["step"] for s in states if s["reason"] == "signal" or s["step"] % 20 == 0}
        assert {s["step"] for s in states if not s["pruned"]} == wanted, (wanted, states)
    box.say("fork", "r@10", "--name", "late").expect(1, "pruned")
    box.say("fork", "r@20", "--name", "early").expect(0)
    box.say("gc", "--apply", "--grace=0.01s").expect(0, "freed")
    box.say("fsck", "--read-data").expect(0)


def test_killed_in_each_phase_and_always_goes_on(box):
    path, whole = reference(box, steps=30, every=2)
    name = "phases"
    arguments = (path, "--set", "run.name=" + name)
    for tenths in range(1, 20, 2):
        process = box.start(box.train_command(*arguments))
        time.sleep(tenths / 10)
        for rank in box.engines(process)[:1 + tenths % 2]:
            os.kill(rank, signal.SIGKILL)
        box.finish(process)
    box.train(*arguments).expect(0)
    assert box.losses(name) == whole
    identical(box, "r@30", name + "@30")
    box.say("fsck", "--read-data").expect(0)


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
