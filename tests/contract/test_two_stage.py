"""One suite over the detectors in two stages: each learns, is saved, and both of its networks give
one answer however they are run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tatami import graph
from tatami.errors import TatamiError
from tatami.models.export import to_head_network, to_network
from tatami.models.roi_pool import roi_max_pool
from tatami.models.table import MODELS, TwoStageModel
from tatami.models.two_stage import PROPOSAL, Head, TwoStage
from tatami.pipeline.artifact import open_artifact, read_parts, torch_predictor
from tatami.rules.picture import prepare
from tatami.rules.regions import TwoStageDetector
from tatami.see.class_activation import class_activation, last_maps, target_in_regions
from tatami.shrink.fold import fold
from tatami.train.checkpoint import load_weights, save_weights
from tatami.train.transfer import as_part, head_of, transferred
from tatami.types import Boxes, Detections, Float32, Picture, Size, TwoStageSpec
from tests.contract.rows import names, without_dropout

CLASSES = ("a", "b", "c")
BOUND = 1e-5  # of a map's largest number: float32 sums in another order


@dataclass(frozen=True)
class Case:
    size: Size = Size(96, 64)
    width: float = 0.1
    learning_rate: float = 0.003
    steps: int = 8


CASES = {"rcnn": Case(Size(95, 95), steps=30)}
"""Of those that differ from ``Case()``."""
NAMES = names(TwoStageModel)


def case_of(name: str) -> Case:
    return CASES.get(name, Case())


def build(name: str, seed: int = 0) -> TwoStage:
    torch.manual_seed(seed)
    model: TwoStage = MODELS[name].build(spec(name), case_of(name).width)
    return model


def spec(name: str) -> TwoStageSpec:
    found: TwoStageSpec = MODELS[name].spec(CLASSES, case_of(name).size)
    return found


def export(name: str, model: TwoStage, folder: Path) -> None:
    """The files as a run folder has them."""
    head, about = to_head_network(Head(model), spec(name), model.channels), spec(name)
    if about.decoding.kind == "warp":
        graph.write(head, folder / "network.onnx")
    else:
        graph.write(to_network(model, about), folder / "network.onnx")
        graph.write(head, folder / "head.onnx")


def batch(size: Size, seed: int = 0) -> tuple[torch.Tensor, list[Boxes]]:
    """Four pictures (4, 3, H, W): none, one, two and three truths, and proposals around."""
    rng = np.random.default_rng(seed)
    images = rng.random((4, 3, size.height, size.width)).astype(np.float32)
    targets = []
    for count in range(4):
        corners = rng.uniform(0, 30, (count, 2))
        boxes = np.hstack((corners, corners + rng.uniform(15, 34, (count, 2))))
        near = np.repeat(boxes, 4, axis=0) + rng.uniform(-3, 3, (4 * count, 4))
        away = rng.uniform(0, 40, (6, 2))
        away = np.hstack((away, away + rng.uniform(5, 20, (6, 2))))
        labels = rng.integers(0, 3, count)
        targets.append(
            Boxes.of(
                np.concatenate([boxes, near.clip(0, 64), away]),
                np.concatenate([labels, np.full(4 * count + 6, PROPOSAL)]),
            )
        )
        for label, (x1, y1, x2, y2) in zip(labels, boxes.astype(int), strict=True):
            images[len(targets) - 1, label, y1:y2, x1:x2] += 2
    return torch.from_numpy(images), targets


def targets_of(name: str, targets: list[Boxes]) -> list[Boxes] | torch.Tensor:
    if name == "rcnn":
        return torch.arange(4)
    return [each.select(each.labels >= 0) for each in targets] if "faster" in name else targets


@dataclass(frozen=True)
class Trained:
    name: str
    model: TwoStage
    losses: list[float]
    folder: Path
    """A folder with the ONNX files."""


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    name = request.param
    model = build(name).train()
    images, targets = batch(case_of(name).size)
    optimizer = torch.optim.Adam(model.parameters(), lr=case_of(name).learning_rate)
    losses = []
    without_dropout(model)
    for _ in range(case_of(name).steps):
        parts = model.loss(model(images), targets_of(name, targets))
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    if name == "rcnn":  # what is fitted afterwards
        with torch.no_grad():
            model.svms.weight.normal_(std=0.3)  # type: ignore[union-attr, operator]
            model.boxes.weight.normal_(std=0.01)  # type: ignore[union-attr, operator]
    folder = tmp_path_factory.mktemp(name)
    export(name, model.eval(), folder)
    return Trained(name, model.eval(), losses, folder)


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    assert all(np.isfinite(trained.losses))
    assert trained.losses[-1] < 0.8 * trained.losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_part_is_a_number_and_every_weight_that_learns_has_a_gradient(name: str) -> None:
    model = build(name).train()
    images, targets = batch(case_of(name).size)
    parts = model.loss(model(images), targets_of(name, targets))
    assert all(part.ndim == 0 and part >= 0 for part in parts.values())
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().max() > 0, key
    if name != "rcnn":
        nothing = model.loss(model(images), [Boxes.of([], [])] * 4)
        assert all(part.isfinite() for part in nothing.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_step_draws_the_same_regions_whenever_it_is_taken(name: str) -> None:
    model = build(name).eval()  # without dropout
    images, targets = batch(case_of(name).size)
    once, again = (model.loss(model(images), targets_of(name, targets)) for _ in range(2))
    assert {k: float(v.detach()) for k, v in once.items()} == {
        k: float(v.detach()) for k, v in again.items()
    }


def assert_close(found: Float32, expected: Float32) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= BOUND * max(np.abs(expected).max(), 1e-3)


def test_numpy_and_onnx_runtime_agree_with_torch_and_folded(trained: Trained) -> None:
    images, _ = batch(case_of(trained.name).size, seed=1)
    regions = spec(trained.name).decoding
    rng = np.random.default_rng(0)
    bins = (regions.bins.height, regions.bins.width)
    pooled = rng.standard_normal((4, trained.model.channels, *bins), np.float32)
    with torch.no_grad():
        if trained.name == "rcnn":
            cases = {"network.onnx": (images, trained.model.head(images))}
        else:
            head = trained.model.head(torch.from_numpy(pooled))
            cases = {
                "network.onnx": (images, trained.model(images)),
                "head.onnx": (torch.from_numpy(pooled), head),
            }
    assert sorted(cases) == sorted(path.name for path in trained.folder.glob("*.onnx"))
    for file, (inputs, outputs) in cases.items():
        network = graph.read(trained.folder / file)
        assert isinstance(network.spec, TwoStageSpec)
        folded, _ = fold(network)
        assert not [node for node in folded.graph if node.op_type == "BatchNormalization"]
        session = onnxruntime.InferenceSession(
            trained.folder / file, providers=["CPUExecutionProvider"]
        )
        key = session.get_inputs()[0].name
        assert key == ("images" if file == "network.onnx" and len(cases) == 2 else "regions")
        one_by_one = [session.run(None, {key: one[None]}) for one in inputs.numpy()]
        for index, expected in enumerate(outputs):
            assert_close(graph.run(network, inputs.numpy())[index], expected.numpy())
            assert_close(graph.run(folded, inputs.numpy())[index], expected.numpy())
            assert_close(np.concatenate([one[index] for one in one_by_one]), expected.numpy())


def some_regions(picture: Picture) -> np.ndarray:
    rng = np.random.default_rng(4)
    corners = rng.uniform(0, 40, (12, 2))
    return np.hstack([corners, corners + rng.uniform(10, 60, (12, 2))])


def test_the_files_detect_what_torch_detects(trained: Trained) -> None:
    of_torch = torch_predictor(trained.model, spec(trained.name))
    path = trained.folder / "network.onnx" if trained.name == "rcnn" else trained.folder
    of_files = open_artifact(path).predictor
    assert isinstance(of_torch, TwoStageDetector)
    assert isinstance(of_files, TwoStageDetector)
    picture = np.random.default_rng(1).integers(0, 256, (90, 110, 3), dtype=np.uint8)
    found: list[Detections] = []
    for detector in (of_torch, of_files):
        if detector.propose is not None:
            detector = dataclasses.replace(detector, propose=some_regions)
        found.append(detector.detect(picture, 0.01))
    assert len(found[0]) > 3
    assert len(found[0]) == len(found[1])
    # Scores that are almost equal may change places: each has its like on the other side.
    like = np.abs(found[0].scores[:, None] - found[1].scores) < 1e-4
    like &= found[0].labels[:, None] == found[1].labels
    like &= np.abs(found[0].xyxy[:, None] - found[1].xyxy).max(axis=2) < 0.01
    assert like.any(axis=0).all()
    assert like.any(axis=1).all()


def test_what_explains_a_class_is_torchs_gradient(trained: Trained) -> None:
    if trained.name == "rcnn":
        pytest.skip("R-CNN has no feature map of the picture")
    features_network, head_network = (part.network for part in read_parts(trained.folder))
    detector = open_artifact(trained.folder).predictor
    assert isinstance(detector, TwoStageDetector)
    if detector.propose is not None:
        detector = dataclasses.replace(detector, propose=some_regions)
    picture = np.random.default_rng(1).integers(0, 256, (90, 110, 3), dtype=np.uint8)
    images = prepare(picture, detector.spec.input)[0][None]
    computed = graph.values(features_network, images)
    features, regions = computed["features"], detector.regions_of(picture)
    target = target_in_regions(detector, head_network, ("features", features), regions, "b")

    decoding = detector.spec.decoding
    x = torch.from_numpy(features.copy()).requires_grad_()
    on = np.zeros(len(regions.regions), np.int64)
    boxes = regions.regions.astype(np.float64)
    numbers, _ = trained.model.head(roi_max_pool(x, boxes, on, decoding.bins, 1 / decoding.stride))
    scores = torch.softmax(numbers, 1)[:, 2]
    numbers[int(scores.argmax()), 2].backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert float(x.grad.abs().max()) > 0
    assert target.score == pytest.approx(float(scores.max().detach()), abs=1e-5)
    expected = x.grad.numpy()
    (found,) = target.seed.values()
    np.testing.assert_allclose(found, expected, 0, 1e-4 * np.abs(expected).max())
    alpha = expected[0].mean(axis=(1, 2))
    heat = np.maximum(np.tensordot(alpha, features[0], 1), 0)
    assert last_maps(features_network, target) == "features"
    shown = class_activation(features_network, images, computed, target, "features")
    np.testing.assert_allclose(shown, heat, 0, 1e-4 * max(float(heat.max()), 1e-6))
    # A layer further in front: the same chain, from the feature map on by the network's own rules.
    earlier = [name for name, value in computed.items() if value.ndim == 4][-8]
    assert class_activation(features_network, images, computed, target, earlier).min() >= 0


def test_saved_and_loaded_it_answers_the_same(trained: Trained, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", trained.model.state_dict())
    other = build(trained.name, seed=1).eval()
    load_weights(other, tmp_path / "w.safetensors")
    images, _ = batch(case_of(trained.name).size, seed=1)
    with torch.no_grad():
        for found, expected in zip(other(images), trained.model(images), strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_from_a_classifiers_weights(name: str) -> None:
    model = build(name)
    of_classifier = MODELS[name].backbone
    torch.manual_seed(9)
    weights = MODELS[of_classifier].make()(7, width=0.1).state_dict()
    given = as_part(model, model.part, weights)
    one_more = dataclasses.replace(spec(name), classes=(*CLASSES, "d"))
    more = MODELS[name].build(one_more, case_of(name).width)
    start, made = transferred(model, given, head_of(model, more), Path("w"), anew=True)
    prefix = f"{model.part}."
    taken = [key for key in start if key.startswith(prefix) and key not in made]
    assert len(taken) == len(weights) - 2  # all but the last layer
    assert all(torch.equal(start[key], weights[key.removeprefix(prefix)]) for key in taken)
    assert as_part(model, model.part, start) is start
    short = {key: value for key, value in weights.items() if "0" not in key}
    with pytest.raises(TatamiError, match="absent in the file"):
        transferred(model, as_part(model, model.part, short), set(made), Path("w"), anew=True)


def test_one_half_is_no_detector(trained: Trained) -> None:
    if trained.name == "rcnn":
        pytest.skip("R-CNN has one network")
    with pytest.raises(TatamiError, match="half of a detector"):
        open_artifact(trained.folder / "head.onnx")


def test_the_head_of_a_module_is_its_head() -> None:
    model = build("faster-rcnn-vgg16-bn").eval()
    pooled = torch.randn(2, model.channels, 7, 7)
    for found, expected in zip(Head(model)(pooled), model.head(pooled), strict=True):
        assert torch.equal(found, expected)
