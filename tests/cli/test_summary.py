"""``tatami summary`` as a person runs it: totals as published, tables that fit, refusals."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tatami.pipeline.summary import summary
from tatami.types import Size

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def totals(command: Command, capsys: Capture, *arguments: object) -> dict[str, float]:
    assert command("summary", *arguments, "--json") == 0
    answer: dict[str, float] = json.loads(capsys.readouterr().out)["total"]
    return answer


def test_yolov2_tiny_is_as_published(command: Command, capsys: Capture) -> None:
    pytest.importorskip("torch")
    found = totals(command, capsys, "yolov2-tiny")
    assert round(found["multiply_adds"] / 1e9, 4) == 3.4855
    assert round(found["operations"] / 1e9) == 7  # "7 Bn"
    assert round(found["parameters"] / 1e6, 2) == 15.87
    # tiny-yolo-voc.weights, as darknet's authors publish it, has 63,471,556 bytes, 16 of a header.
    assert found["weight_bytes"] == 63_471_556 - 16


def test_a_smaller_input_and_a_narrower_network(command: Command, capsys: Capture) -> None:
    pytest.importorskip("torch")
    small = totals(command, capsys, "yolov2-tiny", "--size", "352x288")
    assert round(small["operations"] / 1e9) == 4  # "about 4 Bn"
    assert small["parameters"] == 15_867_885
    options = ("--width", "0.5", "--classes", "3", "--anchors", "2", "--size", "64x32")
    assert command("summary", "yolov2-tiny", *options, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["input"] == [1, 3, 32, 64]
    assert answer["layers"][-1]["output"] == [1, 2 * (5 + 3), 1, 2]
    assert answer["layers"][-1]["multiply_adds"] == 512 * 16 * 2
    assert answer["layers"][0]["multiply_adds"] == 27 * 8 * 32 * 64


def test_a_classifier_is_as_published(command: Command, capsys: Capture) -> None:
    pytest.importorskip("torch")
    found = totals(command, capsys, "mobilenet-v1")
    assert round(found["multiply_adds"] / 1e6) == 569
    # 4,231,976 numbers that were learnt, and the running mean and variance of 10,944 channels.
    assert found["parameters"] == 4_231_976 + 2 * 10_944
    small = totals(command, capsys, "mobilenet-v1", "--size", "128x128", "--width", "0.5")
    assert round(small["multiply_adds"] / 1e6) == 49  # 149 by (128 / 224)^2, without the last layer
    assert command("summary", "lenet5", "--classes", "15", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["input"] == [1, 3, 32, 32]
    assert answer["layers"][-1]["output"] == [1, 15]


def test_a_classifier_refuses_anchors_and_a_size_of_uneven_bins(
    command: Command, capsys: Capture
) -> None:
    pytest.importorskip("torch")
    assert command("summary", "lenet5", "--anchors", "3") == 2
    assert "the classifier has no anchors" in capsys.readouterr().err
    assert command("summary", "lenet5", "--size", "28x28") == 2
    assert "28x28 is too small" in capsys.readouterr().err
    assert command("summary", "sppnet", "--size", "131x100", "--width", "0.1") == 2
    assert "does not fall into 6x6 bins" in capsys.readouterr().err


def test_a_file_and_its_table(
    command: Command, square_finder: Path, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "out" / "layers.csv"
    assert command("summary", square_finder, "--csv", file) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines()[:-1])) <= 80
    count = 7 * 3 * 32 * 32 * 6
    assert f"{count:,} multiply-adds" in text
    assert "each of two operations" in text
    assert f"{7 * 3 * 32 * 32 + 7:,} parameters" in text
    with file.open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert (row["operators"], row["output"]) == ("Conv", "1x7x2x3")
    assert int(row["multiply_adds"]) == count
    moved = int(row["weight_bytes"]) + int(row["activation_bytes"])
    assert moved == 4 * (7 * 3 * 32 * 32 + 7) + 4 * (3 * 64 * 96 + 7 * 6)
    assert float(row["multiply_adds_per_byte"]) == count / moved


def test_a_file_at_another_size(command: Command, square_finder: Path, capsys: Capture) -> None:
    usual = totals(command, capsys, square_finder)
    larger = totals(command, capsys, square_finder, "--size", "192x128")
    assert larger["multiply_adds"] == 4 * usual["multiply_adds"]
    assert larger["parameters"] == usual["parameters"]


def test_a_run_folder_its_folded_form_and_its_integers(
    command: Command, trained: Path, house: Path, tmp_path: Path, capsys: Capture
) -> None:
    folded, integers = tmp_path / "folded.onnx", tmp_path / "int8.onnx"
    assert command("fold", trained / "network.onnx", "-o", folded) == 0
    calibration = ("--data", house / "set", "--split", "train", "--pictures", 1)
    assert command("quantize", folded, *calibration, "-o", integers) == 0
    capsys.readouterr()
    assert command("summary", trained) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "Conv norm leaky" in text
    run, float32, int8 = (totals(command, capsys, one) for one in (trained, folded, integers))
    assert run["multiply_adds"] == float32["multiply_adds"] == int8["multiply_adds"]
    assert run["parameters"] > float32["parameters"] == int8["parameters"]
    assert float32["weight_bytes"] == 4 * float32["parameters"]
    assert int8["parameters"] < int8["weight_bytes"] < 0.5 * float32["weight_bytes"]
    assert int8["activation_bytes"] < 0.4 * float32["activation_bytes"]


def test_refusals(
    command: Command, square_finder: Path, bad_run: Callable[[str], Path], tmp_path: Path,
    capsys: Capture,
) -> None:  # fmt: skip
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(square_finder.read_bytes()[:5000])
    unfinished = bad_run("no weights")
    (unfinished / "network.onnx").unlink()
    for arguments, said in (
        (("perceptron",), "the models are dssd"),
        (("ResNet-18",), "did you mean resnet18? Or give an ONNX file"),
        (("yolov2-tiny", "--size", "300"), "stride, 32"),
        (("yolov2-tiny", "--size", "wide"), "not a size"),
        (("yolov2-tiny", "--size", "99968x99968"), "too large"),
        (("yolov2-tiny", "--width", "0"), "width is 0"),
        ((tmp_path / "none.onnx",), "no such file"),
        ((tmp_path,), "neither a run folder nor an ONNX file"),
        ((cut,), "cut.onnx"),
        ((square_finder, "--width", "0.5"), "--width: it is for a model's name"),
        ((square_finder, "--classes", "2"), "--classes: it is for a model's name"),
        ((unfinished,), "not over"),
    ):
        capsys.readouterr()
        assert command("summary", *arguments) == 2, arguments
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["faster-rcnn", "fast-rcnn-resnet18", "rcnn"])
def test_both_networks_of_two_stages(name: str, command: Command, capsys: Capture) -> None:
    pytest.importorskip("torch")
    from tatami.models.rcnn import RCNN
    from tatami.models.table import MODELS

    small = ("--size", "96x64" if name != "rcnn" else "95x95", "--width", "0.1", "--classes", 3)
    row = MODELS[name]
    model = row.build(row.spec(("a", "b", "c"), Size(96, 64)), 0.1)
    learned = sum(one.numel() for one in model.parameters())
    learned += sum(
        one.numel() for key, one in model.named_buffers() if key.endswith(("mean", "var"))
    )
    if isinstance(model, RCNN):  # its classifier is for training alone
        learned -= sum(one.numel() for one in model.alexnet.classifier[-1].parameters())
    assert command("summary", name, *small, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    parts = [answer[part]["total"] for part in ("features", "head") if part in answer]
    assert len(parts) == 2 - (name == "rcnn")
    assert answer["total"]["parameters"] == sum(part["parameters"] for part in parts) == learned
    regions = {"faster-rcnn": 300}.get(name, 2000)
    assert answer["regions"] == regions
    counts = [part["multiply_adds"] for part in parts]
    assert answer["total"]["multiply_adds"] == sum(counts[:-1]) + regions * counts[-1]
    if name == "faster-rcnn":
        # fc6 of 7 x 7 bins, fc7, and the layers beside each other: a weight is used once a region
        shapes = [model.get_parameter(key).shape for key in (
            "backbone.classifier.0.weight", "backbone.classifier.3.weight",
            "regions.scores.weight", "regions.offsets.weight",
        )]  # fmt: skip
        assert counts[-1] == sum(outputs * inputs for outputs, inputs in shapes)
    assert command("summary", name, *small) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert f"a picture of {regions:,} regions" in text
    assert command("summary", name, "--anchors", 3) == 2
    assert "has its own boxes" in capsys.readouterr().err


def test_a_segmenter_is_as_published(command: Command, capsys: Capture) -> None:
    pytest.importorskip("torch")
    assert command("summary", "segnet-basic", "--size", "64x32", "--width", "0.1") == 0
    assert "input 1x3x32x64" in capsys.readouterr().out
    assert command("summary", "unet", "--anchors", "3") == 2
    assert "the segmenter has no anchors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("vgg16", 138_357_544),
        ("resnet18", 11_689_512),
        ("mobilenet-v1", 4_231_976),
        ("unet", 31_031_810),
        ("googlenet", 6_624_904),  # without the two classifiers that only train
    ],
)
def test_parameters_as_the_papers_count_them(name: str, published: int) -> None:
    """Without running statistics, which do not learn, and with biases that begin as zeros."""
    (part,) = summary(name).parts
    assert part.learned == published
    assert f"{published:,} parameters; a file holds {part.total.parameters:,} numbers" in (
        "\n".join(summary(name).lines_of(part))
    )


def test_a_file_does_not_say_which_numbers_are_learned(square_finder: Path) -> None:
    (part,) = summary(square_finder).parts
    assert part.learned is None
    assert "learned" not in part.to_json()
