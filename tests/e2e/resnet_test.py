"""ResNet-50 on JPEG files as people train it: class folders and shards, bad images, a kill."""

import hashlib
import json
import pathlib
import signal
import statistics
import struct
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
    sets = ("lineage.every=3", "train.length=13step")
    train(box, path, *sets).expect(0)
    store = ("lineage.store=store",)
    words = [word for one in sets + store for word in ("--set", one)]
    process = box.start(box.train_command(path, "--run", "k", *words))
    if box.wait_for_state("k@3", process, "--store=store"):
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


def tensors(box, state):
    """name -> shape and bytes of the parameters and buffers of a state."""
    path = box.dir / (state + ".safetensors")
    box.say("export", state, "--safetensors=" + str(path), "--store=store").expect(0)
    raw = path.read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    header.pop("__metadata__", None)
    return {name: (one["shape"], data[slice(*one["data_offsets"])])
            for name, one in header.items()}


def test_training_begins_with_the_weights_of_a_file(box):
    """With a rate of 0 the parameters stay what the file has; the counters go on from there."""
    path = recipe(box, 32)
    store = (*SHORT, "lineage.store=store")
    train(box, path, *store).expect(0)
    box.say("export", "r@2", "--torch=w.pt", "--store=store").expect(0)
    sets = (*store, "resnet50.classes=10", "train.seed=2", "optim.lr=0", "comm.control_lag=0")
    words = [word for one in sets for word in ("--set", one)]
    begin = (path, "--run", "t", "--init-from=w.pt")
    box.train(*begin, *words).expect(2, "2 mismatched (fc.weight (f32 [8, 2048]",
                                     "318 of 320 tensors fit", "--init-skip")
    begin = (*begin, "--init-skip=fc.weight,fc.bias")
    box.train(*begin, *words, "--set", "train.stop_at=1").expect(
        75, "w.pt (sha256 ", "318 tensors taken; as they began: fc.weight, fc.bias")
    digest = hashlib.sha256((box.dir / "w.pt").read_bytes()).hexdigest()
    shown = box.say("show", "t@1", "--store=store").expect(0, "started from a file's weights")
    assert "w.pt" in shown.text and digest in shown.text, shown.text
    box.say("show", "r@2", "--store=store").expect(0, "the run started from nothing")

    # The command again, without the file.
    (box.dir / "w.pt").unlink()
    box.train(*begin, *words).expect(0, "continuing t from t@1", "is not read again",
                                     "t is complete at step 2")
    fork = ("fork", "t@1", "--name=f", "--store=store")
    box.say(*fork).expect(0)
    box.train(path, "--run", "f", "--init-from=w.pt", *words).expect(2, "it is a fork of")
    was, now = tensors(box, "r@2"), tensors(box, "t@2")
    assert was.keys() == now.keys() and len(now) == 320
    for name, (shape, data) in now.items():
        if name.startswith("fc."):
            assert shape[0] == 10 and was[name][0][0] == 8, (name, shape)
        elif name.endswith("num_batches_tracked"):
            assert struct.unpack("<q", data) == (4,), (name, data)
        elif "running_" not in name:
            assert data == was[name][1], name


def test_a_file_of_weights_goes_with_a_recipe(box):
    path = recipe(box, 32)
    box.train(path, "--init-skip=fc.*", ranks=1).expect(2, "go with --init-from=FILE")
    box.train("--run", "r", "--init-from=w.pt", ranks=1).expect(2, "RECIPE of a run that begins")
    box.train(path, "--init-from=w.pt", ranks=1).expect(1, "--init-from: ", "w.pt")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
