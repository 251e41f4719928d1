"""A real SSD in 8 bits (MobileNet, COCO, 2018) from file to boxes, decoded here in plain NumPy."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tatami import graph
from tatami.errors import TatamiError
from tatami.importers.imported import Imported
from tatami.importers.tflite import read_tflite
from tatami.program.interpret import run
from tatami.program.lower import lower
from tatami.rules.picture import prepare
from tatami.types import Size


@pytest.fixture(scope="module")
def folder(shared_data) -> Path:
    found = shared_data / "weights" / "mobilenet-ssd-coco"
    if not found.is_dir():
        pytest.skip(f"no file at {found}")
    return found


@pytest.fixture(scope="module")
def found(folder) -> Imported:
    return read_tflite(folder / "detect.tflite", folder / "labelmap.txt", None)


@pytest.fixture(scope="module")
def dog(shared_data) -> np.ndarray:
    path = shared_data / "reference" / "darknet" / "images" / "dog.jpg"
    if not path.is_file():
        pytest.skip(f"no picture at {path}")
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def program(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("ssd") / "net.onnx"
    onnx.save(found.model, path)
    return lower(graph.read(path))


@pytest.fixture(scope="module")
def maps(found, dog, exact_sums) -> list[np.ndarray]:
    """The raw maps of the picture by ONNX Runtime, each (channels, rows, columns)."""
    session = onnxruntime.InferenceSession(found.model.SerializeToString(), exact_sums)
    image, _ = prepare(dog, found.input)
    return [each[0] for each in session.run(None, {"images": image[None]})]


def decoded(maps, decoding, classes: int, threshold: float) -> list[tuple[int, float, np.ndarray]]:
    """(label, score, xyxy in pixels of the input), best first: W. Liu et al. 2016."""
    boxes, scores = [], []
    for index, grid in enumerate(decoding.grids):
        raw, seen = maps[2 * index], maps[2 * index + 1]
        count = len(grid.anchors)
        _, rows, columns = raw.shape
        row, column = np.mgrid[:rows, :columns]
        for anchor, (width, height) in enumerate(grid.anchors):
            tx, ty, tw, th = raw.reshape(count, 4, rows, columns)[anchor]
            x = (column + 0.5) * grid.stride[0] + tx * decoding.variances[0] * width
            y = (row + 0.5) * grid.stride[1] + ty * decoding.variances[0] * height
            w = width * np.exp(tw * decoding.variances[1])
            h = height * np.exp(th * decoding.variances[1])
            boxes.append(np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1).reshape(-1, 4))
            logits = seen.reshape(count, 1 + classes, -1)[anchor, 1:].T
            scores.append(1 / (1 + np.exp(-logits)))
    box, score = np.concatenate(boxes), np.concatenate(scores)
    result = []
    for place, label in sorted(
        zip(*np.nonzero(score > threshold), strict=True), key=lambda at: -score[at]
    ):
        near = (iou(box[place], other) for kind, _, other in result if kind == label)
        if max(near, default=0) <= decoding.iou_threshold:
            result.append((int(label), float(score[place, label]), box[place]))
    return result


def iou(a, b) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = np.prod(np.maximum(sides, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def test_the_file_says_how_it_is_used(found):
    assert found.input.size == Size(300, 300)
    assert (found.input.resize, found.input.channels) == ("stretch", "rgb")
    assert found.input.mean == (128.0,) * 3
    assert found.input.scale == (1 / 128,) * 3
    assert len(found.classes) == 80
    assert found.classes[0] == "person"
    decoding = found.decoding
    assert decoding.variances == pytest.approx((0.1, 0.2))
    assert (decoding.scores, decoding.max_detections) == ("sigmoid", 10)
    assert decoding.iou_threshold == pytest.approx(0.6)
    cells = [300 / grid.stride[0] for grid in decoding.grids]
    assert cells == pytest.approx([19, 10, 5, 3, 2, 1])
    assert [len(grid.anchors) for grid in decoding.grids] == [3, 6, 6, 6, 6, 6]
    # The smallest anchor is a tenth of the input; the file keeps it in steps of 1.94 pixels.
    assert decoding.grids[0].anchors[0] == pytest.approx((30, 30), abs=0.97)
    assert any("73 of 12639 channels" in note for note in found.notes)
    assert any("10 of 90 classes" in note for note in found.notes)


def test_a_picture_has_its_dog(found, maps):
    best: dict[str, tuple[float, np.ndarray]] = {}
    for label, score, box in decoded(maps, found.decoding, 80, 0.3):
        best.setdefault(found.classes[label], (score, box))
    # The best of each class in LiteRT's own maps of this picture, stretched by Pillow; it takes
    # the dog for a cat too.
    for name, score, box in (
        ("bicycle", 0.741, (0.177, 0.213, 0.754, 0.754)),
        ("car", 0.663, (0.601, 0.138, 0.899, 0.297)),
        ("cat", 0.631, (0.169, 0.372, 0.435, 0.932)),
        ("dog", 0.602, (0.169, 0.372, 0.435, 0.932)),
    ):
        assert best[name][0] == pytest.approx(score, abs=0.03), name
        assert iou(best[name][1] / 300, np.array(box)) > 0.9, name


def test_every_layer_is_computed_in_integers(program):
    kinds = [type(step).__name__ for step in program.steps]
    assert set(kinds) == {"QuantizedConv", "Dequantize"}
    assert (kinds.count("QuantizedConv"), kinds.count("Dequantize")) == (47, 12)
    assert program.values["images"].quantization.zero_point == 128


def test_the_program_agrees_with_onnx_runtime(found, program, maps, dog):
    image, _ = prepare(dog, found.input)
    scales = {
        each.name.removesuffix("_scale"): float(onnx.numpy_helper.to_array(each))
        for each in found.model.graph.initializer
        if each.name.endswith("BiasAdd_scale")
    }
    assert len(scales) == 12
    makers = {node.output[0]: node for node in found.model.graph.node}
    steps = []
    for name, ours, theirs in zip(program.outputs, run(program, [image]), maps, strict=True):
        scale = scales[makers[name].input[1].removesuffix("_scale")]
        steps.append(np.rint(np.abs(ours - theirs) / scale).reshape(-1))
    difference = np.concatenate(steps)
    assert (difference <= 1).mean() > 0.99
    assert difference.max() <= 6


def test_litert_gives_the_same_maps(folder, found, maps, dog):
    """Within two steps of the file's own scales, in all but one of a hundred places."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not here")
    net = litert.Interpreter(
        str(folder / "detect.tflite"),
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    net.allocate_tensors()
    image, _ = prepare(dog, found.input)
    bytes_of = np.rint(image * 128 + 128).astype(np.uint8).transpose(1, 2, 0)
    net.set_tensor(net.get_input_details()[0]["index"], bytes_of[None])
    net.invoke()
    tensors = {each["name"]: each for each in net.get_tensor_details()}
    names = (folder / "labelmap.txt").read_text().splitlines()
    labels = [0, *(index for index, name in enumerate(names) if index and name != "???")]
    steps = []
    for index in range(6):
        for kind, ours in zip(("BoxEncoding", "Class"), maps[2 * index :][:2], strict=True):
            detail = tensors[f"BoxPredictor_{index}/{kind}Predictor/BiasAdd"]
            scale, zero = detail["quantization"]
            raw = (net.get_tensor(detail["index"])[0].astype(float) - zero) * scale
            part, width = ([1, 0, 3, 2], 4) if kind == "BoxEncoding" else (labels, 91)
            theirs = raw.reshape(*raw.shape[:2], -1, width)[..., part].reshape(*raw.shape[:2], -1)
            steps.append(np.rint(np.abs(ours - theirs.transpose(2, 0, 1)) / scale).reshape(-1))
    difference = np.concatenate(steps)
    assert (difference <= 2).mean() > 0.99
    assert difference.max() <= 10


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 20_000), st.integers(0, 255)),
        min_size=1,
        max_size=5,
    )
)
def test_a_damaged_copy_is_read_or_refused(folder, tmp_path, changes):
    """The tables lie at the two ends of the file, the weights between them."""
    damaged = bytearray((folder / "detect.tflite").read_bytes())
    for at_end, place, value in changes:
        damaged[-1 - place if at_end else place] = value
    (tmp_path / "damaged.tflite").write_bytes(damaged)
    with contextlib.suppress(TatamiError):
        read_tflite(tmp_path / "damaged.tflite", None, None)
