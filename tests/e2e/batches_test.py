"""`stemma batches` as people run it: trainings of two batches, the report, the same
command again, wrong commands."""

import sys

import harness

LIMIT = 600  # seconds: a slow machine is no failure


def batches(box, *more):
    command = [box.stemma, "batches", "r.toml", "--batches=8,16", "--optimizers=sgd",
               "--lr=sgd=0.0001", "--seeds=1", "--samples=64", *more]
    return box.run(command, limit=LIMIT)


def test_two_batches_are_trained_once_and_compared(box):
    box.recipe(steps=8, every=0)
    batches(box, "--dry-run").expect(0, "batches-sgd-8-s1: 8 steps", "128 samples in all")
    batches(box).expect(0, "Every run saw 64 samples: 8 steps at batch 8, 4 at 16",
                        "sgd has rate 0.0001 at batch 8, as given", "2 runs of this call")
    folder = box.dir / "stemma-batches"
    rows = (folder / "batches.csv").read_text().splitlines()
    assert len(rows) == 3 and all(",done," in row for row in rows[1:]), rows
    for end in ("md", "json", "svg", "html"):
        assert (folder / ("batches." + end)).stat().st_size > 200, end
    batches(box).expect(0, "0 runs of this call, 2 of earlier ones")
    box.say("scope", "list").expect(0, "batches", "open", "2 states")
    box.say("show", "batches-sgd-16-s1@").expect(0, "batches.batch", "batches.value")

    batches(box, "--set=optim.momentum=0.5").expect(2, "holds runs of another input", "--out")
    batches(box, "--samples=60").expect(2, "no multiple of a batch of 8")
    batches(box, "--ranks=3").expect(2, "does not divide among 3 ranks")
    batches(box, "--optimizers=lamp").expect(2, "did you mean 'lamb'")
    batches(box, "--metric=val_loss").expect(2, "--set=validate.every=1ep")
    batches(box, "--batches=8,x").expect(2, "'x' is no whole number")
    batches(box, "--batches=8,64", "--samples=64").expect(2, "warms up for 3 steps", "--samples")


if __name__ == "__main__":
    sys.exit(harness.main([test_two_batches_are_trained_once_and_compared]))
