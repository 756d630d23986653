"""VGG-16 as people train it to study bandwidth: its recipe on two ranks, a stop, `stemma scale`."""

import pathlib
import sys

import harness

RECIPE = pathlib.Path("models/vgg16/recipes/bandwidth.toml").resolve()
SMALL = ("train.global_batch=8", "train.length=4step", "device.threads=1", "optim.momentum=0",
         "comm.control_lag=0")


def train(box, *sets, run="v"):
    words = [word for one in SMALL + sets for word in ("--set", one)]
    return box.train(str(RECIPE), "--run", run, *words)


def test_a_stopped_run_goes_on_with_the_same_bits(box):
    """Dropout is keyed by step and rank, so a stop and a start change no mask."""
    train(box).expect(0, "v is complete at step 4", "vgg16, 138357544 parameters in 32 tensors")
    store = ("lineage.store=store",)
    train(box, *store, "train.stop_at=2", run="s").expect(75)
    train(box, *store, "train.stop_at=0", run="s").expect(0, "continuing s from s@2")
    losses = box.losses("v")
    assert sorted(losses) == [1, 2, 3, 4], losses
    assert box.losses("s") == losses, (box.losses("s"), losses)
    assert all(4 < float(loss) < 12 for loss in losses.values()), losses  # ln 1000 is 6.9


def test_scale_takes_it(box):
    run = ("scale", "run", str(RECIPE), "--mode=weak", "--ranks=1,2", "--dry-run")
    box.say(*run).expect(0, "train.global_batch=64", "-n 2")
    predicted = box.say("scale", "predict", "--model=vgg16", "--system=hal", "--ranks=8,64")
    predicted.expect(0, "vgg16 on", "MB of gradients")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
