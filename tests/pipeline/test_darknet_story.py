"""The way of the engineers' thread: darknet's cfg and weights, a lower input, fine-tuning, C."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tatami
from tatami.errors import TatamiError
from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.pipeline.import_network import import_network
from tatami.tasks.detection_settings import DetectionSettings
from tatami.train.recipe import Recipe
from tatami.train.run import load_run
from tatami.types import Size

torch = pytest.importorskip("torch")

WIDTH, CLASSES = 0.125, ("disc", "square")
ANCHORS = ((0.8, 0.9), (1.5, 1.4))


def darknet(folder: Path, model: Any, size: Size) -> tuple[Path, Path]:
    """Write a model as darknet's cfg and weights."""
    sections = [f"[net]\nwidth={size.width}\nheight={size.height}\nchannels=3\n"]
    numbers = [np.array([0, 2, 0, 0, 0], np.int32).tobytes()]  # version 0.2, as many pictures seen
    for place in range(1, 9):
        layer = getattr(model, f"conv{place}")
        filters = layer.conv.weight.shape[0]
        sections.append(
            f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize=3\nstride=1\npad=1\n"
            "activation=leaky\n"
        )
        if place < 7:
            sections.append(f"[maxpool]\nsize=2\nstride={2 if place < 6 else 1}\n")
        norm = layer.norm
        parts = (norm.bias, norm.weight, norm.running_mean, norm.running_var, layer.conv.weight)
        numbers += [part.detach().numpy().astype("<f4").tobytes() for part in parts]
    last = model.conv9
    sections.append(
        f"[convolutional]\nsize=1\nstride=1\npad=1\nfilters={len(last.bias)}\nactivation=linear\n"
    )
    numbers += [part.detach().numpy().astype("<f4").tobytes() for part in (last.bias, last.weight)]
    anchors = ",".join(f"{side}" for pair in ANCHORS for side in pair)
    sections.append(
        f"[region]\nanchors={anchors}\nbias_match=1\nclasses={len(CLASSES)}\ncoords=4\n"
        f"num={len(ANCHORS)}\nsoftmax=1\n"
    )
    cfg, weights = folder / "tiny.cfg", folder / "tiny.weights"
    cfg.write_text("\n".join(sections))
    weights.write_bytes(b"".join(numbers))
    return cfg, weights


def shapes(folder: Path) -> Path:
    """Write a set of a few pictures, YOLO's text beside them."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for place in range(count):
            picture = rng.integers(0, 60, (64, 96, 3)).astype(np.uint8)
            x, y, label = 10 + 5 * place, 12 + 3 * place, place % 2
            picture[y : y + 20, x : x + 24] = (230, 40, 40) if label else (40, 40, 230)
            Image.fromarray(picture).save(folder / "images" / split / f"{place}.png")
            box = f"{label} {(x + 12) / 96} {(y + 10) / 64} {24 / 96} {20 / 64}\n"
            (folder / "labels" / split / f"{place}.txt").write_text(box)
    names = "\n".join(f"  {i}: {name}" for i, name in enumerate(CLASSES))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{names}\n")
    return folder / "data.yaml"


@pytest.fixture(scope="module")
def model() -> Any:
    """A network whose normalizations have seen something."""
    from tatami.types import Decoding

    torch.manual_seed(0)
    made = YoloV2Tiny(len(CLASSES), Decoding.yolov2(ANCHORS), WIDTH)
    made.train()
    with torch.no_grad():
        for _ in range(3):
            made(torch.rand(2, 3, 96, 96))
        for part in made.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.2)
    return made.eval()


def names(folder: Path) -> Path:
    file = folder / "names.txt"
    file.write_text("\n".join(CLASSES))
    return file


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_from_cfg_and_weights_to_proved_integers_at_another_size(
    tmp_path: Path, model: Any
) -> None:
    cfg, weights = darknet(tmp_path, model, Size(96, 96))
    imported = import_network(
        cfg, weights, epsilon="inside:1e-3", names=names(tmp_path), out=tmp_path / "theirs.onnx"
    )
    data = shapes(tmp_path / "set")
    said: list[str] = []
    run = tatami.train(
        "yolov2-tiny",
        data,
        tmp_path / "run",
        size="96x64",
        width=WIDTH,
        recipe=Recipe(epochs=1, batch=4, learning_rate=1e-9, closing_epochs=0),
        settings=DetectionSettings(anchors=ANCHORS),
        initial=imported.path,
        threads=1,
        progress=lambda text, *rest: said.append(text),
    )
    assert any("weights; the head too" in text for text in said)
    assert load_run(run.path).spec.input.size == Size(96, 64)

    # Nearly no step was made: the network is still theirs, but for the averaged statistics.
    from safetensors.torch import load_file

    start = load_file(run.path / "initial.safetensors")
    theirs = model.state_dict()
    for name in ("conv1.conv.weight", "conv5.norm.running_mean", "conv9.bias"):
        torch.testing.assert_close(start[name], theirs[name])
    epsilon = model.conv3.norm.eps
    torch.testing.assert_close(
        start["conv3.norm.running_var"] + epsilon, theirs["conv3.norm.running_var"] + 1e-3
    )

    tatami.fold(run)
    integers = tatami.quantize(run, pictures=4)
    tatami.ship(run)
    proof = tatami.prove(run, pictures=2)
    assert proof.passed, proof.failures()
    stages = {row.stage for row in proof.ledger.rows}
    assert {"torch", "network", "network-folded", integers.path.stem, "C", "C int8"} <= stages


def test_a_folded_network_begins_a_training_too(tmp_path: Path, model: Any) -> None:
    """Its normalizations add the bias, and change nothing else."""
    cfg, weights = darknet(tmp_path, model, Size(96, 64))
    out = tmp_path / "theirs.onnx"
    import_network(cfg, weights, epsilon="inside:1e-5", names=names(tmp_path), out=out)
    folded = tatami.fold(out)
    from tatami.graph import read, run
    from tatami.pipeline.initial_weights import _layers_of
    from tatami.train.transfer import in_order

    start, made = in_order(model, _layers_of(read(folded.path)), frozenset(), out, anew=False)
    assert not made
    other = YoloV2Tiny(len(CLASSES), model.decoding, WIDTH)
    other.load_state_dict(start)
    images = np.random.default_rng(2).random((1, 3, 64, 96)).astype(np.float32)
    with torch.no_grad():
        found = other.eval()(torch.from_numpy(images)).numpy()
    (expected,) = run(read(out), images)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_another_width_is_refused(tmp_path: Path, model: Any) -> None:
    cfg, weights = darknet(tmp_path, model, Size(96, 96))
    out = tmp_path / "theirs.onnx"
    import_network(cfg, weights, epsilon="inside:1e-5", names=names(tmp_path), out=out)
    with pytest.raises(TatamiError, match=r"layer 'conv3.conv' is weight \(8, 8, 3, 3\)"):
        tatami.train(
            "yolov2-tiny", shapes(tmp_path / "set"), tmp_path / "run", size="96x64", width=0.25,
            epochs=1, initial=out, threads=1, settings=DetectionSettings(anchors=ANCHORS),
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
