"""The named recipes: what each decides, what a user may still say, and who takes which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tatami.errors import TatamiError
from tatami.models.region import ALIGNED_SCALE
from tatami.pipeline.plan import style_of
from tatami.pipeline.train import TrainResult, resume, train
from tatami.tasks.classification import MODERN as CLASSES_TODAY
from tatami.tasks.classification import ClassificationSettings
from tatami.tasks.detection import MODERN
from tatami.tasks.detection_settings import DetectionSettings
from tatami.types import DetectionSpec

torch = pytest.importorskip("torch")

QUICK: dict[str, Any] = {
    "size": "64x64",
    "width": 0.1,
    "epochs": 1,
    "threads": 1,
    "augment": ("flip=0",),
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Training sets threads and determinism of the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures to learn from and two to test, a bright square in each, in YOLO's format."""
    root = tmp_path_factory.mktemp("squares")
    for split, count in (("train", 8), ("test", 2)):
        for part in ("images", "labels"):
            (root / split / part).mkdir(parents=True)
        for number in range(count):
            picture = np.full((64, 64, 3), 40, np.uint8)
            x, y, side = 6 * number % 30, 8 * (number % 4), 20 + 2 * number
            picture[y : y + side, x : x + side, number % 2] = 250
            Image.fromarray(picture).save(root / split / "images" / f"{number}.png")
            box = " ".join(
                f"{value / 64:.6f}" for value in (x + side / 2, y + side / 2, side, side)
            )
            (root / split / "labels" / f"{number}.txt").write_text(f"{number % 2} {box}\n")
    (root / "data.yaml").write_text("train: train/images\ntest: test/images\nnames: [red, green]\n")
    return root


def scales(result: TrainResult) -> set[float]:
    spec = result.run.spec
    assert isinstance(spec, DetectionSpec)
    return {grid.xy_scale for grid in spec.decoding.grids}


def test_yolo_by_both_recipes(squares: Path, tmp_path: Path) -> None:
    paper = train("yolov2-tiny", squares, tmp_path / "paper", **QUICK)
    assert (paper.run.recipe.optimizer, paper.run.recipe.batch) == ("sgd", 16)
    assert scales(paper) == {1.0}
    assert set(json_row(paper)) >= {"coordinates", "objectness", "background", "classes"}

    modern = train("yolov2-tiny", squares, tmp_path / "modern", recipe="modern", **QUICK)
    assert modern.run.recipe.optimizer == MODERN.recipe.optimizer == "adamw"
    assert modern.run.settings["loss"] == "aligned"
    assert scales(modern) == {ALIGNED_SCALE}  # in the file, so that whoever decodes it knows
    assert "boxes" in json_row(modern)
    assert scales(resume(modern.path, epochs=2)) == {ALIGNED_SCALE}


def test_a_classifier_by_both_recipes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(8):
        folder = tmp_path / "set" / ("dark", "bright")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shades = rng.integers(0, 90, (32, 32, 3)) + 160 * (number % 2)
        Image.fromarray(shades.astype(np.uint8)).save(folder / f"{number}.png")
    quick: dict[str, Any] = {"width": 0.1, "epochs": 1, "batch": 4, "threads": 1}
    runs = {}
    for recipe in ("paper", "modern"):
        out = tmp_path / recipe
        runs[recipe] = train("resnet18-small", tmp_path / "set", out, recipe=recipe, **quick).run
    assert runs["paper"].settings["label_smoothing"] is None  # which is none
    assert runs["modern"].settings["label_smoothing"] == CLASSES_TODAY.settings["label_smoothing"]
    for name, value in (("flip", 0.5), ("translate", 0.125), ("occlusion", 0.5), ("hue", 0.0)):
        assert runs["modern"].augmentation[name] == value
    assert runs["paper"].augmentation["occlusion"] == 0.0
    own = train(
        *("resnet18-small", tmp_path / "set", tmp_path / "own"),
        recipe="modern",
        augment=("occlusion=0",),
        settings=ClassificationSettings(label_smoothing=0.2),
        **quick,
    ).run
    assert (own.augmentation["occlusion"], own.settings["label_smoothing"]) == (0.0, 0.2)


def json_row(result: TrainResult) -> dict[str, float]:
    from tatami.train.run import LOG, read_rows

    return read_rows(result.path / LOG)[0]


def test_what_is_said_counts_more_than_a_recipe(squares: Path, tmp_path: Path) -> None:
    result = train(
        "tatami-nano",  # whose own recipe is the modern one
        squares,
        tmp_path / "run",
        batch=4,
        changes={"optimizer": "sgd", "weight_decay": 0.001},
        **QUICK,
    )
    recipe = result.run.recipe
    assert (recipe.optimizer, recipe.weight_decay, recipe.batch) == ("sgd", 0.001, 4)
    assert recipe.learning_rate == MODERN.recipe.learning_rate
    assert result.run.settings["loss"] is None  # it has a loss of its own, and no other


def test_what_is_refused(squares: Path, tmp_path: Path) -> None:
    with pytest.raises(TatamiError, match="no recipe 'modern' for a segmenter") as refused:
        style_of("unet", "modern")
    assert refused.value.setting == "recipe"
    assert refused.value.hint == "give paper"
    with pytest.raises(TatamiError, match="no recipe 'new' for a detector"):
        train("yolov2-tiny", squares, tmp_path / "run", recipe="new", **QUICK)
    with pytest.raises(TatamiError, match="the network has its own loss"):
        train(
            "yolov1-tiny",
            squares,
            tmp_path / "run",
            settings=DetectionSettings(loss="aligned"),
            **QUICK,
        )
    with pytest.raises(TatamiError, match="'focal' is no loss"):
        DetectionSettings(loss="focal")  # type: ignore[arg-type]
    with pytest.raises(TatamiError, match="unknown key 'rate'"):
        train("yolov2-tiny", squares, tmp_path / "run", changes={"rate": 1}, **QUICK)
    assert not (tmp_path / "run").exists()
