"""``tatami train``: what it refuses before it begins, and a whole run of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from PIL import Image

from tatami.data.pictures import read_picture
from tatami.pipeline.artifact import open_artifact

Command = Callable[..., int]
SMALL = (
    *("--size", "96x64", "--width", "0.1", "--batch", "2", "--anchors", "1", "--threads", "1"),
    *("--epochs", "2", "--closing-epochs", "1"),
)


@pytest.fixture
def refused(
    command: Command, halves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The one line on standard error of a training that nothing came of."""

    def line(*arguments: object) -> str:
        code = command("train", *arguments)
        captured = capsys.readouterr()
        assert code == 2
        assert captured.out == ""
        assert captured.err.startswith("tatami: ")
        assert captured.err.count("\n") == 1
        assert not (tmp_path / "new").exists()
        assert not Path("runs").exists()
        return captured.err

    return line


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run without --out would lie."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_a_whole_run(
    command: Command, halves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "new"
    code = command("train", "yolov2-tiny", "--data", halves, "-o", run, *SMALL, "--nms", "agnostic")
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "mAP" in printed.out
    assert "2 pictures" in printed.out
    assert f"wrote {run}" in printed.err
    names = {"run.json", "log.jsonl", "checkpoints", "weights.safetensors", "network.onnx"}
    assert {path.name for path in run.iterdir()} == names

    settings = json.loads((run / "run.json").read_text())
    assert settings["recipe"]["size"] == "96x64"
    assert settings["recipe"]["epochs"] == 2
    assert settings["data"]["root"] == str(halves)
    assert (settings["data"]["split"], settings["data"]["test_split"]) == ("train", "test")
    assert settings["threads"] == settings["processes"] == 1
    assert set(settings["versions"]) == {"tatami", "torch", "numpy", "python"}
    assert len((run / "log.jsonl").read_text().splitlines()) == 2
    weights = safetensors.numpy.load_file(run / "weights.safetensors")
    onnx.checker.check_model(onnx.load(run / "network.onnx"))
    assert open_artifact(run).spec.decoding.agnostic
    assert weights["conv9.weight"].shape == (7, 104, 1, 1)

    assert command("evaluate", run, "--data", halves, "--split", "test") == 0
    assert "mAP" in capsys.readouterr().out
    picture = read_picture(halves / "JPEGImages" / "000000.jpg")
    by_torch = open_artifact(run).predictor.detect(picture, 0.001)
    by_numpy = open_artifact(run / "network.onnx").predictor.detect(picture, 0.001)
    assert len(by_torch)
    np.testing.assert_allclose(by_torch.xyxy, by_numpy.xyxy, atol=1e-2)
    np.testing.assert_allclose(by_torch.scores, by_numpy.scores, atol=1e-5)


def test_a_set_without_a_test_split(
    command: Command, squares_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "new"
    assert command("train", "yolov2-tiny", "--data", squares_set, "-o", run, *SMALL) == 0
    assert capsys.readouterr().out == ""
    assert (run / "network.onnx").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no model or no data"),
        (("yolov2-tiny",), "no model or no data"),
        (("--size", "400x300"), "input size 400x300 is not a multiple"),
        (("--size", "wide"), "'wide' is not a size"),
        (("--size", "0x0"), "size 0x0 is empty"),
        (("--width", "0"), "width is 0"),
        (("--width", "nan"), "width is nan"),
        (("--width", "1e9"), "width is 1e+09"),
        (("--epochs", "0"), "epochs is 0"),
        (("--batch", "-1"), "batch is -1"),
        (("--learning-rate", "nan"), "learning_rate is nan"),
        (("--multi-scale", "1"), "multi_scale is 1"),
        (("--augment", "mosaic=2"), "augmentation mosaic=2"),
        (("--augment", "elastic=0.02"), "elastic deformation is not supported for boxes"),
        (("--augment", "flap=1"), "--augment: 'flap=1' is not understood"),
        (("--augment", "scale=1"), "--augment: 'scale=1' is not understood"),
        (("--augment", "hue"), "--augment: 'hue' is not understood"),
        (("--augment", "flip=nan"), "augmentation flip=nan"),
        (("--precision", "half"), "no precision 'half'"),
        (("--seed", "-1"), "seed is -1"),
        (("--threads", "-1"), "-1 threads"),
        (("--device", "abacus"), "no device 'abacus'"),
        (("--anchors", "0"), "0 anchors asked for"),
        (("--anchors", "99"), "cannot make 99 anchors"),
        (("--anchors", "1,2 3"), "'1,2 3' are no anchors"),
        (("--anchors", "nan,1"), "are no anchors"),
        (("--anchors", "-1,1"), "are no anchors"),
        (("--anchors", ""), "are no anchors"),
        (("--nms", "soft"), "--nms: 'soft' is no way to suppress"),
        (("--train-split", "all"), "no split 'all'"),
        (("--test-split", "all"), "no split 'all'"),
        (("--format", "coco"), "not a labeled set"),
        (("--skip", "all"), "'all' is not a kind"),
    ],
    ids=str,
)
def test_what_is_refused(
    refused: Callable[..., str], halves: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    if arguments[:1] not in ((), ("yolov2-tiny",)):
        new = ("yolov2-tiny", "--data", str(halves), "-o", str(tmp_path / "new"))
        arguments = (*new, *SMALL, *arguments)
    assert said in refused(*arguments)


def test_a_model_that_there_is_not(refused: Callable[..., str], halves: Path) -> None:
    line = refused("yolo2-tiny", "--data", halves)
    assert "no model 'yolo2-tiny' (did you mean yolov2-tiny?)" in line
    line = refused("perceptron", "--data", halves)
    assert "no model 'perceptron' (the models are dssd" in line


def test_data_that_are_not_there(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no such folder" in refused("yolov2-tiny", "--data", tmp_path / "absent")
    assert "looked for" in refused("yolov2-tiny", "--data", tmp_path / "empty")


def test_a_fault_in_the_test_split_is_found_before_the_training(
    refused: Callable[..., str], halves: Path, tmp_path: Path
) -> None:
    (halves / "Annotations" / "000003.xml").write_text("<annotation>")
    line = refused("yolov2-tiny", "--data", halves, "-o", tmp_path / "new", *SMALL)
    assert "000003.xml" in line


def test_a_run_that_is_there_already(
    command: Command, halves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "old"
    run.mkdir()
    (run / "run.json").write_text("{}")
    assert command("train", "yolov2-tiny", "--data", halves, "-o", run) == 2
    assert f"{run}: a run is there already (resume it" in capsys.readouterr().err
    assert [path.name for path in run.iterdir()] == ["run.json"]


def test_out_that_is_a_file(refused: Callable[..., str], halves: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "file" in refused("yolov2-tiny", "--data", halves, "-o", tmp_path / "file", *SMALL)
    assert (tmp_path / "file").read_text() == "mine"


def test_resuming(
    command: Command,
    refused: Callable[..., str],
    halves: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    for folder in (halves, tmp_path / "absent"):
        assert "no run.json: not a run folder" in refused("--resume", folder)
    assert command("train", "yolov2-tiny", "--data", halves, "-o", run, *SMALL) == 0
    capsys.readouterr()
    for name, value in (("data", halves), ("patience", 9), ("learning-rate", 0.5), ("skip", "all")):
        assert f"it takes no {name} (" in refused("--resume", run, f"--{name}", value)

    assert command("train", "--resume", run) == 0
    assert "began with" not in capsys.readouterr().err
    written = (run / "run.json").read_text()
    settings = json.loads(written)
    settings["versions"]["torch"] = "0.1"
    (run / "run.json").write_text(json.dumps(settings))
    assert command("train", "--resume", run) == 0
    assert "the run began with torch 0.1, this is" in capsys.readouterr().err
    (run / "run.json").write_text(written)
    newest = run / "checkpoints" / "step-00000002" / "state.safetensors"
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    assert f"{newest}: checkpoint does not match its checksum (remove" in refused("--resume", run)
    newest.write_bytes(content)

    picture = halves / "JPEGImages" / "000000.jpg"
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(picture)
    assert f"{halves}: the labeled set has changed since the run began" in refused("--resume", run)


def test_a_run_that_is_not_over_cannot_be_evaluated(
    command: Command, halves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert command("train", "yolov2-tiny", "--data", halves, "-o", run, *SMALL) == 0
    (run / "weights.safetensors").unlink()
    capsys.readouterr()
    assert command("evaluate", run, "--data", halves, "--split", "test") == 2
    assert "the run is not over: it has no weights yet (resume its training" in (
        capsys.readouterr().err
    )
