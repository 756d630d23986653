"""What people see when one rank dies, stops, loops or throws: one screen that names it, printed
once over all ranks, an error.json, and an end within seconds.

The limits are short by settings, but not so short that the start of a training on a busy machine
passes them; nothing here depends on how fast a step is.
"""

import json
import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402

SHORT = ("--set", "diagnose.warn_s=2", "--set", "diagnose.abort_s=10")


def stuck_command(box, what, phase, rank, step, *arguments, ranks=2):
    program = box.programs.parent.parent / "tests" / "crash" / "stuck_training"
    path = box.recipe(steps=12, every=5)
    return box.mpirun(ranks) + [str(program), what, phase, str(rank), str(step), path,
                                "--progress=lines", *arguments]


def stuck(box, *arguments, **options):
    """Runs to the end; adds how long after the strike that was."""
    done = box.run(stuck_command(box, *arguments, **options))
    struck = re.search(r"strikes at ([0-9.]+)", done.text)
    assert struck, done.text
    done.after_s = time.monotonic() - float(struck.group(1))
    return done


def folder(box, run="r"):
    return box.dir / "stemma-runs" / run / "inc-0001"


def error_of(box):
    return json.loads((folder(box) / "error.json").read_text())


def check_once(done, code, *words):
    assert done.code == code, "exit %d, expected %d:\n%s" % (done.code, code, done.text)
    for word in words:
        assert word in done.text, "'%s' is missing in:\n%s" % (word, done.text)
    assert done.text.count("the job ends, exit 75") == 1, done.text


def hangs(box, what, phase, rank, cause, doing):
    done = stuck(box, what, phase, rank, 6, *SHORT)
    check_once(done, 75, "warning: no progress for", "no progress for 10 s at step 6", doing,
               "likely cause: " + cause, "last finished step 5")
    after = done.text[done.text.index("strikes at"):]  # a slow start may have been warned about
    assert after.count("warning: no progress") == 1, done.text
    error = error_of(box)
    assert error["code"] == "hang" and error["rank"] == rank and error["step"] == 5, error
    assert error["phase"] == phase and error["cause"].startswith(cause), error
    for each in (0, 1):
        flight = json.loads((folder(box) / "logs" / ("flight.%d.json" % each)).read_text())
        assert flight["rank"] == each and flight["finished_step"] == 5, flight
        assert flight["phases"] and flight["calls"], flight


def conformance_70_one_rank_sleeps_in_its_input(box):
    hangs(box, "loop", "data", 1, "rank 1's input", "in data.Next()")


def conformance_70_rank_0_loops_in_forward(box):
    hangs(box, "loop", "forward", 0, "rank 0's forward pass", "in forward")


def conformance_70_one_rank_is_stopped(box):
    hangs(box, "stop", "backward", 0, "rank 0 is stopped", "is stopped (SIGSTOP or a debugger)")


def conformance_70_one_rank_hangs_before_its_first_step(box):
    done = stuck(box, "loop", "start", 1, 0, *SHORT)
    check_once(done, 75, "no progress for", "starting, before its first step")


def conformance_70_a_limit_of_0_is_never(box):
    process = box.start(stuck_command(box, "loop", "data", 1, 3, "--set", "diagnose.warn_s=0.5",
                                      "--set", "diagnose.abort_s=0"))
    time.sleep(8)
    assert process.poll() is None, process.communicate()
    process.terminate()
    done = box.finish(process)
    assert "warning: no progress" in done.text and "the job ends" not in done.text, done.text


def killed(box, phase, rank):
    step = 0 if phase in ("launch", "start") else 13 if phase == "end" else 6
    done = stuck(box, "kill", phase, rank, step)
    assert done.code not in (0, 1), done.text
    assert done.after_s < 10, "%.1f s after the kill:\n%s" % (done.after_s, done.text)
    return done


def conformance_71_killed_at_launch(box):
    killed(box, "launch", 1)


def conformance_71_killed_in_every_phase(box):
    for phase in ("start", "data", "forward", "backward", "wait", "optimizer", "control",
                  "capture", "end"):
        for rank in (0, 1):
            done = killed(box, phase, rank)
            name = "%s of rank %d:\n%s" % (phase, rank, done.text)
            assert done.text.count("likely cause: rank %d is gone" % rank) == 1, name
            assert done.text.count("the job ends") == 1, name
            for word in ("stopped by", "not saved", "ends the job:"):
                assert word not in done.text, name
            box.clear()


def conformance_71_killed_among_four(box):
    done = stuck(box, "kill", "backward", 2, 5, ranks=4)
    check_once(done, done.code, "likely cause: rank 2 is gone")
    assert error_of(box)["rank"] == 2 and error_of(box)["code"] == "peer lost"
    assert done.after_s < 10, done.text


def conformance_71_one_rank_throws(box):
    done = box.run(stuck_command(box, "throw", "none", 1, 6))
    assert done.code == 1, done.text
    assert done.text.count("rank 1 failed: step 6: the planned failure") == 1, done.text
    assert "is gone" not in done.text, done.text
    error = error_of(box)
    assert "the planned failure" in error["cause"], error
    assert error["rank"] == 1 and error["step"] == 5, error  # written by the rank that failed


def conformance_72_sigterm_on_any_rank_stops_all_at_a_common_step(box):
    for rank in (0, 1):
        path = box.recipe(steps=100000, every=0)
        process = box.start(box.train_command(path))
        assert box.wait_for_step(5, process)
        box.kill_rank(process, rank, signal.SIGTERM)
        done = box.finish(process).expect(75, "stopped by", "saved r@", "run the same command")
        box.say("show", "r@").expect(0, "r@%d" % max(box.losses()))
        assert "is gone" not in done.text, done.text
        box.clear()


def conformance_86_sigterm_after_a_peer_died_saves_nothing(box):
    path = box.recipe(steps=100000, every=0)
    process = box.start(box.train_command(path))
    assert box.wait_for_step(5, process)
    first, last = box.engines(process)[0], box.engines(process)[-1]
    os.kill(last, signal.SIGKILL)
    try:
        os.kill(first, signal.SIGTERM)  # as the launcher does a second later
    except ProcessLookupError:
        pass
    done = box.finish(process)
    assert done.code not in (0, 75, 1), done.text
    assert done.text.count("is gone") >= 1 and done.text.count("likely cause") == 1, done.text
    for word in ("saved r@", "stopped by"):
        assert word not in done.text, done.text
    assert "r@" not in box.say("log").text


def trace_of(box, rank, run="r"):
    return json.loads((folder(box, run) / "logs" / ("trace.%d.json" % rank)).read_text())


def spans(events):
    return {e["name"] for e in events if e["ph"] == "X"}


def conformance_73_tracing_changes_no_result(box):
    path = box.recipe(steps=20)
    box.train(path).expect(0)
    box.train(path, "--set", "run.name=traced", "--set", "diagnose.trace=on").expect(0)
    assert box.losses("traced") == box.losses("r")
    box.say("diff", "r@20", "traced@20").expect(0, "identical")
    assert not list((folder(box) / "logs").glob("trace*"))
    for rank in (0, 1):
        events = trace_of(box, rank, "traced")
        assert {"data", "forward", "backward", "wait", "optimizer", "control",
                "capture"} <= spans(events), spans(events)
        assert {e["args"]["step"] for e in events if e["name"] == "forward"} >= set(range(1, 21))
        begun = [e["id"] for e in events if e["ph"] == "b" and e["name"].startswith("bucket")]
        ended = [e["id"] for e in events if e["ph"] == "e"]
        assert len(begun) >= 20 and set(begun) <= set(ended), (begun, ended)
    box.say("trace", "traced").expect(0, "trace.json", "of 2 ranks")
    merged = json.loads((box.dir / "stemma-runs" / "traced" / "trace.json").read_text())
    assert {e["pid"] for e in merged} == {0, 1}
    assert len(merged) == sum(len(trace_of(box, rank, "traced")) for rank in (0, 1))


def conformance_73_switched_on_at_run_time_and_whole_after_a_kill(box):
    path = box.recipe(steps=100000)
    process = box.start(box.train_command(path))
    assert box.wait_for_step(5, process)
    (box.dir / "stemma-runs" / "r" / "TRACE").touch()
    begin = max(box.losses())
    assert box.wait_for_step(begin + 300, process)
    box.kill_rank(process, 1)
    box.finish(process)
    first = [min(e["args"]["step"] for e in trace_of(box, rank) if e["name"] == "forward")
             for rank in (0, 1)]
    assert first[0] == first[1] and first[0] > begin, (begin, first)


def test_the_slowest_rank_is_in_the_metrics(box):
    box.train(box.recipe(steps=6)).expect(0)
    rows = [json.loads(line) for line in box.metrics_path().read_text().splitlines()]
    steps = [row for row in rows if "step_s" in row]
    assert len(steps) == 6
    for row in steps:
        assert row["slowest_rank"] in (0, 1) and 0 <= row["slowest_late_s"] <= row["step_s"], row


def test_sigquit_tells_and_goes_on(box):
    path = box.recipe(steps=100000)
    process = box.start(box.train_command(path))
    assert box.wait_for_step(5, process)
    box.kill_rank(process, 1, signal.SIGQUIT)
    assert box.wait_for_step(max(box.losses()) + 200, process)
    box.kill_rank(process, 0, signal.SIGUSR1)
    done = box.finish(process).expect(75, "SIGQUIT: where the ranks are")
    assert "the job ends" not in done.text, done.text


def test_nothing_is_left_in_shared_memory(box):
    before = set(os.listdir("/dev/shm"))
    killed(box, "backward", 1)
    left = [n for n in set(os.listdir("/dev/shm")) - before if n.startswith("stemma-")]
    assert not left, left


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items())
                           if name.startswith(("test_", "conformance_"))]))
