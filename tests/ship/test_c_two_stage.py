"""A detector in two stages in C: the same detections as the rule in NumPy makes of its networks."""

from __future__ import annotations

import ctypes
import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from tatami import graph
from tatami.cli.artefact import numpy_forward, open_artefact
from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.models import TWO_STAGE
from tatami.models.export import to_head_network, to_network
from tatami.models.two_stage import Head
from tatami.ship.c.build import WARNINGS, build, compiler
from tatami.ship.c.operator import Options
from tatami.ship.c.run_two_stage import CompiledTwoStage
from tatami.ship.c.two_stage import HALVES, emit_two_stage
from tatami.ship.lower import lower
from tatami.shrink.fold import fold
from tatami.two_stage import TwoStageDetector
from tatami.types import Size, TwoStageSpec

if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)

PORTABLE = Options("portable")
CLASSES = ("a", 'b "quoted"', "c")


def networks(name: str, size: Size) -> tuple[Network, Network]:
    """Both networks, folded, with weights that propose and find a good deal."""
    torch.manual_seed(1)
    kind, backbone = TWO_STAGE[name]
    proposals, decoding = kind.plan(size, backbone)
    if proposals is not None:
        proposals = dataclasses.replace(proposals, max_candidates=150)
    decoding = dataclasses.replace(decoding, max_regions=40, max_candidates=60, max_detections=20)
    model = kind(len(CLASSES), proposals, decoding, 0.1, backbone)
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
    spec = TwoStageSpec(CLASSES, kind.input_spec(size), proposals, decoding)
    first, second = to_network(model, spec), to_head_network(Head(model), spec, model.channels)
    return fold(first)[0], fold(second)[0]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Network, Path]:
    features, head = networks("faster-rcnn-mobilenet-v1", Size(96, 64))
    folder = tmp_path_factory.mktemp("two")
    # Weights as a file: a compiler is at C arrays for minutes.
    written = emit_two_stage(lower(features), lower(head), "both", "binary", PORTABLE)
    for file, content in written.files.items():
        (folder / file).write_bytes(content)
    halves = [f"both_{half}" for half in HALVES]
    build(folder, "both", folder / "both_detect", options=("-O1", *WARNINGS), halves=halves)
    return features, head, folder


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
    compiled = open_artefact(folder)
    assert isinstance(compiled, CompiledTwoStage)
    assert compiled.spec == features.spec
    total = 0
    for picture in pictures():
        expected, found = rule.detect(picture, 0.3), compiled.detect(picture, 0.3)
        total += len(expected)
        assert found.labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.05)
    assert total > 20


def test_regions_from_the_caller(tmp_path: Path) -> None:
    features, head = networks("fast-rcnn-mobilenet-v1", Size(96, 64))
    shipped = emit_two_stage(lower(features), lower(head), "given", "binary", PORTABLE)
    for file, content in shipped.files.items():
        (tmp_path / file).write_bytes(content)
    assert "main.c" not in shipped.files
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
        emit_two_stage(lower(graph.Network(features.model, None)), lower(head), "net")


def test_a_damaged_description_is_said(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text('{"stages": 2, "name": "x"}')
    with pytest.raises(TatamiError, match="damaged"):
        open_artefact(tmp_path)
