"""``tatami see features``: every kind of network, the pictures that it writes, what it refuses."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from tatami.graph.metadata import to_metadata
from tatami.types import ClassificationSpec, Decoding, DetectionSpec, InputSpec, Size
from tatami.types.colors import class_color

Command = Callable[..., int]
node = helper.make_node


def save_classifier(path: Path, spec: ClassificationSpec | None = None) -> None:
    """Red, green or blue: 1x1 convolutions that copy the colors, their means, a softmax."""
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    kind = onnx.TensorProto.FLOAT
    content = helper.make_graph(
        [
            node("Conv", ["images", "conv1.weight"], ["conv1"]),
            node("Relu", ["conv1"], ["relu1"]),
            node("MaxPool", ["relu1"], ["pool"], kernel_shape=[4, 4], strides=[4, 4]),
            node("Conv", ["pool", "conv2.weight"], ["conv2"]),
            node("GlobalAveragePool", ["conv2"], ["mean"]),
            node("Flatten", ["mean"], ["flat"]),
            node("Softmax", ["flat"], ["classes"]),
        ],
        "colors",
        [helper.make_tensor_value_info("images", kind, [1, 3, 64, 96])],
        [helper.make_tensor_value_info("classes", kind, [1, 3])],
        [
            numpy_helper.from_array(eye, "conv1.weight"),
            numpy_helper.from_array(2 * eye, "conv2.weight"),
        ],
    )
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(content, opset_imports=opsets, ir_version=10)
    if spec is not None:
        helper.set_model_props(model, to_metadata(spec))
    onnx.save(model, path)


def save_deep_finder(path: Path) -> None:
    """The square finder behind a convolution that copies the picture: with maps to explain by."""
    weights = np.zeros((7, 3, 32, 32), np.float32)
    weights[4, :2], weights[5, 0], weights[6, 1] = 40 / 32**2, 20 / 32**2, 20 / 32**2
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    kind = onnx.TensorProto.FLOAT
    content = helper.make_graph(
        [
            node("Conv", ["images", "copy.weight"], ["copy"]),
            node("Relu", ["copy"], ["copied"]),
            node("Conv", ["copied", "head.weight", "head.bias"], ["map"], strides=[32, 32]),
        ],
        "squares",
        [helper.make_tensor_value_info("images", kind, [1, 3, 64, 96])],
        [helper.make_tensor_value_info("map", kind, [1, 7, 2, 3])],
        [
            numpy_helper.from_array(eye, "copy.weight"),
            numpy_helper.from_array(weights, "head.weight"),
            numpy_helper.from_array(np.array([0, 0, 0, 0, -20, 0, 0], np.float32), "head.bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(content, opset_imports=opsets, ir_version=10)
    decoding = Decoding.yolov2(((1.0, 1.0),))
    spec = DetectionSpec(("red", "green"), InputSpec(Size(96, 64)), decoding)
    helper.set_model_props(model, to_metadata(spec))
    onnx.save(model, path)


def answer(command: Command, capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """What ``tatami see features ... --json`` says; every file that it names is a whole PNG."""
    capsys.readouterr()
    assert command("see", "features", *arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    out = Path(str(arguments[arguments.index("-o") + 1]))
    assert json.loads((out / "features.json").read_text()) == found
    named = [
        *found["maps"],
        *found["filters"],
        *([found["activation"]] if found["activation"] else []),
    ]
    assert {one["file"] for one in named} | {"features.json"} == {p.name for p in out.iterdir()}
    for one in named:
        with Image.open(out / one["file"]) as image:
            assert image.format == "PNG"
            image.load()
    return found


def test_a_classifier_without_metadata(
    command: Command, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, out = tmp_path / "colors.onnx", tmp_path / "out"
    save_classifier(network)
    found = answer(command, capsys, network, house / "picture.jpg", "-o", out)
    assert found["activation"]["class"] == "0"  # the picture has a red square
    assert found["activation"]["layer"] == "conv2"
    assert "0 to 1" in found["assumed"]
    assert [one["layer"] for one in found["maps"]] == ["conv1", "conv2"]
    assert found["maps"][0]["value"] == "relu1"
    assert [one["layer"] for one in found["filters"]] == ["conv1", "conv2"]

    # The square, at row 0 and column 1 of cells of 32, is hot; the rest is not.
    image = Image.open(out / found["activation"]["file"]).convert("L")
    heat = np.asarray(image.crop((0, 22, 320, 22 + 213)).resize((96, 64))).astype(int)
    assert heat[4:28, 36:60].min() > heat[40:].max() + 40
    assert heat[4:28, 36:60].min() > heat[:, 72:].max() + 40

    again = answer(
        command, capsys, network, house / "picture.jpg", "-o", out, "--class", "1",
        "--layer", "flat", "--layer", "pool", "--cam-layer", "relu1", "--maps", "2",
    )  # fmt: skip
    assert again["activation"]["class"] == "1"
    assert again["activation"]["layer"] == "relu1"
    assert [(one["layer"], one["shape"]) for one in again["maps"]] == [
        ("flat", [3]),
        ("pool", [3, 16, 24]),
    ]


def test_a_classifier_with_metadata(
    command: Command, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, out = tmp_path / "colors.onnx", tmp_path / "out"
    spec = ClassificationSpec(("red", "green", "blue"), InputSpec(Size(96, 64), channels="bgr"))
    save_classifier(network, spec)
    found = answer(command, capsys, network, house / "picture.jpg", "-o", out)
    assert found["activation"]["class"] == "blue"  # the first plane is blue's
    assert found["activation"]["meaning"] == "the number of the class, before the softmax"
    assert found["assumed"] == ""
    again = answer(command, capsys, network, house / "picture.jpg", "-o", out, "--class", "red")
    assert again["activation"]["class"] == "red"
    refused = ("--class", "black", "-o", tmp_path / "none")
    assert command("see", "features", network, house / "picture.jpg", *refused) == 2
    assert "no class 'black' (the classes are red, green, blue)" in capsys.readouterr().err


def test_a_detector_and_its_words(
    command: Command, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, out = tmp_path / "finder.onnx", tmp_path / "out"
    save_deep_finder(network)
    found = answer(command, capsys, network, house / "picture.jpg", "-o", out)
    assert found["activation"]["class"] == "red"
    assert found["activation"]["layer"] == "copied"
    assert (
        "objectness plus class number of anchor 0 at row 0, column 1"
        in (found["activation"]["meaning"])
    )
    drawn = np.asarray(Image.open(out / found["activation"]["file"])).astype(int)
    edge = drawn[22 + 53, 104:110]  # of the box, at 32 of 96 pixels, enlarged to 320
    assert (np.abs(edge - class_color(0)).max(axis=1) < 3).any()
    assert command("see", "features", network, house / "picture.jpg", "-o", out) == 0
    said = capsys.readouterr().out
    assert "'red', score" in said
    assert re.search(r"copy +3x64x96 +0 \.\.\. 0\.99\d", said)
    assert max(len(line) for line in said.split("'red', score")[0].splitlines()) <= 80


def test_a_run_folder(
    command: Command, house: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = answer(command, capsys, trained, house / "picture.jpg", "-o", out)
    assert found["network"].endswith("network.onnx")
    assert found["activation"]["class"] in ("red", "green")
    assert found["activation"]["layer"].startswith("conv8")
    assert found["maps"][0]["layer"].startswith("conv1")
    assert len(found["maps"]) == 4


def test_integers_are_seen_as_numbers(
    command: Command, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_deep_finder(tmp_path / "finder.onnx")
    network, out = tmp_path / "int8.onnx", tmp_path / "out"
    data = ("--data", house / "set", "--split", "train")
    assert command("quantize", tmp_path / "finder.onnx", *data, "-o", network) == 0
    found = answer(command, capsys, network, house / "picture.jpg", "-o", out, "--layer", "copy")
    low, high = map(float, found["maps"][0]["range"].split(" ... "))
    assert low == pytest.approx(0, abs=0.02)
    assert high == pytest.approx(1, abs=0.02)
    if found["activation"] is None:
        assert "has no derivative" in found["no_activation"]


def test_a_network_that_nothing_explains(
    command: Command, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One convolution from the picture to the raw map: the maps are drawn, and the rest is said."""
    out = tmp_path / "out"
    found = answer(command, capsys, house / "squares.onnx", house / "picture.jpg", "-o", out)
    assert found["activation"] is None
    assert "no layer of the network has maps" in found["no_activation"]
    assert [one["layer"] for one in found["maps"]] == ["map"]
    assert command("see", "features", house / "squares.onnx", house / "picture.jpg", "-o", out) == 0
    assert "no class activation: no layer" in capsys.readouterr().out


REFUSED = {
    # what is asked for, and what is said
    "an unknown layer": (("--layer", "conv9"), r"no layer 'conv9' \(the layers are copy, head\)"),
    "an unknown layer to explain by": (("--cam-layer", "x"), "no layer 'x'"),
    "an unknown class": (("--class", "blue"), r"no class 'blue' \(the classes are red, green\)"),
    "a layer behind the score": (("--cam-layer", "map"), "is not made of 'map'"),
    "no maps": (("--maps", "0"), "--maps: 0 draws nothing"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(
    what: str,
    command: Command,
    house: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_deep_finder(tmp_path / "finder.onnx")
    arguments, reason = REFUSED[what]
    picture, out = house / "picture.jpg", tmp_path / "out"
    assert command("see", "features", tmp_path / "finder.onnx", picture, "-o", out, *arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(reason, said), said
    assert not out.exists()


def test_a_gray_network_is_refused(
    command: Command, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = onnx.TensorProto.FLOAT
    content = helper.make_graph(
        [node("Relu", ["images"], ["map"])],
        "gray",
        [helper.make_tensor_value_info("images", kind, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("map", kind, [1, 1, 8, 8])],
    )
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "gray.onnx")
    arguments = (tmp_path / "gray.onnx", house / "picture.jpg", "-o", tmp_path / "out")
    assert command("see", "features", *arguments) == 2
    assert "arrays of shape (1, 1, 8, 8)" in capsys.readouterr().err


def test_a_report_shows_what_the_network_sees(
    command: Command, trained: Path, run_on: Callable[[Path], Path], house: Path
) -> None:
    run = run_on(house / "set")
    assert command("report", run) == 0
    page = (run / "report.html").read_text()
    section = page[page.index('<section id="what-it-sees">') :].split("</section>")[0]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", section)
    assert len(captions) == 7
    assert captions[0].startswith("000000: found ")
    assert "Grad-CAM at conv8" in captions[1]
    assert captions[2].startswith("layer conv1")
    assert captions[6].endswith("boxes have an anchor")
    for data in re.findall(r"base64,([^\"]+)", section):
        Image.open(io.BytesIO(base64.b64decode(data))).load()
