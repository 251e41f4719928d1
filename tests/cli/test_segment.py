"""A segmenter from masks to C: every command, on a set that is learnt in seconds."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami import graph
from tatami.cli.main import main
from tatami.data.masks import usual_colors
from tatami.pipeline.artifact import open_artifact
from tatami.rules.segmentation import ForwardSegmenter
from tatami.ship.c.tasks.segmentation import CompiledSegmenter
from tatami.types import VOID, Mask, Picture, SegmentationSpec

Command = Callable[..., int]
NAMES = ("ground", "red", "blue")
COLORS = np.array([(90, 110, 90), (200, 50, 50), (50, 60, 200)])


def scene(rng: np.random.Generator) -> tuple[Picture, Mask]:
    """A red disc and a blue box on the ground, in noise; some of the border is void."""
    height, width = 36, 48
    mask = np.zeros((height, width), np.uint8)
    y, x = np.mgrid[:height, :width]
    cy, cx, radius = rng.integers(8, 28), rng.integers(8, 40), rng.integers(6, 10)
    mask[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = 1
    top, left = rng.integers(0, 24), rng.integers(0, 36)
    mask[top : top + 12, left : left + 12] = 2
    picture = rng.normal(COLORS[mask], 25).clip(0, 255).astype(np.uint8)
    mask[:, 0] = 9
    return picture, mask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 5)):
        (root / split).mkdir()
        (root / f"{split}-masks").mkdir()
        for number in range(count):
            picture, mask = scene(rng)
            Image.fromarray(picture).save(root / split / f"{number}.png")
            Image.fromarray(mask).save(root / f"{split}-masks" / f"{number}.png")
    splits = {s: {"pictures": s, "masks": f"{s}-masks"} for s in ("train", "val")}
    content = {"classes": NAMES, "void": [9], "splits": splits}
    (root / "masks.json").write_text(json.dumps(content))
    return root


def run(*arguments: object) -> int:
    before = sys.argv
    sys.argv = ["tatami", *map(str, arguments)]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
    raise AssertionError("main always exits")


QUICK = (
    *("--threads", 1, "--batch", 4, "--learning-rate", 0.05, "--size", "48x32"),
    *("--width", 0.1, "--class-weights", "median"),
)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    more = ("--epochs", 10, "--evaluate-every", 5)
    assert run("train", "unet-same-bn", "--data", data, "-o", folder, *more, *QUICK) == 0
    return folder


def test_training_learns_and_says_what_it_learnt(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    told = [json.loads(line) for line in (trained / "evaluations.jsonl").read_text().splitlines()]
    assert [set(row) for row in told] == [{"step", "mIoU", "pixels"}] * 2
    spec = graph.read(trained / "network.onnx").spec
    assert isinstance(spec, SegmentationSpec)
    assert spec.classes == NAMES
    weights = json.loads((trained / "run.json").read_text())["settings"]["class_weights"]
    assert len(weights) == 3
    assert weights[0] == min(weights)


def test_evaluate(command: Command, trained: Path, data: Path, capsys) -> None:
    arguments = ("--data", data, "--split", "val")
    assert command("evaluate", trained, *arguments, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pictures"], answer["split"]) == (5, "val")
    assert answer["mean_iou"] > 0.6
    assert sum(map(sum, answer["confusion"])) == answer["pixels"] == 5 * 36 * 47
    assert command("evaluate", trained / "network.onnx", *arguments, "--tiling", 4) == 0
    told = capsys.readouterr().out
    assert "5 pictures" in told
    assert "boundary F1" in told
    for line in told.splitlines():
        assert len(line) <= 80
    assert command("evaluate", trained / "network.onnx", *arguments, "--tta", "--json") == 0
    turned = json.loads(capsys.readouterr().out)
    assert turned["mean_iou"] > 0.6
    assert turned["confusion"] != answer["confusion"]
    assert command("evaluate", trained, *arguments, "--diagnose") == 2
    assert "--diagnose: it is an option of a detector" in capsys.readouterr().err
    capsys.readouterr()
    assert command("evaluate", trained, *arguments, "--hold-out", 2, "--json") == 0
    assert json.loads(capsys.readouterr().out)["split"] == "2 of val"
    assert command("evaluate", trained, *arguments, "--hold-out", 400) == 2
    assert "--hold-out: 400 of " in capsys.readouterr().err


def test_predict_lays_classes_over_pictures(
    command: Command, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # its own results may be replaced
        assert command("predict", trained, data / "val", "-o", out) == 0
    assert "segments.json" in capsys.readouterr().out
    answer = json.loads((out / "segments.json").read_text())
    segmenter = open_artifact(trained).predictor
    assert isinstance(segmenter, ForwardSegmenter)
    assert len(answer["pictures"]) == 5
    for one in answer["pictures"]:
        assert sum(each["share"] for each in one["classes"]) == pytest.approx(1)
        with Image.open(out / one["drawn"]) as drawn:
            assert drawn.size == (48, 36)
        with Image.open(out / one["mask"]) as indexed, Image.open(one["picture"]) as picture:
            assert indexed.mode == "P"
            assert indexed.getpalette()[3:6] == list(usual_colors(2)[1])
            np.testing.assert_array_equal(
                np.asarray(indexed), segmenter.segment(np.asarray(picture))
            )
    (out / "other.png").write_bytes(b"mine")
    assert command("predict", trained, data / "val", "-o", out) == 2
    assert "other.png" in capsys.readouterr().err


def test_a_resumed_run_needs_the_same_masks(
    command: Command, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    folder, copy = tmp_path / "run", tmp_path / "data"
    shutil.copytree(trained, folder)
    shutil.copytree(data, copy)
    settings = json.loads((folder / "run.json").read_text())
    settings["data"]["root"] = str(copy)
    (folder / "run.json").write_text(json.dumps(settings))
    assert command("train", "--resume", folder) == 0
    with Image.open(copy / "train-masks" / "0.png") as image:
        other = np.array(image)
    other[20, 20] = (other[20, 20] + 1) % 3
    Image.fromarray(other).save(copy / "train-masks" / "0.png")
    assert command("train", "--resume", folder) == 2
    assert "has changed since the run began" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--anchors", 3), "is for detectors"),
        (("--label-smoothing", 0.1), "is for classifiers"),
        (("--hold-out", 400), "none would be left"),
        (("--hold-out", "1.5"), "is not a number of pictures to hold out"),
        (("--augment", "mosaic=0.5"), "a mosaic is for detectors"),
        (("--class-weights", "1,2"), "are no weights of 3 classes"),
        (("--class-weights", "1,2,x"), "are no weights of classes"),
        (("--class-weights", "1,2,-1"), "a weight is below 0"),
        (("--loss", "hinge"), "--loss: there is no loss 'hinge'"),
        (("--size", "40x32"), "is not a multiple of the stride, 16"),
        (("--train-split", "test"), "no split 'test'"),
    ],
)
def test_settings_that_make_no_sense(
    command: Command, data: Path, tmp_path: Path, capsys, arguments: tuple, reason: str
) -> None:
    folder = tmp_path / "run"
    size = () if "--size" in arguments else ("--size", "48x32")
    assert command("train", "unet-same", "--data", data, "-o", folder, *size, *arguments) == 2
    assert reason in capsys.readouterr().err
    assert not folder.exists()
    assert command("train", "lenet5", "--data", data, "--class-weights", "median") == 2
    assert "is for segmenters" in capsys.readouterr().err


def test_a_valid_network_is_led_over_the_picture(
    command: Command, data: Path, tmp_path: Path, capsys
) -> None:
    both = {"pictures": "val", "masks": "val-masks"}
    splits = {"train": both | {"names": ["0", "1"]}, "val": both | {"names": ["2"]}}
    few = tmp_path / "few.masks.json"
    content = {"folder": str(data), "classes": NAMES, "void": [9], "splits": splits}
    few.write_text(json.dumps(content))
    folder = tmp_path / "run"
    small = ("--width", 0.05, "--epochs", 1, "--batch", 2, "--threads", 1)
    assert command("train", "unet", "--data", few, "-o", folder, "--size", "284x284", *small) == 0
    assert "1 pictures" in capsys.readouterr().out
    segmenter = open_artifact(folder).predictor
    assert isinstance(segmenter, ForwardSegmenter)
    assert segmenter.segment(scene(np.random.default_rng(1))[0]).shape == (36, 48)
    assert command("train", "unet", "--data", few, "-o", tmp_path / "no", "--size", 192) == 2
    assert "give sides from 188 on" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_show(command: Command, data: Path, tmp_path: Path, capsys) -> None:
    sheet = tmp_path / "sheet.png"
    assert command("data", "show", data, "--draw", sheet) == 0
    told = capsys.readouterr().out
    assert "3 classes" in told
    assert "nothing is wrong" in told
    with Image.open(sheet) as image:
        assert image.width > 1000
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    shutil.copy(copy / "train" / "0.png", copy / "val" / "0.png")
    (copy / "train-masks" / "3.png").unlink()
    assert command("data", "show", copy, "--json") == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["splits"]["train"]["pictures"] == 15
    kinds = [problem["kind"] for problem in answer["problems"]]
    assert kinds == ["missing-label", "duplicate-picture"]
    assert sum(answer["pixels"]) + answer["void"] == 20 * 36 * 48
    assert answer["void"] == 20 * 36
    skips = ("--skip", "missing-label", "--skip", "duplicate-picture")
    assert command("data", "show", copy, *skips) == 0


def test_augment_draws_masks(command: Command, data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert command("data", "augment", data, "-o", sheet, "--size", "96x72") == 0
    with Image.open(sheet) as image:
        pixels = np.asarray(image).reshape(-1, 3).astype(int)
    # half the picture's red and half the class's: (200 + 128) / 2, 50 / 2, 50 / 2
    red = (np.abs(pixels - (164, 25, 25)) < 12).all(axis=1)
    assert red.sum() > 500


def test_report(trained: Path, command: Command, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert command("report", trained, "-o", page) == 0
    text = page.read_text()
    for part in ("mIoU", "Confusion", "boundary F1", "% right", 'id="pictures"', "rgb(0, 0, 0)"):
        assert part in text


@pytest.mark.slow
def test_from_torch_to_integers_in_c(
    command: Command, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    network = folder / "network.onnx"
    assert command("fold", network) == 0
    folded = folder / "network-folded.onnx"
    assert command("ship", folded, "--to", "c", "-o", folder / "c") == 0
    assert command("quantize", folded, "--data", data, "--split", "train", "--pictures", 8) == 0
    integer = folder / "network-int8.onnx"
    assert command("ship", integer, "--to", "c", "-o", folder / "c-int8") == 0
    capsys.readouterr()
    assert command("prove", folder, "--data", data, "--split", "val", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["measure"] == "mIoU"
    labels = [row for row in answer["rows"] if row["stage"].endswith("labels")]
    assert [row["worst"] for row in labels] == [0.0, 0.0]
    compiled = open_artifact(folder / "c-int8").predictor
    assert isinstance(compiled, CompiledSegmenter)
    with compiled:
        picture = scene(np.random.default_rng(3))[0]
        np.testing.assert_array_equal(
            compiled.segment(picture), open_artifact(integer).predictor.segment(picture)
        )
    assert command("report", folder) == 0


def test_void_is_never_an_answer(trained: Path) -> None:
    segmenter = open_artifact(trained).predictor
    assert isinstance(segmenter, ForwardSegmenter)
    assert segmenter.segment(np.full((3, 200, 3), 255, np.uint8)).max() < len(NAMES) < VOID


def test_another_input_size_is_measured(
    command: Command, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    resized = ("shrink", "resize", trained / "network.onnx", "--size", "64x48", "--json")
    target = ("--data", data, "--split", "val", "-o", tmp_path / "larger.onnx")
    assert command(*resized, *target) == 0
    before, after = json.loads(capsys.readouterr().out)["stages"]
    assert after["multiply_adds"] == 2 * before["multiply_adds"]
    assert 0 <= after["mean_iou"] <= 1
