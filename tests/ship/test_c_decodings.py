"""The decodings without anchors, and YOLOv5's: the compiled C follows the rule bit for bit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami.graph.metadata import to_metadata
from tatami.graph.read import network_of
from tatami.program.lower import lower
from tatami.rules.decoding import detections
from tatami.rules.picture import placement
from tatami.ship.c.build import build
from tatami.ship.c.emit import emit
from tatami.ship.c.tasks.detection import DETECTION_IN_C
from tatami.types import AnchorGrid, Decoding, DetectionSpec, InputSpec, Size

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

SIZE = Size(64, 32)
CLASSES = ("a", "b", "c")
ANCHORS = ((10.0, 14.0), (23.0, 7.0))
GRIDS = (AnchorGrid(ANCHORS, (8.0, 8.0)), AnchorGrid(ANCHORS[:1], (16.0, 16.0)))
ONE = tuple(AnchorGrid(((1.0, 1.0),), grid.stride) for grid in GRIDS)
DECODINGS = {
    "yolov5": Decoding(
        "yolov5", tuple(AnchorGrid(g.anchors, g.stride, 2.0) for g in GRIDS), "sigmoid"
    ),
    "distance": Decoding("distance", GRIDS, "sigmoid", center=0.0),
    "bins": Decoding("distance", ONE, "sigmoid", bins=8),
    "bins and softmax": Decoding("distance", GRIDS, "softmax", bins=3, center=0.25),
    "heatmap": Decoding("heatmap", ONE[:1], "sigmoid"),
    "heat as it is": Decoding("heatmap", ONE, "linear"),
}

READ_MAPS = """
#include <stdio.h>
#include "net_all.c"
int main(void)
{
    static float samples[SAMPLES];
    const float *const maps[] = {MAPS};
    static net_detection found[NET_MAX_DETECTIONS];
    float threshold;
    int ask[2];
    while (fread(ask, sizeof *ask, 2, stdin) == 2 && fread(&threshold, 4, 1, stdin) == 1 &&
           fread(samples, sizeof samples, 1, stdin) == 1) {
        const int count = net_read_maps(maps, ask[0], ask[1], threshold, found, NET_MAX_DETECTIONS);
        fwrite(&count, sizeof count, 1, stdout);
        fwrite(found, sizeof *found, (size_t)count, stdout);
        fflush(stdout);
    }
    return 0;
}
"""
BOX = np.dtype([("xyxy", "<f4", 4), ("score", "<f4"), ("label", "<i4")])


def shapes(decoding: Decoding) -> list[tuple[int, int, int]]:
    return [
        (channels, int(SIZE.height / grid.stride[1]), int(SIZE.width / grid.stride[0]))
        for grid, channels in decoding.maps(len(CLASSES))
    ]


def network(decoding: Decoding) -> onnx.ModelProto:
    """Write a network whose outputs are such maps: one convolution each."""
    rng = np.random.default_rng(0)
    nodes, weights, outputs = [], [], []
    for index, (channels, rows, columns) in enumerate(shapes(decoding)):
        stride = SIZE.height // rows
        kernel = rng.normal(size=(channels, 3, stride, stride)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{index}"))
        nodes.append(
            helper.make_node(
                "Conv", ["images", f"w{index}"], [f"map_{index}"], strides=[stride] * 2
            )
        )
        outputs.append(
            helper.make_tensor_value_info(
                f"map_{index}", TensorProto.FLOAT, (1, channels, rows, columns)
            )
        )
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 32, 64))
    graph = helper.make_graph(nodes, "net", [image], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    spec = DetectionSpec(CLASSES, InputSpec(SIZE), decoding)
    helper.set_model_props(model, to_metadata(spec))
    return model


@pytest.fixture(scope="module", params=DECODINGS)
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, DetectionSpec]]:
    """A process that decodes maps."""
    found = network_of(network(DECODINGS[request.param]))
    assert isinstance(found.spec, DetectionSpec)
    folder: Path = tmp_path_factory.mktemp("decoding")
    for file, content in emit(lower(found), "net", task=DETECTION_IN_C).files.items():
        (folder / file).write_bytes(content)
    starts = np.cumsum([0, *(np.prod(shape) for shape in shapes(found.spec.decoding))])
    maps = ", ".join(f"samples + {start}" for start in starts[:-1])
    source = READ_MAPS.replace("SAMPLES", str(starts[-1])).replace("MAPS}", maps + "}")
    (folder / "net_read.c").write_text(source)
    (folder / "net.c").rename(folder / "net_all.c")
    (folder / "net.c").write_text("typedef int nothing;\n")
    checked = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    build(folder, "net", folder / "read", main="net_read.c", options=checked)
    process = subprocess.Popen([folder / "read"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        yield process, found.spec
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0


@pytest.mark.parametrize("seed", range(40))
def test_c_follows_the_rule(reader: tuple[Any, DetectionSpec], seed: int) -> None:
    process, spec = reader
    rng = np.random.default_rng(seed)
    spread = (0.5, 2, 20, 300)[seed % 4]
    maps = [(rng.normal(size=shape) * spread).astype(np.float32) for shape in shapes(spec.decoding)]
    if seed % 3 == 0:  # whole cells twice: ties of scores, and equal heat side by side
        for one in maps:
            one[:, :, 1::2] = one[:, :, ::2]
    if seed % 5 == 0:
        for one in maps:
            place = tuple(rng.integers(0, one.shape))
            one[place] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
    size = Size(int(rng.integers(1, 700)), int(rng.integers(1, 700)))
    threshold = float(rng.choice([0.0, 0.05, 0.5, 0.9]))
    ask = np.array([size.width, size.height], np.int32).tobytes()
    lying = b"".join(np.ascontiguousarray(one.transpose(1, 2, 0)).tobytes() for one in maps)
    process.stdin.write(ask + np.float32(threshold).tobytes() + lying)
    process.stdin.flush()
    (count,) = np.frombuffer(process.stdout.read(4), np.int32)
    found = np.frombuffer(process.stdout.read(BOX.itemsize * count), BOX)
    expected = detections(maps, spec, placement(size, spec.input), size, threshold)
    assert len(found) == len(expected)
    np.testing.assert_array_equal(found["label"], expected.labels)
    np.testing.assert_array_equal(found["score"], expected.scores)  # to the last bit
    np.testing.assert_array_equal(found["xyxy"], expected.xyxy)
