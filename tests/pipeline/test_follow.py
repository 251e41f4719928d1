"""A training that is followed and stopped: validation, patience, Ctrl-C, more epochs."""

from __future__ import annotations

import json
import math
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import tatami
from tatami.errors import Stopped, TatamiError
from tatami.pipeline import follow
from tatami.pipeline import train as pipeline
from tatami.pipeline.plan import NOTHING_HELD, reopened, validation_of
from tatami.pipeline.run_data import learned_from, measured_on
from tatami.pipeline.train import CHOSEN_BY, TrainResult, resume, train
from tatami.pipeline.validation import named, rule_for
from tatami.tasks.classification import CLASSIFICATION
from tatami.train import recipe as recipes
from tatami.train.distributed import Team
from tatami.train.recipe import Recipe
from tatami.train.run import load_run, read_rows

torch = pytest.importorskip("torch")

RESULTS = ("weights.safetensors", "network.onnx", "log.jsonl", "evaluations.jsonl", "run.json")
EPOCHS = 6
QUICK: dict[str, Any] = {
    "recipe": Recipe(
        epochs=EPOCHS, batch=6, checkpoint_seconds=0, evaluate_every=1, closing_epochs=0
    ),
    "threads": 1,
    "augment": ("flip=0",),
}
"""Two or three steps an epoch."""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Training sets threads and determinism of the whole process; each step is reported."""
    monkeypatch.setattr(pipeline, "EVERY", -1.0)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of pictures of three colors, with a train, a val and a test split."""
    root = tmp_path_factory.mktemp("colors")
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        for channel, name in enumerate(("blue", "green", "red")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                picture = rng.normal(60, 30, (24, 36, 3)).clip(0, 255)
                picture[..., 2 - channel] += 30
                picture = picture.clip(0, 255).astype(np.uint8)
                Image.fromarray(picture).save(root / split / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def whole(colors: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A training without anything new, which is evaluated on its test split now and then."""
    return train("lenet5", colors, tmp_path_factory.mktemp("whole") / "run", **QUICK)


class Listener:
    """A progress that notes what it is told, and presses Ctrl-C after some step."""

    def __init__(self, stop: int = -1) -> None:
        self.stop, self.notes, self.remarks = stop, [""], [""]

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        if not total:
            self.remarks.append(stage)
        if stage == "Training":
            self.notes.append(note)
            if done == self.stop:
                signal.raise_signal(signal.SIGINT)


def assert_equal(run: Path, other: Path) -> None:
    for name in RESULTS:
        assert (run / name).read_bytes() == (other / name).read_bytes(), name


def weights_of(run: Path) -> str:
    """What network.onnx says of its weights."""
    properties = onnx.load(run / "network.onnx").metadata_props
    return next((str(json.loads(p.value)) for p in properties if "weights" in p.value), "")


def figures(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Let the evaluations while training have these figures, one after another."""
    left = iter(values)
    row = CLASSIFICATION.row

    def told(task: Any, result: Any) -> dict[str, float]:
        return {**row(result), "top1": next(left)}

    monkeypatch.setattr(type(CLASSIFICATION), "row", told)


def test_the_figure_is_told_while_it_trains(colors: Path, tmp_path: Path) -> None:
    heard = Listener()
    train("lenet5", colors, tmp_path / "run", progress=heard, **QUICK)
    rows = read_rows(tmp_path / "run" / "evaluations.jsonl")
    assert len(rows) == EPOCHS
    assert "top1" not in heard.notes[1]
    assert heard.notes[-1].startswith("loss ")
    assert f"  top1 {rows[-1]['top1']:.3f}" in heard.notes[-1]
    assert NOTHING_HELD not in heard.remarks


def test_the_best_weights_are_kept_and_said(
    colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those with which a training ends that is stopped there."""
    figures(monkeypatch, [0.25, 0.5, 0.375, 0.5, 0.125, 0.25])
    run, heard = tmp_path / "run", Listener()
    train("lenet5", colors, run, validate="val", progress=heard, **QUICK)
    about = "step 6, the best top1 on val: 0.5"
    assert f"network.onnx has the averaged weights of {about}" in heard.remarks
    assert about in weights_of(run)
    assert ", best 0.500" in heard.notes[-1]
    best = (run / "best.safetensors").read_bytes()
    assert len(read_rows(run / "log.jsonl")) == 3 * EPOCHS
    kept = tatami.open(run).predictor
    monkeypatch.undo()
    stop = Listener(6)
    with pytest.raises(Stopped):
        train("lenet5", colors, tmp_path / "short", progress=stop, **QUICK)
    short = tatami.open(tmp_path / "short").predictor
    picture = np.full((24, 36, 3), 90, np.uint8)
    np.testing.assert_array_equal(kept.classify(picture), short.classify(picture))  # type: ignore[attr-defined]
    assert load_run(run).data.validate == "val"
    assert (run / "best.safetensors").read_bytes() == best


def test_patience(colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends two evaluations after the best; resumed it is over; given more epochs it goes on."""
    values = [0.25, 0.5, math.nan, 0.5]
    figures(monkeypatch, values)
    run, heard = tmp_path / "run", Listener()
    train("lenet5", colors, run, patience=2, progress=heard, **QUICK)
    assert load_run(run).data.validate == "val"  # the set's own, for there is a test split, too
    assert load_run(run).data.test_split == "test"
    assert len(read_rows(run / "log.jsonl")) == 4 * 3
    assert "no better figure in 2 evaluations: ended after step 12 of 18" in heard.remarks
    again = tmp_path / "again"
    shutil.copytree(run, again)
    monkeypatch.undo()
    resume(again)
    assert_equal(again, run)
    figures(monkeypatch, [0.5, 0.75, 0.5, 0.25])
    resume(again, epochs=9)
    rows = read_rows(again / "evaluations.jsonl")
    assert [row["step"] for row in rows] == [3, 6, 9, 12, 15, 18, 21, 24]
    assert "step 18, the best top1 on val: 0.75" in weights_of(again)


def test_asked_to_end_with_its_epoch(whole: TrainResult, colors: Path, tmp_path: Path) -> None:
    """It ends as a training does, with a network; resumed, it is what it would have been."""
    run, heard = tmp_path / "run", Listener()

    def ask(stage: str, done: int, total: int, note: str = "") -> None:
        heard(stage, done, total, note)
        if (stage, done) == ("Training", 4):  # of three steps an epoch
            (run / "end").touch()

    result = train("lenet5", colors, run, progress=ask, **QUICK)
    assert len(read_rows(run / "log.jsonl")) == 6
    assert "asked to end with its epoch: ended after step 6 of 18" in heard.remarks
    assert "step 6 of 18, where it was stopped" in weights_of(run)
    assert result.evaluation is not None
    assert result.evaluation.result.to_json()["pictures"] == 6
    assert not (run / "end").exists()
    resume(run)
    assert_equal(run, whole.path)


class Killed(Exception):
    """As good as a kill: nothing more is written."""


@pytest.mark.parametrize("at", [1, 3, 4, 9])
def test_killed_and_gone_on_with_it_chooses_the_same(colors: Path, tmp_path: Path, at: int) -> None:
    """In the middle of an epoch, and behind an evaluation whose step has no checkpoint yet."""
    asked = {**QUICK, "validate": "val", "patience": 3}
    whole, run = tmp_path / "whole", tmp_path / "run"
    train("lenet5", colors, whole, **asked)

    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if (stage, done) == ("Training", at):
            raise Killed

    for again in (False, True):
        with pytest.raises(Killed):
            resume(run, progress=kill) if again else train(
                "lenet5", colors, run, progress=kill, **asked
            )
    resume(run)
    assert_equal(run, whole)
    best = "best.safetensors"
    assert (run / best).read_bytes() == (whole / best).read_bytes()


def test_a_part_of_what_is_learned_from(colors: Path, tmp_path: Path) -> None:
    """The two parts share no picture, and are found again."""
    run, heard = tmp_path / "run", Listener()
    recipe = Recipe(epochs=2, batch=6, patience=5)
    result = train("lenet5", colors, run, validate=0.34, recipe=recipe, progress=heard, threads=1)
    assert result.run.recipe.evaluate_every == 1
    learned, validates = reopened(result.run), validation_of(result.run)
    assert validates is not None
    assert (len(learned), len(validates)) == (12, 6)
    assert not {*learned.ids} & {*validates.ids}
    assert "the best top1 on 0.34 of train" in weights_of(run)
    assert result.evaluation is not None
    assert not {NOTHING_HELD, CHOSEN_BY} & {*heard.remarks}
    with pytest.raises(TatamiError) as refused:
        train("lenet5", colors, tmp_path / "none", validate="99", **QUICK)
    assert refused.value.setting == "validate"
    assert not (tmp_path / "none").exists()


def test_it_says_where_nothing_but_what_validates_is_held_out(colors: Path, tmp_path: Path) -> None:
    only = tmp_path / "only"
    shutil.copytree(colors / "train", only)
    heard = Listener()
    result = train("lenet5", only, tmp_path / "run", patience=3, progress=heard, **QUICK)
    assert load_run(tmp_path / "run").data.validate == "0.1"
    assert heard.remarks.count(CHOSEN_BY) == 1
    assert result.evaluation is not None
    again = tatami.evaluate(result)
    assert again.to_json()["top1"] == result.evaluation.result.top1
    used = measured_on([result.path], None)
    assert used.remark.endswith("0.1 of all, by which its weights were chosen")
    assert learned_from(result.path, None).hold_out == "0.1"
    heard = Listener()
    result = train("lenet5", only, tmp_path / "bare", progress=heard, **QUICK)
    assert result.evaluation is None
    assert heard.remarks.count(NOTHING_HELD) == 2  # before, and in the end


@pytest.mark.parametrize(
    ("asked", "patience", "splits", "learned", "test", "rule"),
    [
        (None, 0, ("train", "val", "test"), "train", "test", None),
        (None, 3, ("train", "val", "test"), "train", "test", "val"),
        (None, 3, ("train", "valid", "test"), "train", "test", "valid"),
        (None, 3, ("train", "val", "trainval", "test"), "trainval", "test", "0.1"),
        (None, 3, ("train", "val"), "train", "val", "0.1"),
        (None, 3, ("train", "test"), "train", "test", "0.1"),
        ("test", 0, ("train", "test"), "train", "test", "test"),
        ("0.2:7", 3, ("train", "val", "test"), "train", "test", "0.2:7"),
    ],
    ids=str,
)
def test_what_validates(
    asked: str | None,
    patience: int,
    splits: tuple[str, ...],
    learned: str,
    test: str,
    rule: str | None,
) -> None:
    """Never the test split, unless it is named."""
    assert rule_for(asked, patience, splits, learned, test) == rule


def test_what_is_learned_from_does_not_validate() -> None:
    with pytest.raises(TatamiError, match="split train is what is learned from"):
        rule_for("train", 0, ("train", "test"), "train", "test")
    assert (named("0.1:7", "train"), named("val", "train")) == ("0.1:7 of train", "val")


@pytest.mark.parametrize("stop", [1, 7, 12])
def test_ctrl_c_leaves_a_usable_run(
    whole: TrainResult, colors: Path, tmp_path: Path, stop: int
) -> None:
    """After the first step, within an epoch, and at its end."""
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as stopped:
        train("lenet5", colors, run, progress=Listener(stop), **QUICK)
    assert str(stopped.value) == (
        f"stopped after step {stop} of 18; {run} can be used (resume it to go on)"
    )
    assert f"step {stop} of 18, where it was stopped" in weights_of(run)
    assert len(read_rows(run / "log.jsonl")) == stop
    assert tatami.evaluate(run, colors, split="test").to_json()["pictures"] == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(Stopped):
        resume(run, progress=Listener(stop + 1))
    resume(run)
    assert_equal(run, whole.path)


def test_ctrl_c_within_an_evaluation(
    whole: TrainResult, colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut short, and made again by who resumes."""
    run, watch = tmp_path / "run", follow.Interruption.watch
    seen = 0

    def press(self: Any, stage: str, done: int, total: int, note: str = "") -> None:
        nonlocal seen
        seen += 1
        if seen == 10:
            signal.raise_signal(signal.SIGINT)
        watch(self, stage, done, total, note)

    monkeypatch.setattr(follow.Interruption, "watch", press)
    with pytest.raises(Stopped, match="stopped after step 6 of 18"):
        train("lenet5", colors, run, **QUICK)
    assert len(read_rows(run / "evaluations.jsonl")) == 1
    assert (run / "network.onnx").is_file()
    monkeypatch.undo()
    resume(run)
    assert_equal(run, whole.path)


def test_ctrl_c_in_the_last_step(whole: TrainResult, colors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Stopped, match="stopped when the training was over"):
        train("lenet5", colors, run, progress=Listener(18), **QUICK)
    assert_equal(run, whole.path)


def test_a_second_ctrl_c_stops_at_once() -> None:
    with follow.Interruption(Team()) as hand:
        assert not hand.asked
        signal.raise_signal(signal.SIGINT)
        assert hand.asked
        with pytest.raises(follow.Cut):
            hand.watch("Evaluating", 0, 1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_team_is_told_of_one_ctrl_c_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the terminal and by torchrun."""
    with follow.Interruption(Team(0, 2)) as hand:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert hand.asked
        monkeypatch.setattr(hand, "_deaf", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_handler_of_the_callers_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with follow.Interruption(Team()) as hand:
            signal.raise_signal(signal.SIGINT)
            assert not hand.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_more_epochs(whole: TrainResult, colors: Path, tmp_path: Path) -> None:
    """From the newest checkpoint on the rate is that of the longer training, of what is new too."""
    run, heard = tmp_path / "run", Listener()
    shutil.copytree(whole.path, run)
    resume(run, epochs=8, progress=heard)
    assert any("8 epochs in place of 6: from step 18 on" in remark for remark in heard.remarks)
    changed = load_run(run)
    assert (changed.recipe.epochs, changed.lengthened) == (8, ((18, 6),))
    rows, before = read_rows(run / "log.jsonl"), read_rows(whole.path / "log.jsonl")
    assert len(rows) == 24
    assert rows[:18] == before
    for row in rows[18:]:
        rate = changed.recipe.learning_rate_at(int(row["step"]), 3)
        assert row["learning_rate"] == pytest.approx(rate, rel=1e-5)
    assert rows[18]["learning_rate"] > rows[17]["learning_rate"]
    assert (run / "weights.safetensors").read_bytes() != whole.weights.read_bytes()
    again = tmp_path / "again"
    shutil.copytree(whole.path, again)
    with pytest.raises(Stopped):
        resume(again, epochs=8, progress=Listener(20))
    resume(again, epochs=8)  # as many as it has: it only goes on
    assert_equal(again, run)
    with pytest.raises(TatamiError, match="epochs: the run has 8 epochs already"):
        resume(again, epochs=7)


def test_a_stopped_run_is_given_more_epochs(colors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Stopped):
        train("lenet5", colors, run, progress=Listener(4), **QUICK)
    resume(run, epochs=7)
    assert load_run(run).lengthened == ((4, 6),)
    assert len(read_rows(run / "log.jsonl")) == 21


def test_a_run_folder_of_before(whole: TrainResult, tmp_path: Path) -> None:
    """Its run.json knows nothing of validation, patience and lengthening."""
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    values = json.loads((run / "run.json").read_text())
    del values["lengthened"], values["data"]["validate"], values["recipe"]["patience"]
    (run / "run.json").write_text(json.dumps(values))
    shutil.rmtree(run / "checkpoints")
    resume(run)
    assert load_run(run) == load_run(whole.path)
    for name in RESULTS[:4]:
        assert (run / name).read_bytes() == (whole.path / name).read_bytes()


def test_tensorboard_on_demand(whole: TrainResult, colors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Stopped):
        train("lenet5", colors, run, tensorboard=True, progress=Listener(4), **QUICK)
    resume(run, tensorboard=True)
    first, second = sorted((run / "tensorboard").iterdir())
    for tag in (b"train/loss", b"train/learning_rate", b"evaluation/top1"):
        assert tag in first.read_bytes()
        assert tag in second.read_bytes()
    assert_equal(run, whole.path)
    assert not (whole.path / "tensorboard").exists()


def test_parts_that_are_trained_in_turns(
    whole: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure = type(CLASSIFICATION.structure(whole.run.spec))
    monkeypatch.setattr(structure, "in_turns", lambda self, run: True)
    with pytest.raises(TatamiError, match="epochs: its parts are trained in turns"):
        resume(whole, epochs=9)


def test_a_figure_that_rose_in_the_last_quarter_is_told(whole: TrainResult, tmp_path: Path) -> None:
    found = follow.Evaluations(whole.run, tmp_path, None)

    def remark(*figures: float) -> str:
        found.rows = [{"step": at + 1, "top-1": each} for at, each in enumerate(figures)]
        return found.rising(len(figures))

    said = remark(0.1, 0.2, 0.4, 0.3, 0.3, 0.4, 0.5, 0.45)
    assert said.startswith("top-1 was still rising, by 0.100 in the last quarter")
    assert f"resume the run with {2 * EPOCHS}" in said
    assert not remark(0.1, 0.2, 0.4, 0.3, 0.3, 0.4, 0.405, 0.4)
    assert not remark(0.1, 0.5, 0.4, 0.3, 0.3, 0.4, 0.4, 0.4)
    assert not remark(0.1, 0.9)  # too few to tell
    assert not remark()
    assert not remark(0.1, 0.2, 0.3, 0.3, math.nan, math.nan, math.nan, math.nan)


def test_who_leaves_the_epochs_open_is_told_how_many_and_gets_a_curve(
    colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "LEAST", 20)
    monkeypatch.setattr(recipes, "SEEN", 20 * 18)
    listener = Listener()
    result = train(
        "lenet5", colors, tmp_path / "run", threads=1, augment=("flip=0",), progress=listener
    )
    assert result.run.recipe.epochs == 20
    assert result.run.recipe.evaluate_every == 2
    assert len(read_rows(tmp_path / "run" / "evaluations.jsonl")) == 10
    assert "20 epochs, for 18 to learn from" in listener.remarks
