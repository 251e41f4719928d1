"""A detector in two stages in C: the same detections as the rule in NumPy makes of its networks."""

from __future__ import annotations

import ctypes
import dataclasses
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.models.export import to_head_network, to_network
from tatami.models.rcnn import RCNN
from tatami.models.table import MODELS
from tatami.models.two_stage import Head
from tatami.pipeline.artifact import open_artifact
from tatami.program.forward import is_quantized, numpy_forward
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.rules.picture import prepare
from tatami.rules.regions import TwoStageDetector, warp
from tatami.ship.backend import Shipped
from tatami.ship.c.build import WARNINGS, build, compiler
from tatami.ship.c.operator import Options
from tatami.ship.c.tasks.two_stage import HALVES, CompiledTwoStage
from tatami.ship.table import BACKENDS
from tatami.shrink.calibrate import choose_range, merge, observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.tasks.table import DETECTION
from tatami.types import Size, TwoStageSpec

if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)

PORTABLE = Options("portable", weights="binary")
"""Weights as a file: a compiler is at C arrays for minutes."""
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CLASSES = ("a", 'b "quoted"', "c")


@cache
def networks(name: str, size: Size) -> tuple[Network, Network]:
    """Both networks, folded, with weights that propose and find a good deal."""
    torch.manual_seed(1)
    row = MODELS[name]
    planned = row.spec(CLASSES, size)
    proposals, decoding = planned.proposals, planned.decoding
    if proposals is not None:
        proposals = dataclasses.replace(proposals, max_candidates=150)
    decoding = dataclasses.replace(decoding, max_regions=40, max_candidates=60, max_detections=20)
    model = row.build(planned.changed(proposals=proposals, decoding=decoding), 0.1)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0  # the statistics of one batch: else what is random vanishes
    with torch.no_grad():
        features = model(torch.randn(8, 3, size.height, size.width))[0]
        pooled = torch.nn.functional.adaptive_max_pool2d(features, 7)
        model.head(pooled)
        model.eval()
        for key, value in model.named_parameters():
            if key.startswith("rpn.") and value.ndim > 1:
                value.normal_(std=0.3)
        for layer, said in zip(("scores", "offsets"), model.head(pooled), strict=True):
            weight = model.get_parameter(f"regions.{layer}.weight")
            weight.mul_(2 / said.std())
    spec = TwoStageSpec(CLASSES, row.input_spec(size), proposals, decoding)
    first, second = to_network(model, spec), to_head_network(Head(model), spec, model.channels)
    return fold(first)[0], fold(second)[0]


def shipped_as(name: str, features: Program | None, head: Program) -> Shipped:
    """The files of two networks, or of the head alone."""
    programs = {"head": head} if features is None else {"features": features, "head": head}
    return BACKENDS["c"].emit(BACKENDS["c"].plan(programs, name, PORTABLE, DETECTION))


@pytest.fixture(scope="module", params=["float32", "int8"])
def shipped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, Network, Path]:
    features, head = networks("faster-rcnn-mobilenet-v1", Size(96, 64))
    if request.param == "int8":
        features, head = integers(features, head)
    folder = tmp_path_factory.mktemp("two")
    written = shipped_as("both", lower(features), lower(head))
    for file, content in written.files.items():
        (folder / file).write_bytes(content)
    halves = [f"both_{half}" for half in HALVES]
    checks = SANITIZERS if request.param == "int8" else ()
    options = ("-O1", "-g", *WARNINGS, *checks)
    build(folder, "both", folder / "both_detect", options=options, networks=halves)
    return features, head, folder


@cache
def warping() -> Network:
    """R-CNN's network, with weights that find a good deal in noise."""
    torch.manual_seed(1)
    row = MODELS["rcnn"]
    size = Size(95, 79)
    planned = row.spec(CLASSES, size)
    decoding = planned.decoding
    decoding = dataclasses.replace(decoding, max_regions=12, max_candidates=30, max_detections=10)
    model = row.build(planned.changed(decoding=decoding), 0.1).eval()
    assert isinstance(model, RCNN)
    spec = TwoStageSpec(CLASSES, row.input_spec(size), None, decoding)
    regions = given_boxes(np.random.default_rng(0)).astype(np.float32)
    crops = torch.from_numpy(warp(pictures()[0], regions.clip(0, 64)[regions[:, 0] > 0], spec))
    with torch.no_grad():
        for layer, most in ((model.svms, 2.0), (model.boxes, 0.3)):
            layer.weight.normal_()
            numbers = model.head(crops)[0 if layer is model.svms else 1]
            scale = most / numbers.std(dim=0)
            layer.weight.mul_(scale[:, None])
            layer.bias.copy_(-numbers.mean(dim=0) * scale)
    return fold(to_head_network(Head(model), spec, model.channels))[0]


def integers(*both: Network) -> tuple[Network, ...]:
    """The same in 8 bits, calibrated by noise and by the regions that it has."""
    head = both[-1]
    features = both[0] if len(both) > 1 else None
    spec = head.spec
    assert isinstance(spec, TwoStageSpec)
    rng = np.random.default_rng(3)
    size = spec.input.size
    noise = [rng.integers(0, 256, (size.height, size.width, 3), dtype=np.uint8) for _ in range(4)]
    first = None if features is None else numpy_forward(features)
    rule = TwoStageDetector(spec, first, numpy_forward(head), lambda _: given_boxes(rng))
    sampled = (rule.regions_of(one).sample(8) for one in noise)
    regions = [some for some in sampled if some is not None]
    if features is None:
        return (quantize(head, observe(head, regions, len(regions))),)
    images = [prepare(one, spec.input)[0][None] for one in noise]
    seen = [observe(features, images, 4), observe(head, regions, len(regions))]
    shared = choose_range(merge([seen[0]["features"], seen[1]["regions"]]), "mse")
    return tuple(
        quantize(one, its, shared={"features": shared, "regions": shared})
        for one, its in zip(both, seen, strict=True)
    )


def given_boxes(rng: np.random.Generator) -> np.ndarray:
    corners = rng.uniform(-20, 60, (70, 2))
    return np.hstack([corners, corners + rng.uniform(0, 70, (70, 2))])


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    sides = [(64, 96), (90, 50), (31, 200), (1, 1), (64, 96)]
    made = [rng.integers(0, 256, (*side, 3), dtype=np.uint8) for side in sides]
    made[-1][20:50, 30:80] = (255, 0, 40)
    return made


def test_c_detects_what_numpy_detects(shipped: tuple[Network, Network, Path]) -> None:
    features, head, folder = shipped
    assert isinstance(features.spec, TwoStageSpec)
    rule = TwoStageDetector(features.spec, numpy_forward(features), numpy_forward(head))
    compiled = open_artifact(folder, trust=True).predictor
    assert isinstance(compiled, CompiledTwoStage)
    assert compiled.spec == features.spec
    exact = is_quantized(features)
    total = 0
    for picture in pictures():
        expected, found = rule.detect(picture, 0.3), compiled.detect(picture, 0.3)
        total += len(expected)
        assert found.labels.tolist() == expected.labels.tolist()
        # Integers have one sum whatever the order: all that follows is of the same bits.
        np.testing.assert_allclose(found.scores, expected.scores, 0, 0 if exact else 1e-4)
        np.testing.assert_allclose(found.xyxy, expected.xyxy, 0, 0 if exact else 0.05)
    assert total > 20


def test_a_board_reads_no_pictures(shipped: tuple[Network, Network, Path]) -> None:
    with pytest.raises(TatamiError, match="a cortex-m7 reads no pictures here"):
        CompiledTwoStage(shipped[2], target="cortex-m7")


@pytest.mark.parametrize(
    ("name", "numbers", "with_clang"),
    [
        ("fast-rcnn-mobilenet-v1", "int8", True),
        ("rcnn", "float32", True),
        ("rcnn", "int8", False),
    ],
)
def test_the_program_takes_regions_behind_a_picture(
    name: str, numbers: str, with_clang: bool, tmp_path: Path
) -> None:
    both: tuple[Network, ...] = (warping(),)
    if name != "rcnn":
        both = networks(name, Size(96, 64))
    if numbers == "int8":
        both = integers(*both)
    spec = both[0].spec
    assert isinstance(spec, TwoStageSpec)
    first = lower(both[0]) if len(both) > 1 else None
    shipped = shipped_as("given", first, lower(both[-1]))
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    compiled = CompiledTwoStage(tmp_path)
    with pytest.raises(TatamiError, match="from its caller"):
        compiled.detect(pictures()[0], 0.3)
    program = tmp_path / "given_detect"
    if with_clang and shutil.which("clang") is not None:
        options, command = ("-O1", *WARNINGS), ["clang"]
    else:
        options, command = ("-O1", "-g", *WARNINGS, *SANITIZERS), compiler()
    build(tmp_path, "given", program, options=options, command=command, networks=compiled.parts)
    boxes = given_boxes(np.random.default_rng(2))
    forwards = [numpy_forward(network) for network in both]
    rule = TwoStageDetector(
        spec, forwards[0] if first is not None else None, forwards[-1], lambda _: boxes
    )
    compiled = CompiledTwoStage(tmp_path, lambda _: boxes)
    total = 0
    for picture in pictures():
        expected, found = rule.detect(picture, 0.3), compiled.detect(picture, 0.3)
        total += len(expected)
        assert found.labels.tolist() == expected.labels.tolist()
        exact = numbers == "int8"
        np.testing.assert_allclose(found.scores, expected.scores, 0, 0 if exact else 1e-4)
        np.testing.assert_allclose(found.xyxy, expected.xyxy, 0, 0 if exact else 0.05)
    assert total > 20
    damaged = b"P6 1 1 255\nabc2\n0 0 1"
    done = subprocess.run([program, "-"], input=damaged, check=False)
    assert done.returncode == 2


def test_regions_from_the_caller(tmp_path: Path) -> None:
    features, head = networks("fast-rcnn-mobilenet-v1", Size(96, 64))
    shipped = shipped_as("given", lower(features), lower(head))
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    sources = [
        "given.c",
        *(f"given_{half}{end}" for half in HALVES for end in (".c", "_weights.S")),
    ]
    library = tmp_path / "given.so"
    subprocess.run(
        [*compiler(), "-std=c99", "-O1", *WARNINGS, "-shared", "-fPIC", "-o", library, *sources,
         "-lm"], cwd=tmp_path, check=True,
    )  # fmt: skip
    given = ctypes.CDLL(str(library))
    rng = np.random.default_rng(2)
    corners = rng.uniform(-20, 60, (70, 2))
    regions = np.hstack([corners, corners + rng.uniform(0, 70, (70, 2))])
    assert isinstance(features.spec, TwoStageSpec)
    rule = TwoStageDetector(
        features.spec, numpy_forward(features), numpy_forward(head), lambda _: regions
    )
    kind = np.dtype([("xyxy", "<f4", 4), ("score", "<f4"), ("label", "<i4")])
    total = 0
    for picture in pictures():
        expected = rule.detect(picture, 0.3)
        out = np.zeros(20, kind)
        count = given.given_detect_in(
            picture.ctypes.data_as(ctypes.c_void_p), picture.shape[1], picture.shape[0],
            regions.ctypes.data_as(ctypes.c_void_p), len(regions), ctypes.c_float(0.3),
            out.ctypes.data_as(ctypes.c_void_p), 20,
        )  # fmt: skip
        assert count == len(expected)
        total += count
        assert out["label"][:count].tolist() == expected.labels.tolist()
        np.testing.assert_allclose(out["score"][:count], expected.scores, atol=1e-4)
        np.testing.assert_allclose(out["xyxy"][:count], expected.xyxy, atol=0.05)
    assert total > 5
    assert given.given_detect_in(None, 5, 5, None, 0, ctypes.c_float(0.3), None, 0) == -1


def test_what_is_not_two_networks_is_refused(shipped: tuple[Network, Network, Path]) -> None:
    features, head, _ = shipped
    with pytest.raises(TatamiError, match="not a detector in two stages"):
        shipped_as("net", lower(graph.Network(features.model, None)), lower(head))


def test_in_integers_the_files_share_one_scale_and_run_in_onnx_runtime(
    tmp_path: Path, exact_sums: onnxruntime.SessionOptions
) -> None:
    features, head = integers(*networks("faster-rcnn-mobilenet-v1", Size(96, 64)))
    assert isinstance(features.spec, TwoStageSpec)
    taken = lower(head).values["regions"].quantization
    assert taken is not None
    scale = np.float32(taken.scale)
    image = prepare(pictures()[4], features.spec.input)[0][None]
    given = numpy_forward(features)(image)[0]
    steps = given / scale + taken.zero_point
    assert np.abs(steps - np.rint(steps)).max() < 1e-3
    assert steps.min() > -0.5
    assert steps.max() < 255.5
    assert len(np.unique(np.rint(steps))) > 50
    rule = TwoStageDetector(features.spec, numpy_forward(features), numpy_forward(head))
    pooled = rule.regions_of(pictures()[4]).sample(1)
    assert pooled is not None
    for network, inputs, step in ((features, image, float(scale)), (head, pooled, None)):
        graph.write(network, tmp_path / "one.onnx")
        session = onnxruntime.InferenceSession(
            tmp_path / "one.onnx", exact_sums, providers=["CPUExecutionProvider"]
        )
        found = session.run(None, {session.get_inputs()[0].name: inputs})
        expected = numpy_forward(network)(inputs)
        # Its float arithmetic rounds a sum to the neighboring byte here and there.
        for one, right in zip(found, expected, strict=True):
            apart = np.abs(one - right.reshape(one.shape))
            assert apart.mean() < 0.05 * np.abs(right).mean()
        if step is not None:
            assert (np.abs(found[0] - expected[0]) > step / 2).mean() < 0.1


def test_bytes_of_two_kinds_do_not_meet() -> None:
    features, head = networks("faster-rcnn-mobilenet-v1", Size(96, 64))
    first, second = integers(features, head)
    with pytest.raises(TatamiError, match="other bytes"):
        shipped_as("net", lower(features), lower(second))
    shipped_as("net", lower(first), lower(head))  # numbers of bytes


def test_a_damaged_description_is_said(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text('{"stages": 2, "name": "x"}')
    with pytest.raises(TatamiError, match="damaged"):
        open_artifact(tmp_path)
