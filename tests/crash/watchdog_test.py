"""The World and its watchdog from outside: a small loop of calls in which one rank dies, stops or
loops. What a person sees, how often, with which exit code, and what lies in the folder."""

import json
import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402


def command(box, what, phase, rank, step, warn=1, abort=3, ranks=2):
    (box.dir / "out").mkdir(exist_ok=True)
    return box.mpirun(ranks) + [str(box.programs / "stuck_loop"), what, phase, str(rank), str(step),
                                str(warn), str(abort), str(box.dir / "out")]


def run(box, *arguments, env=None, **options):
    done = box.run(command(box, *arguments, **options), env=env, limit=60)
    struck = re.search(r"strikes at ([0-9.]+)", done.text)
    done.after_s = time.monotonic() - float(struck.group(1)) if struck else 0
    return done


def once(done, *words):
    for word in words:
        assert word in done.text, "'%s' is missing in:\n%s" % (word, done.text)
    assert done.text.count("the job ends, exit 75") == 1, done.text
    assert "ends the job:" not in done.text, done.text
    return done


def error_of(box):
    return json.loads((box.dir / "out" / "error.json").read_text())


def test_nothing_is_said_when_nothing_is_wrong(box):
    done = run(box, "none", "none", 0, 0)
    assert done.code == 0 and done.text.strip() == "", done.text


def conformance_70_a_rank_that_sleeps_is_named_and_the_job_ends(box):
    done = once(run(box, "loop", "data", 1, 5), "warning: no progress for 1 s at step 5",
                "no progress for 3 s at step 5", "last finished step 4, in data.Next() since",
                "likely cause: rank 1's input", "which the others wait for")
    assert done.code == 75, done.text
    assert done.text[done.text.index("strikes at"):].count("warning: no progress") == 1, done.text
    error = error_of(box)
    assert (error["code"], error["rank"], error["step"], error["phase"]) == ("hang", 1, 4, "data")
    for rank in (0, 1):
        flight = json.loads((box.dir / "out/logs" / ("flight.%d.json" % rank)).read_text())
        assert flight["rank"] == rank and flight["finished_step"] == 4, flight
    waiting = json.loads((box.dir / "out/logs/flight.0.json").read_text())["calls"][-1]
    assert waiting["state"] == "under way" and waiting["what"] == "bucket 0 (a .. b)", waiting


def conformance_70_a_stopped_rank_0_is_named_by_another(box):
    done = once(run(box, "stop", "optimizer", 0, 3), "rank 0 is stopped",
                "is stopped (SIGSTOP or a debugger), in the optimizer")
    assert done.code == 75 and error_of(box)["rank"] == 0, done.text


def conformance_70_before_the_first_step(box):
    once(run(box, "loop", "start", 0, 0), "likely cause: rank 0's start-up",
         "starting, before its first step")


def conformance_70_all_ranks_busy_says_which_setting_to_raise(box):
    once(run(box, "loop", "data", 0, 4, ranks=1), "a long step or a loop without end",
         "raise diagnose.abort_s (0: never)")


def conformance_70_the_node_with_the_late_rank_speaks(box):
    done = run(box, "loop", "data", 1, 5, env={"STUCK_NODES": "1"})
    assert "likely cause: rank 1 in data.Next(): no rank of this node waits" in done.text, done.text
    assert done.text.count("the job ends, exit 75") == 1, done.text
    assert done.code == 75 and error_of(box)["rank"] == 1, done.text


def conformance_70_who_waits_in_a_group_is_not_to_blame(box):
    done = once(run(box, "loop", "group", 2, 3, ranks=3), "likely cause: rank 2's forward pass",
                "rank {1}  waits in barrier of a group of 2, the split head")
    assert done.code == 75 and error_of(box)["rank"] == 2, done.text


def test_a_disk_that_does_not_answer_keeps_no_job_alive(box):
    (box.dir / "out" / "logs").mkdir(parents=True)
    os.mkfifo(box.dir / "out" / "logs" / "flight.0.json")  # nobody reads: opening it never returns
    done = run(box, "loop", "data", 0, 4, ranks=1)
    assert done.code == 75, done.text
    assert "the reports could not be written within 10 s" in done.text, done.text


def conformance_70_0_is_never(box):
    process = box.start(command(box, "loop", "data", 1, 3, warn=0.5, abort=0))
    time.sleep(6)
    assert process.poll() is None, process.communicate()
    assert not (box.dir / "out" / "error.json").exists(), "nobody has called it a hang"
    process.terminate()  # by the launcher, rank after rank: one may see the other gone
    done = box.finish(process)
    assert "warning: no progress" in done.text, done.text
    assert "no progress for" not in done.text.replace("warning: no progress for", ""), done.text


def conformance_71_killed_in_every_phase(box):
    for phase in ("start", "data", "backward", "wait", "optimizer", "control", "end"):
        for rank in (0, 1):
            done = once(run(box, "kill", phase, rank, 4, warn=30, abort=120),
                        "likely cause: rank %d is gone" % rank)
            assert done.code == 137 or done.code == 75, done.text
            assert done.after_s < 10, done.text
            (box.dir / "out" / "error.json").unlink()


def conformance_71_killed_among_four(box):
    done = once(run(box, "kill", "backward", 2, 4, ranks=4), "likely cause: rank 2 is gone")
    assert done.after_s < 10, done.text
    error = error_of(box)
    assert error["rank"] == 2 and error["code"] == "peer lost" and error["pid"] > 0, error
    flight = json.loads((box.dir / "out/logs/flight.2.json").read_text())
    assert flight["phase"] == "backward" and flight["finished_step"] == 3, flight


def test_a_rank_that_never_comes_is_named(box):
    done = run(box, "loop", "launch", 1, 0)
    assert done.code == 75, done.text
    assert done.text.count("MPI_Init did not return") == 1, done.text
    assert "arrived on this host: ranks {0}, 1 of 2 are missing: ranks {1}" in done.text, done.text


def test_sigquit_prints_the_verdict_and_goes_on(box):
    process = box.start(command(box, "loop", "wait", 0, 2, warn=2, abort=8))
    time.sleep(3)
    ranks = [int(e.name) for e in pathlib.Path("/proc").iterdir() if e.name.isdigit()
             and b"stuck_loop" in read(e / "cmdline").split(b"\0")[0]
             and int(read(e / "stat").rsplit(b")", 1)[1].split()[1]) == process.pid]
    assert len(ranks) == 2, ranks
    os.kill(ranks[0], signal.SIGQUIT)
    once(box.finish(process), "SIGQUIT: where the ranks are at step")


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b")0 0 0"


def test_nothing_is_left_in_shared_memory(box):
    before = set(os.listdir("/dev/shm"))
    run(box, "kill", "backward", 1, 4)
    left = [n for n in set(os.listdir("/dev/shm")) - before if n.startswith("stemma-")]
    assert not left, left


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items())
                           if name.startswith(("test_", "conformance_"))]))
