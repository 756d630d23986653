"""AI-DES as people train it, at the smallest size that its network takes: stages that freeze and
thaw, a kill in a frozen stage, and the laptop's experiment from first step to last table."""

import csv
import pathlib
import shutil
import struct
import sys

import harness

LAPTOP = str(pathlib.Path("models/aides/recipes/laptop.toml").resolve())
PAPER = str(pathlib.Path("models/aides/recipes/paper.toml").resolve())
MAKER = str(pathlib.Path("tests/e2e/make_images").resolve())
EXAMPLE = str(pathlib.Path("tools/examples/aides_laptop").resolve())

TINY = ["aides.image=71", "aides.train_size=24", "aides.validation_size=8", "train.global_batch=4",
        "train.log_every=1", "train.stop_check_s=0", "device.threads=1", "aides.cache_mb=1"]


def sets(*pairs):
    return [word for pair in pairs for word in ("--set", pair)]


def test_frozen_stage_resumes_bit_for_bit_and_thaws_by_fork(box):
    stage = [PAPER, *sets(*TINY, "lineage.every=4", "train.length=12step")]
    box.train(*stage, *sets("run.name=whole")).expect(0, "starting whole at step 0")
    whole = box.losses("whole")
    assert sorted(whole) == list(range(1, 13)), whole

    process = box.start(box.train_command(*stage, *sets("run.name=cut")))
    while box.say("show", "cut@4").code != 0:
        assert process.poll() is None, box.finish(process).text
    box.kill_rank(process)
    assert box.finish(process).code != 0
    box.train(*stage, *sets("run.name=cut")).expect(0, "continuing cut from cut@")
    assert box.losses("cut") == whole
    box.say("diff", "whole@12", "cut@12").expect(0, "identical")

    # The base did not move, statistics of its batch norms neither.
    text = box.say("diff", "whole@4", "whole@12").expect(0, "head.fc1").text
    assert "first layer that differs: head.fc1" in text, text

    box.say("fork", "whole@", "--name", "wrong", *sets("aides.train_from=block5.sep9")).expect(0)
    box.train("--run", "wrong").expect(2, "is no layer", "block5.sep")
    box.say("fork", "whole@", "--name", "thawed", *sets("aides.train_from=block12.sep2",
                                                        "train.length=14step")).expect(0)
    box.train("--run", "thawed").expect(0, "thawed is complete at step 14")
    text = box.say("diff", "whole@12", "thawed@14").expect(0).text
    assert "first layer that differs: block12.rep.4" in text, text
    again = sets("aides.train_from=", "train.length=15step")
    box.say("fork", "thawed@", "--name", "cold", *again).expect(0)
    box.train("--run", "cold").expect(0, "cold is complete at step 15")


def example(box, *more):
    first = sets(*TINY, "train.length=3step", "optim.warmup_steps=1")
    return box.run(["python3", EXAMPLE, str(box.dir), "--stemma", box.stemma, "--recipe", LAPTOP,
                    *first, "--head-steps", "1", "--round-steps", "2", "--count", "6",
                    "--unlabelled", "12", "--per-class", "3", *more], limit=300)


def check_files(box):
    folder = box.dir / "judged-laptop-round1"
    with open(folder / "answers.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["set"] for row in rows] == ["simulated sdss"] * 6 + ["simulated des"] * 6, rows
    objects = [row["object"] for row in rows]
    assert objects[:6] == objects[6:], objects  # the same sky
    npy = (folder / "features.npy").read_bytes()
    header = struct.unpack("<H", npy[8:10])[0]
    assert npy[:6] == b"\x93NUMPY" and b"(12, 1024)" in npy[:10 + header], npy[:80]
    assert len(npy) == 10 + header + 12 * 1024 * 4 and (10 + header) % 64 == 0
    for name in ("signal_to_noise.svg", "inclination.svg", "plane.svg"):
        text = (folder / name).read_text(encoding="utf-8")
        assert text.startswith("<?xml") and "<svg" in text and "Simulated galaxies" in text, name


def test_laptop_experiment_by_one_command(box):
    """Sizes at which nothing is learnt: what is told is checked for being there and consistent."""
    done = example(box).expect(0, "simulated des", "confident half, augmented", "before    after",
                               "aides.labels=labels.tsv#", "laptop-round1 is complete at step 6")
    check_files(box)
    labels = (box.dir / "labels.tsv").read_text(encoding="utf-8")
    assert labels.startswith("# stemma aides labels 1"), labels
    assert 1 <= len([r for r in labels.splitlines() if not r.startswith("#")]) <= 6, labels
    box.say("log", "--graph").expect(0, "laptop-head", "laptop-round1")
    box.say("diff", "laptop@", "laptop-round1@").expect(0, "aides.labels", "labels.tsv#")

    again = example(box).expect(0, "before    after")
    assert "$ %s fork" % box.stemma not in again.text, again.text  # all of it was there
    table = lambda text: text[text.rindex("accuracy "):text.rindex(" minutes")].rsplit(";", 1)[0]
    assert table(again.text) == table(done.text)

    (box.dir / "labels.tsv").write_text(labels + "1\t1\t0.5\n", encoding="utf-8")
    box.say("fork", "laptop-head@", "--name", "other", *sets("train.length=9step")).expect(0)
    box.train("--run", "other").expect(1, "it is not the file that the settings name")


def own_pictures(box):
    """Two folders: one that is labelled, and one of which some are."""
    made = box.dir / "made"
    box.run([MAKER, str(made), "2", "24", "80"]).expect(0)
    known, rest = box.dir / "known", box.dir / "rest"
    for number, folder in enumerate(sorted(made.iterdir())):
        files = sorted(folder.iterdir())
        for where, name, some in ((known, ("elliptical", "spiral")[number], files[:4]),
                                  (rest, ("elliptical", "spiral")[number], files[4:6]),
                                  (rest, "unlabelled", files[6:])):
            (where / name).mkdir(parents=True, exist_ok=True)
            for file in some:
                shutil.copy(file, where / name / ("%d-%s" % (number, file.name)))
    return str(known), str(rest)


def test_recursion_on_pictures_of_ones_own(box):
    known, rest = own_pictures(box)
    box.train(LAPTOP, *sets(*TINY, "run.name=own", "train.length=3step", "optim.warmup_steps=1",
                            "aides.train=" + known, "aides.validation=" + known)).expect(0)
    done = box.say("galaxy-label", "own@", "--pictures=" + rest, "--per-class=3",
                   "--out=" + str(box.dir / "l.tsv"))
    text = done.expect(0, "own@3 labelled 12 pictures of " + rest, "taken are").text
    assert "right" not in text, text  # nobody knows
    chosen = [line for line in text.splitlines() if line.startswith("aides.")]
    assert len(chosen) == 2 and chosen[0] == "aides.unlabelled=" + rest, text
    box.say("fork", "own@", "--name", "round1", *sets(*chosen, "train.length=6step")).expect(0)
    box.train("--run", "round1").expect(0, "round1 is complete at step 6")

    out = box.dir / "judged"
    text = box.say("galaxy-eval", "round1@", "--pictures=" + rest, "--out=" + str(out)).expect(
        0, "16 pictures of " + rest + ", 4 of them labelled", "of 4", "spirals called").text
    assert "simulated" not in text and "S/N" not in text, text
    assert sorted(f.name for f in out.iterdir()) == ["answers.csv", "features.npy", "plane.svg",
                                                     "scores.csv"]
    with open(out / "answers.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["0"] * 2 + ["1"] * 2 + ["-1"] * 12, rows
    assert "imulated" not in (out / "plane.svg").read_text(encoding="utf-8")

    box.say("galaxy-label", "own@", "--pictures=" + known, "--out=x.tsv").expect(
        2, "no galaxy without a label")
    box.say("galaxy-label", "own@", "--pictures=" + rest, "--count=5", "--out=x.tsv").expect(
        2, "--count is of simulated galaxies")
    (pathlib.Path(rest) / "unlabelled" / "more.jpg").write_bytes(b"later")
    box.say("fork", "own@", "--name", "late", *sets(*chosen, "train.length=7step")).expect(0)
    box.train("--run", "late").expect(2, "are not the pictures that aides.labels are of")


def test_verbs_refuse_what_makes_no_sense(box):
    box.say("galaxy-eval").expect(2, "STATE")
    box.say("galaxy-eval", "a@", "--count=0").expect(2, "--count = 0 must be 1 to 10,000,000")
    box.say("galaxy-eval", "a@", "--survey=hst").expect(2, "both")
    box.say("galaxy-label", "a@").expect(2, "--out=FILE")
    box.say("galaxy-label", "--help").expect(0, "aides.labels=round1.tsv#")
    box.train(box.recipe(steps=5)).expect(0)
    box.say("galaxy-eval", "r@").expect(1, "is of workload aigw: only aides sees galaxies")


if __name__ == "__main__":
    sys.exit(harness.main([f for name, f in sorted(globals().items()) if name.startswith("test_")]))
