"""Evaluations of held-out samples in real trainings: they change no bit, they stand in states and
metrics, and a rate or an end that follows from them is the same over a kill."""

import json
import sys

import harness

EVERY = ("--set", "validate.every=4step", "--set", "aigw.validation_size=30")


def rows_of(box, run):
    lines = [json.loads(line) for line in box.metrics_path(run).read_text().splitlines()]
    return {row["step"]: row for row in lines if "event" not in row}


def states_of(box, run):
    lines = box.say("log", run + "@", "--json").expect(0).text.splitlines()
    return {s["step"]: s for s in map(json.loads, lines) if s["run"] == run}


def test_an_evaluation_changes_no_bit_and_is_found_again(box):
    path = box.recipe(steps=22)
    box.train(path).expect(0)
    judged = (path, "--set", "run.name=v", *EVERY)
    done = box.train(*judged, "--set", "validate.batch=7").expect(0)
    done.expect(0, "held out   30 samples, every 4 steps", "evaluated at step 4: val_loss ")
    assert box.losses("v") == box.losses("r")
    box.say("diff", "r@20", "v@20").expect(0, "identical")
    rows, states = rows_of(box, "v"), states_of(box, "v")
    for step, row in rows.items():
        wanted = step % 4 == 0 or step == 22
        assert ("val_loss" in row) == wanted == ("evaluate_s" in row), row
        if wanted:
            parts = row["val_mse_q"] + row["val_mse_ap"]
            assert abs(parts / row["val_loss"] - 1) < 1e-5, row
            for name in ("val_mae_q", "val_mae_s1", "val_mae_s2", "val_mae_chi"):
                assert 0 < row[name] < 10, row
    # Captured every 5 steps and at the end: those that were evaluated say so, with the same bits.
    assert sorted(states) == [5, 10, 15, 20, 22], states
    for step, state in states.items():
        assert state["metrics"].get("val_loss") == rows[step].get("val_loss"), state
    best = min((20, 22), key=lambda step: rows[step]["val_loss"])
    box.say("find", "best(val_loss, 1)").expect(0, "v@%d" % best)
    digests = {s["attributes"]["data.digest"] for s in states.values()}
    assert len(digests) == 1 and len(digests.pop()) == 64, states


def test_a_state_by_itself_is_worth_what_the_training_found(box):
    path = box.recipe(steps=8, every=4)
    box.train(path, "--set", "validate.batch=7", *EVERY).expect(0)
    evaluate = box.mpirun(2) + [box.stemma, "evaluate", "r@4"]
    found = json.loads(box.run(evaluate + ["--json"]).expect(0).text)
    row = rows_of(box, "r")[4]
    assert found["metrics"] == {k: v for k, v in row.items() if k.startswith("val_")}, (found, row)
    assert found["name"] == "r@4" and found["samples"] == 30, found
    done = box.run(evaluate[-3:] + ["--set", "validate.batch=30", "--note"])
    done.expect(0, "r@4 (", "val_loss ", "of 30 samples")
    box.say("show", "r@4").expect(0, "val_mae_chi")
    box.run(evaluate[-3:-1] + ["r@7"]).expect(1, "r@7")
    box.run(evaluate[-3:] + ["--set", "aigw.validation_size=0"]).expect(2, "no held-out samples")


def test_a_batch_that_no_number_of_ranks_divides_finds_the_same(box):
    path = box.recipe(steps=6, batch=6)
    for ranks in (1, 2, 3):
        box.train(path, "--set", "run.name=n%d" % ranks, "--set", "validate.batch=7", *EVERY,
                  "--set", "optim.lr=0", ranks=ranks).expect(0, "of 30 samples")
    # The running statistics of batch norm are those of other local batches: near, not equal.
    losses = [rows_of(box, "n%d" % ranks)[4]["val_loss"] for ranks in (1, 2, 3)]
    assert max(losses) < 1.5 * min(losses), losses


def test_a_killed_run_that_looks_at_val_loss_goes_on_bit_for_bit(box):
    looks = ("--set", "optim.schedule=plateau", "--set", "optim.plateau_on=val_loss",
             "--set", "optim.plateau_patience=1", "--set", "optim.plateau_delta=1e9",
             "--set", "optim.warmup_steps=0", *EVERY)
    path = box.recipe()
    box.train(path, *looks).expect(0)
    arguments = (path, "--set", "run.name=k", *looks)
    process = box.start(box.train_command(*arguments))
    assert box.wait_for_state("k@10", process)
    box.kill_rank(process, 1)
    box.finish(process)
    box.train(*arguments).expect(0, "continuing k from k@")
    assert box.losses("k") == box.losses("r")
    box.say("diff", "r@40", "k@40").expect(0, "identical")
    rates = [rows_of(box, "k")[step]["lr"] for step in (1, 8, 9, 12, 13, 24)]
    assert rates == [0.005, 0.005, 0.0025, 0.0025, 0.00125, 0.005 / 16], rates


def test_a_run_ends_early_and_is_complete(box):
    early = ("--set", "train.stop_patience=2", "--set", "optim.schedule=constant",
             "--set", "lineage.keep=best val_loss 1")
    path = box.recipe(steps=2000)  # batches of 8 make the loss rise and fall
    done = box.train(path, *early, *EVERY).expect(0, "train.stop_patience ends the run here",
                                                 "r is complete at step")
    last = max(states_of(box, "r"))
    assert last < 2000 and last % 4 == 0, done.text
    box.train(path, *early, *EVERY).expect(0, "r is complete: r@%d" % last, "ended early")
    box.train(path, *early, *EVERY, "--set", "train.stop_patience=9").expect(
        2, "train.stop_patience 2 -> 9", "stemma fork r@%d" % last)
    states, rows = states_of(box, "r"), rows_of(box, "r")
    kept = {step for step, state in states.items() if not state["pruned"]}
    best = min((s for s in states if "val_loss" in states[s]["metrics"]),
               key=lambda step: rows[step]["val_loss"])
    newest = sorted(states)[-2:]  # of a living run: always kept
    assert best in kept and kept <= {best, *newest}, (best, last, kept)


def test_what_cannot_be_evaluated_is_refused_by_its_setting(box):
    path = box.recipe(steps=8)
    box.train(path, "--set", "validate.every=5min").expect(2, "validate.every", "'min' is no unit")
    box.train(path, "--set", "validate.every=1ep", "--set", "aigw.validation_size=0").expect(
        2, "validate.every", "has no held-out samples")
    box.train(path, "--set", "train.stop_patience=3").expect(2, "set validate.every")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
