"""Runs the real programs as people do: stemma under mpirun, in a folder of its own.

A test is a function `test_...(box)`; main() runs each in a fresh Box and prints one line for it. A
check that fails raises AssertionError with what the program printed.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# A small AI-GW: the same network and data on a short, coarse window, so that a step takes
# milliseconds. `lineage.writer_bytes_min` makes both ranks write.
RECIPE = """
run.name = "r"
train.length = "{steps}step"
train.global_batch = {batch}
train.stop_check_s = 0
aigw.t_from = -72.0
aigw.t_to = 56.0
aigw.dt = 2.0
aigw.last = 16
aigw.train_size = 4096
optim.lr = 0.005
optim.schedule = "warmup_linear"
optim.warmup_steps = 5
lineage.every = {every}
lineage.writer_bytes_min = 65536
lineage.verify_fence = true
device.threads = 1
"""


class Done:
    def __init__(self, code, text):
        self.code, self.text = code, text

    def expect(self, code, *words):
        """Checks the exit code and that each word was printed; returns self."""
        assert self.code == code, "exit code %d, expected %d:\n%s" % (self.code, code, self.text)
        for word in words:
            assert word in self.text, "'%s' was not printed:\n%s" % (word, self.text)
        return self


class Box:
    """A folder with a recipe, a store and run folders."""

    def __init__(self, programs, folder):
        self.programs, self.dir = pathlib.Path(programs), pathlib.Path(folder)
        self.stemma = str(self.programs / "stemma")
        self.most_ranks = 1  # that were started together
        self.tmp = tempfile.mkdtemp(prefix="stemma.", dir="/tmp")  # short: sockets bind in it

    def close(self):
        shutil.rmtree(self.tmp, ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def clear(self):
        """Forgets the runs and the store."""
        for name in ("stemma-runs", "stemma-store"):
            shutil.rmtree(self.dir / name, ignore_errors=True)

    def recipe(self, name="r.toml", steps=40, batch=8, every=5, extra=""):
        path = self.dir / name
        path.write_text(RECIPE.format(steps=steps, batch=batch, every=every) + extra)
        return str(path)

    def mpirun(self, ranks):
        self.most_ranks = max(self.most_ranks, ranks)
        return ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "btl", "self,vader",
                "--mca", "btl_vader_single_copy_mechanism", "none",
                "--mca", "btl_vader_backing_directory", self.tmp, "-n", str(ranks)]

    def environment(self, extra=None):
        env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   TMPDIR=self.tmp, OMP_NUM_THREADS="1", LC_ALL="C")
        return dict(env, **(extra or {}))

    def start(self, command, env=None):
        return subprocess.Popen(command, cwd=self.dir, env=self.environment(env), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command, env=None, limit=120):
        process = self.start(command, env)
        return self.finish(process, limit)

    def finish(self, process, limit=120):
        try:
            text, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
            raise AssertionError("no end after %d s:\n%s" % (limit, text))
        return Done(process.returncode, text)

    def train_command(self, *arguments, ranks=2):
        launch = [] if ranks is None else self.mpirun(ranks)
        return launch + [self.stemma, "train", *arguments, "--progress=lines"]

    def train(self, *arguments, ranks=2, env=None):
        return self.run(self.train_command(*arguments, ranks=ranks), env)

    def say(self, *arguments):
        """A reading verb."""
        return self.run([self.stemma, *arguments])

    def metrics_path(self, run="r"):
        return self.dir / "stemma-runs" / run / "metrics.jsonl"

    def losses(self, run="r"):
        """step -> the loss as printed, 17 digits: comparing text compares bits."""
        steps = {}
        for line in self.metrics_path(run).read_text().splitlines():
            try:
                row = json.loads(line, parse_float=str)
            except ValueError:
                continue  # the torn last line of a killed process
            if row.get("event") == "continue":
                steps = {s: v for s, v in steps.items() if s <= row["from_step"]}
            elif "step" in row:
                steps[row["step"]] = row["loss"]
        return steps

    def wait_for_step(self, step, process, run="r", limit=60):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if process.poll() is not None:
                return False
            if self.metrics_path(run).exists() and max(self.losses(run), default=0) >= step:
                return True
            time.sleep(0.02)
        raise AssertionError("step %d was not reached in %d s" % (step, limit))

    def wait_for_state(self, state, process, *words, limit=60):
        """Whether it is durable while `process` still runs."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if process.poll() is not None:
                return False
            if self.say("show", state, *words).code == 0:
                return True
            time.sleep(0.02)
        raise AssertionError("%s was not saved in %d s" % (state, limit))

    def engines(self, launcher):
        """Process ids of the ranks below `launcher`."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                name = os.readlink(entry / "exe")
            except OSError:
                continue
            if int(fields[1]) == launcher.pid and name.endswith("stemma-engine"):
                found.append(int(entry.name))
        return sorted(found)

    def kill_rank(self, launcher, index=-1, number=signal.SIGKILL):
        ranks = self.engines(launcher)
        assert ranks, "no rank is running"
        os.kill(ranks[index], number)


def main(tests):
    programs, wanted = pathlib.Path(sys.argv[1]).resolve().parent, sys.argv[2:]
    base = os.environ.get("TEST_TMPDIR") or tempfile.mkdtemp()
    failed = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        folder = pathlib.Path(base) / test.__name__
        folder.mkdir(parents=True)
        box = Box(programs, folder)
        begin = time.monotonic()
        try:
            test(box)
            verdict = "ok"
        except AssertionError as error:
            failed += 1
            verdict = "FAILED: %s" % error
        finally:
            box.close()
        print("%-55s %5.1f s  %s" % (test.__name__, time.monotonic() - begin, verdict), flush=True)
        row = re.match(r"(?:test_)?(conformance_(\d\d)_\w+)", test.__name__)
        if row:  # for the table of conformance rows
            print("conformance row %s %s node-shared %d %s" %
                  (row[2], row[1], box.most_ranks, "pass" if verdict == "ok" else "fail"))
    print("%d failed" % failed)
    return 1 if failed else 0
