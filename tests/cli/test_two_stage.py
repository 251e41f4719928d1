"""Detectors in two stages by the commands: from labeled pictures to detections and to C."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami import graph
from tatami.data.open import open_dataset
from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata
from tatami.pipeline.artifact import open_artifact
from tatami.ship.c.run.description import describe_joined
from tatami.ship.c.targets import TARGETS, missing
from tatami.tasks.proposals import judged_regions, read_proposals, write_proposals
from tatami.tasks.two_stage import head_beside
from tatami.types import Boxes, TwoStageSpec

Command = Callable[..., int]
QUICK = ("--threads", 1, "--batch", 4, "--epochs", 1, "--augment", "flip=0")
SMALL = ("--size", "64x64", "--width", 0.1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures to train on and two to test on, each with a square or two, as VOC's."""
    root = tmp_path_factory.mktemp("squares")
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    colors = {"red": (220, 30, 30), "blue": (30, 30, 220)}
    for split, count in (("train", 8), ("test", 2)):
        names = [f"{split}{index}" for index in range(count)]
        (root / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            picture = rng.integers(90, 140, (64, 96, 3), dtype=np.uint8)
            things = ""
            for (label, color), left in zip(colors.items(), (2, 50), strict=True):
                x, y = left + int(rng.integers(0, 14)), int(rng.integers(2, 30))
                picture[y : y + 28, x : x + 28] = color
                things += (
                    f"<object><name>{label}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
                    f"<xmax>{x + 28}</xmax><ymax>{y + 28}</ymax></bndbox></object>"
                )
            Image.fromarray(picture).save(root / "JPEGImages" / f"{name}.png")
            (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{things}</annotation>")
    return root


def test_faster_rcnn_from_pictures_to_c(
    command: Command, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train = ("train", "faster-rcnn-mobilenet-v1", "--data", data, "-o", run, *SMALL, *QUICK)
    assert command(*train, "--nms", "agnostic") == 0
    assert {path.name for path in run.glob("*.onnx")} == {"network.onnx", "head.onnx"}
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert {"objectness", "anchors", "classes", "coordinates"} <= set(rows[0])
    spec = graph.read(run / "head.onnx").spec
    assert isinstance(spec, TwoStageSpec)
    assert (spec.part, spec.classes, spec.decoding.agnostic) == ("head", ("blue", "red"), True)
    capsys.readouterr()
    measure = ("evaluate", run, "--data", data, "--split", "test", "--json")
    assert command(*measure) == 0
    answers = [json.loads(capsys.readouterr().out)]
    both = tmp_path / "both"
    both.mkdir()
    for name in ("network.onnx", "head.onnx"):
        assert command("fold", run / name, "-o", both / name) == 0
    capsys.readouterr()
    assert command("evaluate", both, "--data", data, "--split", "test", "--json") == 0
    answers.append(json.loads(capsys.readouterr().out))
    assert answers[0]["map_voc07"] == pytest.approx(answers[1]["map_voc07"], abs=1e-3)
    pictures = data / "JPEGImages" / "test0.png"
    assert command("predict", run, pictures, "-o", tmp_path / "drawn", "--score", 0.01) == 0
    look = ("see", "features", run, pictures, "--layer", "features", "-o", tmp_path / "inside")
    capsys.readouterr()
    assert command(*look, "--class", "red", "--json") == 0
    activation = json.loads(capsys.readouterr().out)["activation"]
    assert (activation["class"], activation["layer"]) == ("red", "features")
    assert "the class number of the region" in activation["meaning"]
    assert (tmp_path / "inside" / activation["file"]).is_file()
    assert command("see", "anchors", run, "--data", data, "-o", tmp_path / "anchors") == 0
    shipped = ("ship", both, "-o", run / "c", "--name", "two", "--weights", "binary")
    assert command(*shipped, "--target", "portable", "--no-build") == 0
    assert describe_joined(run / "c") is not None
    content = json.loads((run / "c" / "network.json").read_text())
    assert from_metadata(content["metadata"]) == open_artifact(both).spec

    # In integers: a pair of files beside the other, and the C of it.
    calibrated = ("--data", data, "--split", "train", "--pictures", 4)
    capsys.readouterr()
    assert command("quantize", run, *calibrated, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    first, second = run / "network-int8.onnx", run / "head-int8.onnx"
    assert (told["output"], told["head"]) == (str(first), str(second))
    assert {"model.regions.scores", "model.regions.offsets"} <= {
        layer["name"] for layer in told["layers"]
    }
    assert all(layer["sqnr"] > 10 for layer in told["layers"])
    assert command("evaluate", first, "--data", data, "--split", "test", "--json") == 0
    shipped = ("ship", first, "-o", run / "c-int8", "--name", "few", "--weights", "binary")
    assert command(*shipped, "--target", "portable", "--no-build") == 0
    assert command("summary", run, "--json") == 0
    capsys.readouterr()
    if shutil.which("cc") is None:
        return
    prove = ("prove", run, "--data", data, "--split", "test")
    assert command(*prove, "--json") in (0, 1)  # two pictures, and so a mAP that leaps
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    for half in ("features", "head"):
        assert rows[f"{half} of network"]["held_to"] == f"{half} of torch"
        assert rows[f"{half} of C"]["held_to"] == f"{half} of network"
        assert rows[f"{half} of network-int8"]["held_to"] == f"{half} of network"
        assert rows[f"{half} of C int8"]["held_to"] == f"{half} of network-int8"
        for stage in ("network", "C", "C int8"):
            row = rows[f"{half} of {stage}"]
            assert row["passed"], row
            assert row["bound"] == (0 if stage == "C int8" else 3e-5)
        assert rows[f"{half} of network-int8"]["unit"] == "dB"
        assert rows[f"{half} of network-int8"]["worst"] > 5
    for stage in ("C boxes", "C int8 boxes"):
        assert (rows[stage]["worst"], rows[stage]["bound"]) == (0, 0)
    assert rows["C int8"]["mean_ap"] == rows["network-int8"]["mean_ap"]
    assert command("report", run) == 0
    page = (run / "report.html").read_text()
    assert "a region: model/" in page
    assert "have an anchor" in page
    assert "Grad-CAM" in page

    # The integers on another machine, with each of its kernels, and the boxes that it finds there.
    lacks = missing(TARGETS["aarch64"])
    if lacks is not None:
        pytest.skip(f"{lacks} is not installed")
    arm = tmp_path / "arm"
    shipped = ("ship", first, "-o", arm, "--weights", "binary", "--target", "aarch64")
    assert command(*shipped, "--ram", "1K") == 2
    told_why = capsys.readouterr().err
    assert " features: backbone/features" in told_why
    assert "and there are 1,024" in told_why
    assert not arm.exists()
    assert command(*shipped, "--ram", "64M", "--flash", "64M", "--json") == 0
    needs = json.loads(capsys.readouterr().out)
    halves = needs["networks"]
    assert needs["measured"]
    assert needs["ram"] > sum(half["arena"] for half in halves)
    assert needs["flash"] > sum(half["weights"] for half in halves)
    assert not (arm / f"{needs['name']}_detect").exists()  # which is not for this machine
    prove = ("prove", first, arm, "--data", data, "--split", "test", "--pictures", 1)
    assert command(*prove, "--variants", "--on", "aarch64", "--json") == 0
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    for half in ("features", "head"):
        for kernels in ("int8 portable", "aarch64 dotprod", "aarch64 neon", "aarch64 portable"):
            row = rows[f"{half} of C {kernels}"]
            assert (row["held_to"], row["worst"]) == (f"{half} of network-int8", 0)
    assert rows["C aarch64 dotprod boxes"]["worst"] == 0


def test_the_head_lies_beside_its_network(tmp_path: Path) -> None:
    assert head_beside(tmp_path / "network-int8.onnx") == tmp_path / "head-int8.onnx"
    with pytest.raises(TatamiError, match="cannot be told"):
        head_beside(tmp_path / "detector.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["fast-rcnn-mobilenet-v1", "rcnn"])
def test_with_the_regions_of_selective_search(
    model: str, command: Command, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert command("train", model, "--data", data, "-o", run, *SMALL, *QUICK) == 0
    assert len(read_proposals(run / "proposals.npz", 8)) == 8
    assert command("evaluate", run, "--data", data, "--split", "test") == 0
    assert command("train", "--resume", run) == 0


@pytest.mark.slow
def test_in_four_turns(command: Command, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train = ("train", "faster-rcnn-mobilenet-v1", "--data", data, "-o", run, *SMALL, *QUICK)
    assert command(*train, "--alternate") == 0
    logs = [
        json.loads((run / f"step-{k}" / "log.jsonl").read_text().splitlines()[0])
        for k in range(1, 5)
    ]
    parts = [set(row) & {"objectness", "classes"} for row in logs]
    assert parts == [{"objectness"}, {"classes"}, {"objectness"}, {"classes"}]
    from safetensors.numpy import load_file

    from tatami.train import checkpoint

    saved = [checkpoint.load_latest(run / f"step-{k}" / "checkpoints") for k in range(1, 5)]
    averages = [one.part("average") for one in saved if one is not None]
    assert len(averages) == 4
    first = "backbone.features.0.conv.weight"
    assert not (averages[0][first] == averages[1][first]).all()
    assert (averages[1][first] == averages[2][first]).all()
    assert (averages[2][first] == averages[3][first]).all()
    assert (averages[2]["rpn.conv.weight"] == averages[3]["rpn.conv.weight"]).all()
    assert not (averages[2]["regions.scores.weight"] == averages[3]["regions.scores.weight"]).all()
    weights = load_file(run / "weights.safetensors")
    for name, tensor in averages[3].items():
        np.testing.assert_array_equal(weights[name], tensor.numpy())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fast-rcnn", "--alternate"), "for Faster R-CNN"),
        (("yolov2-tiny", "--alternate"), "for Faster R-CNN"),
        (("rcnn", "--evaluate-every", 1), "whole only when"),
        (("faster-rcnn", "--anchors", "5"), "--anchors: the network has its own boxes"),
        (("faster-rcnn", "--label-smoothing", 0.1), "classifiers"),
        (("faster-rcnn", "--nms", "none"), "no way to suppress"),
    ],
)
def test_what_has_no_meaning_is_refused(
    arguments: tuple[object, ...], said: str, command: Command, data: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert command("train", *arguments, "--data", data, "-o", tmp_path / "run") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_proposals_are_kept_and_damage_is_said(tmp_path: Path) -> None:
    file = tmp_path / "p.npz"
    made = [np.ones((3, 4), np.float32), np.zeros((0, 4), np.float32), np.zeros((2, 4), np.float32)]
    write_proposals(file, made)
    for found, expected in zip(read_proposals(file, 3), made, strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(TatamiError, match="other pictures"):
        read_proposals(file, 2)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(TatamiError, match="not proposals"):
        read_proposals(file, 3)


def test_a_region_is_of_the_class_that_it_overlaps_by_half(data: Path) -> None:
    boxes = Boxes.of(
        [[0, 0, 40, 40], [0, 0, 40, 20], [0, 0, 40, 19], [50, 50, 60, 60]], [3, -1, -1, -1]
    )
    regions, classes = judged_regions(boxes)
    assert len(regions) == 4
    assert classes.tolist() == [4, 4, 0, 0]
    regions, classes = judged_regions(Boxes.of([], []))
    assert classes.tolist() == [0]
    assert len(open_dataset(data, split="train").dataset) == 8
