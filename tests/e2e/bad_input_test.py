"""What people and machines get wrong: each must end on all ranks with the documented exit code and
a message that names what, where and the way out."""

import json
import os
import pathlib
import re
import shutil
import signal
import sys

import harness


def refused(box, *words, code=2, extra="", sets=(), ranks=2):
    path = box.recipe(steps=6, extra=extra)
    sets = [word for one in sets for word in ("--set", one)]
    done = box.train(path, *sets, ranks=ranks)
    return done.expect(code, *words)


def test_unknown_setting(box):
    refused(box, "r.toml:", "optim.learning_rate", "optim.", extra="optim.learning_rate = 1\n")
    refused(box, "unknown setting 'optim.lrr'", "'optim.lr'", sets=["optim.lrr=1"])


def test_wrong_type_and_range(box):
    refused(box, "optim.weight_decay", extra='optim.weight_decay = "much"\n')
    refused(box, "train.seed", sets=["train.seed=-1"])
    refused(box, "optim.name", "lamb", sets=["optim.name=lam"])
    refused(box, "train.length", "400step", sets=["train.length=40"])


def test_missing_files(box):
    box.train("absent.toml").expect(2, "absent.toml")
    box.train("--run", "nobody").expect(1, "stemma-store")
    box.recipe(steps=6)
    box.train("r.toml", "--run", "fine").expect(0)
    box.train("--run", "nobody").expect(1, "nobody")


def test_batch_that_ranks_do_not_divide(box):
    refused(box, "global_batch", "9", ranks=3)
    refused(box, "is complete", code=0, ranks=3, sets=["train.global_batch=9"])


def test_folders_that_cannot_be_written(box):
    path = box.recipe(steps=6)
    (box.dir / "file").write_text("x")
    box.train(path, "--dir", "file/run").expect(1, "file/run", "--dir=DIR")
    box.train(path, "--store", "file/store").expect(1, "file/store")
    # Where not even root may make a folder.
    box.train(path, "--dir", "/proc/run").expect(1, "/proc/run", "--dir=DIR")
    box.train(path, "--store", "/proc/store").expect(1, "/proc/store")


def test_gpu_that_is_not_there(box):
    refused(box, "CUDA", "device.kind", sets=["device.kind=cuda"])


def test_unknown_backend(box):
    refused(box, "comm.backend", "mpi", sets=["comm.backend=gloo"])


def mpmd(box, first, second):
    one = box.mpirun(1)
    return box.run(one + first + [":", "-n", "1"] + second)


def test_ranks_with_different_recipes(box):
    a, b = box.recipe("a.toml"), box.recipe("b.toml", extra="optim.beta1 = 0.8\n")
    train = [box.stemma, "train"]
    done = mpmd(box, train + [a], train + [b])
    done.expect(1, "optim.beta1", "rank {1}", "0.8")


def test_ranks_with_different_programs(box):
    other = box.dir / "other"
    other.mkdir()
    for name in ("stemma", "stemma-engine"):
        shutil.copy(os.path.realpath(box.programs / name), other / name)
    with open(other / "stemma-engine", "ab") as program:
        program.write(b"another build")
    path = box.recipe()
    done = mpmd(box, [box.stemma, "train", path], [str(other / "stemma"), "train", path])
    done.expect(1, "program", "rank {1}")


def test_loss_that_becomes_nan(box):
    path = box.recipe(steps=40)
    done = box.train(path, "--set", "optim.name=sgd", "--set", "optim.lr=1e30")
    assert done.code == 1, done.text
    assert "not finite" in done.text and "step" in done.text, done.text
    error = box.dir / "stemma-runs" / "r" / "inc-0001" / "error.json"
    assert "not finite" in error.read_text()


def test_loss_that_becomes_nan_on_one_rank(box):
    """The second batch of 9 samples is one sample. Rank 0 has it; rank 1 adds a finite 0."""
    refused(box, "step 2: the loss is not finite on ranks {0}.", "last state: none", code=1,
            extra='train.last_batch = "short"\n',
            sets=["aigw.train_size=9", "optim.name=sgd", "optim.lr=1e30",
                  "optim.schedule=constant", "optim.warmup_steps=0"])


def test_gradient_that_overflows_under_a_finite_loss(box):
    """One step at a rate of 30 makes outputs and gradients of millions: nothing in f32, so the loss
    is finite, but more than fp16 holds (65504). The run has failed (1), the command was right."""
    done = refused(box, "the gradient of", "is not finite", "nothing was changed", code=1,
                   sets=["ops.compress=fp16", "optim.name=sgd", "optim.lr=30",
                         "optim.weight_decay=0", "optim.schedule=constant",
                         "optim.warmup_steps=0"])
    assert "the loss is not finite" not in done.text, done.text
    error = box.dir / "stemma-runs" / "r" / "inc-0001" / "error.json"
    assert json.loads(error.read_text())["code"] == "not finite", error.read_text()


def test_settings_that_changed(box):
    path = box.recipe(steps=10)
    box.train(path).expect(0)
    done = box.train(path, "--set", "optim.lr=0.1", "--set", "train.length=20step")
    done.expect(2, "optim.lr 0.005 -> 0.1", "stemma fork r@10 --name", "--set optim.lr=0.1")


def test_state_of_another_model(box):
    path = box.recipe(steps=10)
    box.train(path).expect(0)
    box.train(path, "--set", "aigw.last=32").expect(2, "aigw.last 16 -> 32")
    done = box.say("fork", "r@10", "--name", "bigger", "--set", "aigw.last=32")
    assert done.code != 0 and "aigw.last" in done.text, done.text


def pack_of_newest(box):
    """Of the newest state: a later pack may lie there whose state was not recorded any more."""
    state = json.loads(box.say("show", "r@", "--json").expect(0).text)
    return box.dir / state["packs"][-1]["path"]


def interrupted(box):
    """A run of 40 steps that was killed on its way, with several states."""
    path = box.recipe(steps=40)
    process = box.start(box.train_command(path))
    assert box.wait_for_state("r@15", process)
    box.kill_rank(process)
    box.finish(process)
    return path


def test_conformance_76_corrupted_pack_is_named(box):
    path = interrupted(box)
    newest = pack_of_newest(box)
    os.chmod(newest, 0o644)
    with open(newest, "r+b") as pack:
        pack.seek(newest.stat().st_size // 2)
        byte = pack.read(1)
        pack.seek(-1, os.SEEK_CUR)
        pack.write(bytes([byte[0] ^ 1]))
    box.say("fsck").expect(0)
    # The first restart finds it, on all ranks, and takes nothing in its place by itself.
    done = box.train(path)
    done.expect(75, newest.name[:8], "is quarantined", "run the same command again")
    bad = re.search(r"(r@\d+) is quarantined", done.text)[1]
    box.say("log", "quarantined()").expect(0, bad, "quarantined")
    box.say("show", bad).expect(0, "quarantined by ", "do not have their digest")
    box.say("fork", bad, "--name", "no").expect(1, "quarantined by ")
    box.say("fsck", "--read-data").expect(1, newest.name[:8])
    box.train(path).expect(0, "note: skipped " + bad, "quarantined by ", "continuing r from r@")
    assert len(box.losses()) == 40


def test_pack_that_is_gone_falls_back_to_the_state_before(box):
    path = interrupted(box)
    pack_of_newest(box).unlink()
    box.train(path).expect(0, "skipped", "continuing r from r@")


def test_torn_log_tail(box):
    path = interrupted(box)
    logs = sorted((box.dir / "stemma-store" / "runs").glob("*/inc-0001/log.*"))
    with open(logs[-1], "ab") as log:
        log.write(b"\x40\x00\x00\x00torn in the middle of a frame")
    box.train(path).expect(0, "continuing r from r@")
    assert len(box.losses()) == 40


def test_damaged_log_is_never_taken_for_a_new_run(box):
    """One flipped bit with whole entries behind it: states may be hidden, so nothing is started."""
    path = interrupted(box)
    log = sorted((box.dir / "stemma-store" / "runs").glob("*/inc-0001/log.*"))[0]
    content = bytearray(log.read_bytes())
    content[len(content) // 3] ^= 1
    log.write_bytes(content)
    box.say("fsck").expect(1, log.name)
    box.train(path).expect(1, "cannot be read", "stemma fsck")


def test_ranks_with_different_capture_settings(box):
    path = box.recipe()
    train = [box.stemma, "train", path]
    for setting in ("lineage.every=7", "lineage.writer_bytes_min=8388608"):
        mpmd(box, train, train + ["--set", setting]).expect(1, setting.split("=")[0], "rank {1}")


def test_two_jobs_on_one_run(box):
    path = box.recipe(steps=100000)
    first = box.start(box.train_command(path))
    assert box.wait_for_step(12, first)
    second = box.start(box.train_command(path))
    done = box.finish(first)
    assert done.code == 1 and "incarnation" in done.text, done.text
    box.kill_rank(second, 0, signal.SIGUSR1)
    box.finish(second).expect(75)
    box.say("fsck").expect(0)


def test_full_disk(box):
    """A store on a small file system: the run says once what could make room and trains on, stops
    when captures go on failing, and goes on with more room."""
    small = box.dir / "small"
    small.mkdir()
    path = box.recipe(steps=60, every=2)
    script = """set -e
mount -t tmpfs -o size=6m none {small}
set +e
{first} --store {small}/store; echo "first=$?"
{stemma} fsck --store {small}/store; echo "fsck=$?"
mount -o remount,size=400m {small}
{second} --store {small}/store; echo "second=$?"
""".format(small=small, stemma=box.stemma, first=" ".join(box.train_command(path)),
           second=" ".join(box.train_command(path)))
    done = box.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script])
    done.expect(0, "first=1", "No space left on device", "fsck=0", "second=0")
    assert done.text.count("not saved: ") == 1, done.text
    assert re.search(r"to make room: \d+ states? of r \(r@\d+.*\) can go, .*stemma prune r --keep "
                     r"'last 2' --apply", done.text), done.text


def test_last_capture_that_fails_is_no_success(box):
    small = box.dir / "small"
    small.mkdir()
    path = box.recipe(steps=60, every=2)
    train = " ".join(box.train_command(path, "--store", str(small / "store"), "--set",
                                       "lineage.on_failure=continue", "--set",
                                       "lineage.missed_captures_max=1000"))
    mount = "set -e; mount -t tmpfs -o size=6m none %s; set +e; " % small
    script = mount + train + "; echo train=$?"
    done = box.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script])
    done.expect(0, "train=1", "not saved", "No space left", "the last state was not saved")


def test_full_run_folder_on_one_rank_stops_all(box):
    """Only rank 0 writes metrics: its failure must reach the others, and no state is lost."""
    small = box.dir / "small"
    small.mkdir()
    path = box.recipe(steps=2000)
    train = " ".join(box.train_command(path, "--dir", str(small / "run")))
    script = """set -e
mount -t tmpfs -o size=48k none {small}
set +e
{train}; echo "train=$?"
{stemma} fsck; echo "fsck=$?"
""".format(small=small, stemma=box.stemma, train=train)
    done = box.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script])
    done.expect(0, "train=1", "rank 0 failed", "metrics.jsonl", "No space left", "fsck=0")
    box.say("log").expect(0, "r@")


def test_launcher_of_a_size_that_mpi_does_not_see(box):
    path = box.recipe(steps=6)
    done = box.run([box.stemma, "train", path], env={"SLURM_NTASKS": "2"})
    done.expect(2, "srun")


def test_launcher_that_started_no_rank(box):
    path = box.recipe(steps=6)
    for variable in ("OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"):
        done = box.run([box.stemma, "train", path], env={variable: "0"})
        done.expect(2, variable + "='0' is no number of ranks", "mpirun or srun")


def test_a_rank_that_never_arrives(box):
    path = box.recipe(steps=6)
    train = [box.stemma, "train", path, "--set", "comm.init_timeout_s=3"]
    done = mpmd(box, train, ["sleep", "20"])
    done.expect(75, "rank 0: MPI_Init did not return within 3 s", "comm.init_timeout_s")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
