"""ResNet-50 on JPEG files as people train it: class folders and shards, bad images, a kill."""

import pathlib
import signal
import statistics
import sys

import harness

MAKER = pathlib.Path("tests/e2e/make_images").resolve()

RECIPE = """
run.name = "r"
run.workload = "resnet50"
train.length = "40step"
train.global_batch = 32
train.stop_check_s = 0
images.train = "data"
images.size = 32
images.area_min = 0.6
images.flip = false
resnet50.zero_gamma = true
optim.name = "lamb"
optim.lr = 0.01
optim.weight_decay = 0.01
optim.schedule = "warmup_cosine"
optim.warmup_steps = 5
lineage.store = ""
device.threads = 1
"""


def recipe(box, images):
    """Writes r.toml and the folder "data" with so many images of 8 classes."""
    path = box.dir / "r.toml"
    path.write_text(RECIPE)
    box.run([str(MAKER), "data", "8", str(images), "40"]).expect(0)
    return str(path)


def train(box, path, *sets, run="r", ranks=2):
    words = [word for one in sets for word in ("--set", one)]
    return box.train(path, "--run", run, *words, ranks=ranks)


def test_it_learns_from_folders(box):
    """Eight classes: a loss of ln 8 = 2.08 for who knows nothing."""
    path = recipe(box, 512)
    done = train(box, path).expect(0, "r is complete at step 40", "161 tensors")
    losses = [float(loss) for _, loss in sorted(box.losses().items())]
    assert len(losses) == 40, losses
    first, last = statistics.mean(losses[:3]), statistics.mean(losses[-5:])
    assert 1.5 < first < 3 and last < 0.6, "from %.3f to %.3f:\n%s" % (first, last, done.text)


SHORT = ("train.length=2step", "optim.warmup_steps=0", "optim.schedule=constant")
WHOLE = ("images.area_min=1", "images.aspect_min=1", "images.aspect_max=1", *SHORT)


def test_shards_are_the_same_images(box):
    """A batch of all images without crops: shards hold them in another order, the sum is one."""
    path = recipe(box, 32)
    box.say("data", "pack", "data", "--out=shards").expect(0, "32 images of 8 classes")
    train(box, path, *WHOLE, ranks=1).expect(0)
    train(box, path, *WHOLE, "images.train=shards", run="s", ranks=1).expect(0)
    a, b = (float(box.losses(run)[1]) for run in ("r", "s"))
    assert abs(a - b) < 1e-4 * a, (a, b)


def test_a_bad_image_fails_or_is_skipped(box):
    path = recipe(box, 32)
    bad = box.dir / "data/class03/0002.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    failed = train(box, path, *SHORT, ranks=1)
    failed.expect(1, "data/class03/0002.jpg")
    skipped = train(box, path, *SHORT, "images.on_bad=skip", run="s", ranks=1)
    skipped.expect(0, "an image is left out", "data/class03/0002.jpg")
    limit = train(box, path, *SHORT, "images.on_bad=skip", "images.bad_max=0",
                  run="t", ranks=1)
    limit.expect(1, "more than 0 bad samples", "data/class03/0002.jpg")


def test_wrong_images_are_refused(box):
    path = recipe(box, 16)
    (box.dir / "held").mkdir()
    (box.dir / "data/class07").rename(box.dir / "held/class07")
    train(box, path, "images.validation=held").expect(2, "images.validation", "lacks 'class00'")
    train(box, path, "images.train=nowhere").expect(1, "images.train", "nothing is there")
    train(box, path, "resnet50.classes=2").expect(2, "resnet50.classes = 2")


def test_a_killed_run_goes_on_with_the_same_bits(box):
    path = recipe(box, 64)
    sets = ("lineage.every=3", "train.length=7step")
    train(box, path, *sets).expect(0)
    store = ("lineage.store=store",)
    words = [word for one in sets + store for word in ("--set", one)]
    process = box.start(box.train_command(path, "--run", "k", *words))
    if box.wait_for_step(5, process, "k"):
        box.kill_rank(process, -1, signal.SIGKILL)
    box.finish(process)
    train(box, path, *sets, *store, run="k").expect(0, "continuing k from k@")
    assert box.losses("k") == box.losses("r"), (box.losses("k"), box.losses("r"))


def test_training_goes_on_from_imported_weights(box):
    """The weights of one run under the head, the optimizer and the settings of another."""
    path = recipe(box, 32)
    short = ("train.length=3step", "optim.warmup_steps=0", "lineage.store=store")
    train(box, path, *short, ranks=1).expect(0)
    box.say("export", "r@3", "--torch=w.pt", "--store=store").expect(0)
    train(box, path, *short, "resnet50.classes=10", "train.seed=2", "train.stop_at=1",
          "comm.control_lag=0", run="first", ranks=1).expect(75)
    take = ("import", "w.pt", "--name=w", "--like=first@1", "--store=store")
    box.say(*take).expect(2, "fc.weight", "--partial takes the 318 that fit")
    box.say(*take, "--partial").expect(0, "mismatched  fc.")
    box.say("slice", "first@1", "--keep=optim/*", "--keep=train", "--keep=fc.*", "--name=rest",
            "--store=store").expect(0)
    box.say("stack", "rest@1", "w@0", "--merge", "--name=tuned", "--store=store").expect(0)
    box.train("--run", "tuned", "--store=store", "--set", "train.stop_at=0", ranks=1).expect(
        0, "tuned is complete at step 3")
    assert sorted(box.losses("tuned")) == [2, 3], box.losses("tuned")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
