"""The published network on its full input of 101,300 samples: three steps on two ranks, a capture,
and a fourth step from the restored state. 3 GiB per rank and sample."""

import pathlib
import sys

import harness

PAPER = "models/aigw/recipes/paper.toml"


def test_paper_recipe_trains_captures_and_resumes(box):
    recipe = str(pathlib.Path(PAPER).resolve())
    few = ["--set", "train.global_batch=2", "--set", "run.name=paper", "--set",
           "device.threads=1", "--set", "train.log_every=1", "--set", "aigw.validation_size=2"]
    length = lambda steps: ["--set", "train.length=%dstep" % steps]
    command = lambda *more: box.train_command(recipe, *few, *more)
    box.run(command(*length(3)), limit=400).expect(
        0, "10295576 parameters in 272 tensors", "paper is complete at step 3")
    losses = box.losses("paper")
    assert sorted(losses) == [1, 2, 3], losses
    box.say("show", "paper@3").expect(0, "block0.pre.weight")
    box.run(command(*length(4)), limit=400).expect(0, "continuing paper from paper@3")
    assert {s: v for s, v in box.losses("paper").items() if s < 4} == losses


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
