"""`stemma bench` as people run it. Nothing here looks at how fast it was."""

import json
import os
import re
import sys

import harness

FEW = ["--num-warmup-batches=1", "--num-batches-per-iter=2", "--num-iters=2", "--threads=1"]


def test_train_prints_the_protocol_and_its_additions(box):
    numbers = box.dir / "numbers.json"
    done = box.run(box.mpirun(2) + [box.stemma, "bench", "train", "tiny", "--batch-size=3",
                                    "--no-comm", "--bare", "--json", str(numbers)] + FEW)
    done.expect(0)
    number = r"[0-9]+\.[0-9]"
    protocol = (r"Model: tiny\nBatch size: 3\nNumber of CPUs: 2\nRunning warmup\.\.\.\n"
                r"Running benchmark\.\.\.\n"
                r"Iter #0: {0} img/sec per CPU\nIter #1: {0} img/sec per CPU\n"
                r"Img/sec per CPU: {0} \+-{0}\n"
                r"Total img/sec on 2 CPU\(s\): {0} \+-{0}\n").format(number)
    assert re.search(protocol, done.text), done.text
    done.expect(0, "Exposed communication: ", "Engine over bare LibTorch: ", "copied 0 B")
    row = json.loads(numbers.read_text())
    assert row["ranks"] == 2 and row["batch"] == 3
    assert row["engine"]["gradient_bytes"] == 4096000
    # Padding is below a hundredth, and all of it is reduced.
    assert 4096000 <= row["engine"]["reduced_bytes"] <= 1.01 * 4096000
    assert len(row["engine"]["iterations_ms"]) == len(row["bare"]["iterations_ms"]) == 2
    assert row["engine"]["wait_ms"] >= 0 and row["share_bytes"] < row["peak_bytes"]


# Below four cores one thread is right whichever way they are shared.
def test_ranks_that_are_bound_do_not_share_their_cores_again(box):
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    if half == 0:
        return
    lists = [",".join(map(str, part)) for part in (cores[:half], cores[half:2 * half])]
    numbers = box.dir / "bound.json"
    bind = 'if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then cores=%s; else cores=%s; fi; ' % tuple(lists)
    box.run(box.mpirun(2) + ["sh", "-c", bind + 'exec taskset -c "$cores" "$@"', "sh", box.stemma,
                             "bench", "train", "tiny", "--batch-size=3", "--json", str(numbers)] +
            FEW[:-1]).expect(0)
    assert json.loads(numbers.read_text())["threads"] == half


def test_train_alone_without_a_launcher(box):
    box.run([box.stemma, "bench", "train", "--model", "resnet50", "--size=32", "--batch-size=2"] +
            FEW).expect(0, "Number of CPUs: 1", "images 3x32x32, 1000 classes", "1 rank on 1 host")


def test_train_refuses_what_it_cannot_do(box):
    box.say("bench", "train", "resnet", "--num-iters=1").expect(2, "did you mean resnet50?")
    box.say("bench", "train", "--use-adasum").expect(2, "Adasum is not offered")
    box.say("bench", "trains").expect(2, "no benchmark is called 'trains'")
    box.say("bench", "train", "--num-iter=1").expect(2, "--num-iters")
    box.run(box.mpirun(2) + [box.stemma, "bench", "train", "aides", "--size=64"]).expect(
        2, "aides takes a size of 71 at least, not 64")


def test_comm_measures_every_call_and_writes_a_table(box):
    table = box.dir / "comm.csv"
    done = box.run(box.mpirun(2) + [box.stemma, "bench", "comm", "--sizes=4,64KiB", "--rounds=2",
                                    "--round-ms=1", "--csv", str(table)])
    done.expect(0, "2 ranks on 1 host")
    rows = [line.split(",") for line in table.read_text().splitlines()]
    assert rows[0][:4] == ["op", "bytes", "calls", "median_us"], rows[0]
    calls = ["all_reduce", "reduce_scatter", "all_gather", "all_to_all", "broadcast"]
    wanted = [[op, size] for op in calls for size in ("4", "65536")] + [["barrier", "0"]]
    assert [row[:2] for row in rows[1:]] == wanted, rows
    for row in rows[1:]:
        median, p95, best = map(float, row[3:6])
        assert 0 < best <= median <= p95, row
        if row[0] == "all_reduce":  # two ranks: bus and algorithm bandwidth are the same
            assert row[6] == row[7], row


def test_comm_refuses_unknown_names(box):
    box.run([box.stemma, "bench", "comm", "--ops=allreduce"]).expect(2, "did you mean all_reduce?")
    box.say("bench", "comm", "--backend=mpy").expect(2, "comm.backend")
    box.run([box.stemma, "bench", "comm", "--sizes=7"]).expect(2, "\"7\"")


def test_data_prints_each_part_with_its_target(box):
    done = box.say("bench", "data", "--images=2", "--passes=1", "--threads=2", "--shard-size=1MiB")
    done.expect(0, ">= 850", "<= 20 us", "loader of images, 2 threads", "shard sample by sample")
    assert not list(box.dir.glob("stemma-bench*")), "the shard was left behind"
    box.say("bench", "data", "--passes=0").expect(2, "--passes 1 to 1000")
    box.say("bench", "data", "--shard-size=7").expect(2, "--shard-size=7")


def test_help_needs_no_engine(box):
    box.say("bench").expect(0, "collective call")
    box.say("bench", "train", "--help").expect(0, "--num-batches-per-iter")
    box.say("bench", "comm", "--help").expect(0, "--sizes")
    box.say("bench", "data", "--help").expect(0, "--shard-size")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
