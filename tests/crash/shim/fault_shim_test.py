"""Rows 9, 10, 21 and 23 of the failure matrix on the real programs: a full disk, an fsync that
fails, a file system with fewer abilities and an append that stops half-way, at the n-th call for
every n. What was acknowledged stays, what was not is absent or whole, exit codes are right, and a
message names what failed, where and why.

    fault_shim_test.py STEMMA TOY_WORKER SHIM [TEST...]
"""

import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TEXT = {"ENOSPC": "No space left on device", "EDQUOT": "Disk quota exceeded",
        "EIO": "Input/output error", "EXDEV": "Invalid cross-device link",
        "EROFS": "Read-only file system", "EACCES": "Permission denied"}


class Done:
    def __init__(self, code, text, fired):
        self.code, self.text, self.fired = code, text, fired

    def check(self, good, what):
        assert good, "%s; exit code %d; fired: %s\n%s" % (what, self.code, self.fired, self.text)

    def expect(self, code, *words):
        self.check(self.code == code, "expected exit code %d" % code)
        for word in words:
            self.check(word in self.text, "'%s' was not said" % word)
        return self

    def said(self, word):
        """[(step, rest)] of the lines that begin with `word`."""
        found = re.findall(r"^%s (\d+) (.*)$" % word, self.text, flags=re.M)
        return [(int(step), rest) for step, rest in found]


class Box:
    def __init__(self, folder, stemma, worker, shim):
        self.dir = pathlib.Path(folder)
        self.stemma, self.worker, self.shim = stemma, worker, shim
        self.store = self.dir / "store"
        self.promised = {}  # id -> step
        self.runs = 0

    def run(self, command, call="", path="", nth=1, error="EIO"):
        """Runs it, with the fault if `call` names one."""
        log = self.dir / "fired"
        log.unlink(missing_ok=True)
        env = dict(os.environ, LC_ALL="C")
        if call:
            env.update(LD_PRELOAD=self.shim, STEMMA_FAULT_CALL=call, STEMMA_FAULT_PATH=path,
                       STEMMA_FAULT_NTH=str(nth), STEMMA_FAULT_ERROR=error,
                       STEMMA_FAULT_LOG=str(log))
        done = subprocess.run([str(word) for word in command], cwd=self.dir, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.runs += 1
        fired = log.read_text().splitlines() if log.exists() else []
        return Done(done.returncode, done.stdout, fired)

    def toy(self, steps=2, ranks=1, policy="stop", **fault):
        done = self.run([self.worker, self.store, steps, ranks, policy], **fault)
        for step, state in done.said("durable"):
            self.promised[state] = step
        for step, _ in done.said("restored"):
            done.check(step >= max(self.promised.values(), default=0) or done.said("durable"),
                       "went back behind what was acknowledged")
        done.check(done.code != 3, "wrong bits")
        return done

    def say(self, *words, **fault):
        return self.run([self.stemma, *words, "--store", self.store], **fault)

    def check(self):
        """All that was promised is there, and every byte of the store is what was written."""
        self.say("fsck", "--read-data").expect(0)
        there = {s["id"]: s["step"] for s in self.states()}
        for state, step in self.promised.items():
            assert there.get(state) == step, "step %d, %s, is lost" % (step, state)

    def states(self):
        lines = self.say("log", "--json").expect(0).text.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def every_call(run, least=1):
    """run(n) for n = 1, 2, ... until it did not fire; yields what each did."""
    for nth in itertools.count(1):
        done = run(nth)
        if not done.fired:
            assert nth > least, "only %d calls matched:\n%s" % (nth - 1, done.text)
            return
        yield nth, done


def names_the_cause(done, error):
    done.check(TEXT[error] in done.text, "the message does not say why")
    done.check("store" in done.text, "the message does not say where")


def test_row_9_a_full_disk_stops_the_job_and_loses_nothing(box):
    box.toy().expect(0)
    for call, error in [("write", "ENOSPC"), ("write", "EDQUOT"), ("fallocate", "ENOSPC"),
                        ("fdatasync", "ENOSPC"), ("create", "EDQUOT"), ("mkdir", "ENOSPC")]:
        for _, done in every_call(lambda n: box.toy(call=call, path="/store/", nth=n, error=error)):
            if done.code != 0:
                done.expect(1)
                names_the_cause(done, error)
        box.check()
    box.toy().expect(0)
    box.check()


def test_row_9_a_full_disk_costs_captures_and_not_the_job_where_that_is_asked_for(box):
    box.toy(ranks=2).expect(0)
    done = box.toy(6, 2, "continue", call="write", path="/store/tmp/", nth=2, error="ENOSPC")
    done.expect(0)
    done.check(len(done.fired) == 2, "once in each of two ranks")
    done.check(1 <= len(done.said("missed")) <= 2, "a capture is missed, and the next are not")
    done.check(TEXT["ENOSPC"] in done.said("missed")[0][1], "and it is said why")
    done.check(len(done.said("durable")) + len(done.said("missed")) == 6, "each had its end")
    full = box.toy(20, 2, "continue", call="write,fallocate", path="/store/tmp/",
                   error="ENOSPC,...")
    full.expect(1, TEXT["ENOSPC"])  # too many in a row
    box.toy(ranks=2).expect(0)
    box.check()


def test_row_10_a_failed_fsync_is_not_trusted_and_not_tried_again(box):
    box.toy().expect(0)
    for call in ("fdatasync", "fsync"):
        for nth, done in every_call(lambda n: box.toy(call=call, path="/store", nth=n)):
            if done.code != 0:
                done.expect(1)
                names_the_cause(done, "EIO")
            if nth % 3 == 0:
                box.check()
    pack = box.toy(call="fdatasync", path="/store/tmp/").expect(0)  # written again, to a new file
    pack.check(len(pack.said("durable")) == 2, "no capture is lost by one failed fsync")
    lost = box.toy(call="fdatasync", path="/store/tmp/", error="EIO,...").expect(1)
    lost.check(not lost.said("durable"), "nothing is durable where no sync succeeds")
    names_the_cause(lost, "EIO")
    box.check()


FEWER = [("link,lock,append", "EPERM"), ("direct", "EINVAL"), ("fallocate", "EOPNOTSUPP"),
         ("write", "SHORT")]


def test_row_21_a_file_system_with_fewer_abilities_is_enough(box):
    for call, error in FEWER:
        shutil.rmtree(box.store, ignore_errors=True)
        box.promised = {}
        fault = dict(call=call, path="/store", error=error + ",...")
        for ranks in (1, 2):
            done = box.toy(2, ranks, **fault).expect(0)
            done.check(len(done.said("durable")) == 2, "both captures are durable")
            needless = call.startswith("link")
            done.check(bool(done.fired) != needless, "no links, locks and O_APPEND are asked for")
        for words in (["tag", "best", "toy@1"], ["fork", "toy@1", "--name", "f"],
                      ["annotate", "toy@2", "k=v"], ["prune", "toy@2", "--apply"],
                      ["gc", "--apply", "--grace", "0s"]):
            box.say(*words, **fault).expect(0)
        box.check()


def test_row_21_a_store_is_refused_where_files_cannot_be_renamed(box):
    done = box.toy(call="rename", path="/objects/", error="EXDEV,...").expect(1)
    done.expect(1, "no store can be at", "cannot be renamed", TEXT["EXDEV"])
    box.toy().expect(0)  # the folder it leaves is ours to use
    for call, error in [("rename", "EXDEV"), ("mkdir", "EROFS"), ("create", "EACCES")]:
        for nth, done in every_call(
                lambda n: box.toy(1, call=call, path="/store/", nth=n, error=error)):
            if done.code != 0:
                done.expect(1)
                names_the_cause(done, error)
        box.check()


def test_row_23_an_append_that_stops_half_way_is_repeated_elsewhere(box):
    box.toy().expect(0)
    repeated = 0
    for nth, done in every_call(lambda n: box.toy(call="write", path=".seg", nth=n,
                                                  error="SHORT,EIO")):
        if nth == 1:  # the header of a log in which there is nothing yet
            names_the_cause(done.expect(1), "EIO")
            continue
        done.expect(0)
        done.check(len(done.said("durable")) == 2, "no capture is lost by it")
        segments = sorted(box.store.glob("runs/*/inc-%04d/log.*.seg" % (nth + 1)))
        repeated += len(segments) == 2
        if nth % 3 == 0:
            box.check()
    assert repeated >= 3, "open, two states and close go on in a second segment"
    box.check()


def test_verbs_do_all_or_nothing(box):
    box.toy(4).expect(0)
    box.say("tag", "best", "toy@1").expect(0)
    count = itertools.count()
    verbs = {  # what to say, and what is then true
        "tag": (lambda k: ["tag", "best", "toy@%d" % (k % 4 + 1)],
                lambda k, all: "best" in all[k % 4]["tags"]),
        "annotate": (lambda k: ["annotate", "toy@1", "n%d=%d" % (k, k)],
                     lambda k, all: "n%d" % k in json.dumps(all[0])),
        "fork": (lambda k: ["fork", "toy@2", "--name", "f%d" % k],
                 lambda k, all: any(s["run"] == "f%d" % k for s in all)),
    }
    for words, holds in verbs.values():
        for call, error in [("write", "ENOSPC"), ("fdatasync,fsync", "EIO"), ("rename", "EIO"),
                            ("mkdir,create", "EDQUOT")]:
            def one(nth):
                k = one.k = next(count)
                return box.say(*words(k), call=call, path="/store", nth=nth, error=error)
            for nth, done in every_call(one, least=0):  # a note needs no rename
                states = sorted(box.states(), key=lambda s: (s["run"] != "toy", s["step"]))
                if done.code == 0:
                    done.check(holds(one.k, states), "it said it was done")
                else:
                    done.expect(1)
                    names_the_cause(done, error)
                if nth % 4 == 0:
                    box.check()
        box.check()


def main(arguments):
    stemma, worker, shim = (str(pathlib.Path(path).resolve()) for path in arguments[:3])
    base, failed = os.environ.get("TEST_TMPDIR") or tempfile.mkdtemp(), 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or (arguments[3:] and name not in arguments[3:]):
            continue
        box = Box(tempfile.mkdtemp(dir=base), stemma, worker, shim)
        begin, verdict = time.monotonic(), "ok"
        try:
            test(box)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failed, verdict = failed + 1, "FAILED: %s" % error
        shutil.rmtree(box.dir, ignore_errors=True)
        print("%-80s %4d runs %5.1f s  %s" % (name, box.runs, time.monotonic() - begin, verdict),
              flush=True)
    print("%d failed" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
