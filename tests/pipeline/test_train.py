"""Training from Python: short to call, silent, and the same training whatever file asks for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tatami
from tatami.errors import TatamiError
from tatami.pipeline.plan import settings_for
from tatami.pipeline.train import TrainResult, resume, train
from tatami.tasks.classification import CLASSIFICATION, ClassificationSettings
from tatami.tasks.detection import DETECTION
from tatami.tasks.detection_settings import DetectionSettings
from tatami.tasks.segmentation import SEGMENTATION, SegmentationSettings
from tatami.tasks.settings import read_settings
from tatami.train.recipe import Recipe

torch = pytest.importorskip("torch")

QUICK: dict[str, Any] = {"epochs": 2, "batch": 6, "threads": 1, "augment": ("flip=0",)}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Training sets threads and determinism of the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of pictures of three colors, with a train and a test split."""
    root = tmp_path_factory.mktemp("colors")
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        for channel, name in enumerate(("blue", "green", "red")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                picture = rng.normal(60, 30, (24, 36, 3)).clip(0, 255)
                picture[..., 2 - channel] += 120
                picture = picture.clip(0, 255).astype(np.uint8)
                Image.fromarray(picture).save(root / split / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(colors: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A classifier whose targets were smoothed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    settings = ClassificationSettings(label_smoothing=0.1)
    return train("lenet5", colors, folder, settings=settings, **QUICK)


def test_the_result_says_where_and_how_good(trained: TrainResult, colors: Path) -> None:
    assert trained.network.is_file()
    assert trained.weights.is_file()
    found = trained.to_json()
    assert (found["output"], found["model"]) == (str(trained.path), "lenet5")
    assert found["evaluation"]["pictures"] == 6
    assert [column.name for column in trained.tables()[0].columns][:1] == ["class"]
    assert trained.lines()[0] == "6 pictures"
    again = tatami.evaluate(trained, colors, split="test")
    assert again.to_json()["top1"] == found["evaluation"]["top1"]


def test_it_is_silent_and_tells_its_progress(
    colors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, int, int, str]] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        told.append((stage, done, total, note))

    train("lenet5", str(colors), tmp_path / "run", progress=progress, **QUICK)
    assert capsys.readouterr() == ("", "")
    _, done, total, note = [one for one in told if one[0] == "Training"][-1]
    assert done == total == 4
    assert note.startswith("loss ")
    assert [one[0] for one in told if not one[2]] == [f"wrote {tmp_path / 'run'}"]
    assert ("Evaluating", 6, 6, "") in told


def test_without_a_folder_it_lies_under_runs(
    colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = train("lenet5", colors, recipe=Recipe(epochs=9, batch=6), epochs=1, size="40x32")
    assert result.path == Path("runs") / f"lenet5-{colors.name}"
    recipe = result.run.recipe
    assert (recipe.epochs, recipe.batch, str(recipe.size)) == (1, 6, "40x32")
    assert recipe.multi_scale == 0.0  # the paper's, where the recipe says nothing


def test_a_run_json_of_yesterday_gives_the_same_training(
    trained: TrainResult, tmp_path: Path
) -> None:
    """In version 0.1 the recipe held what is a task's, and the stride."""
    folder = tmp_path / "run"
    folder.mkdir()
    values = json.loads((trained.path / "run.json").read_text())
    smoothing = values.pop("settings")["label_smoothing"]
    assert smoothing == 0.1
    values["recipe"] |= {
        "stride": 1,
        "label_smoothing": smoothing,
        "class_weights": [],
        "alternating": False,
    }
    (folder / "run.json").write_text(json.dumps(values))
    again = resume(folder)
    assert again.weights.read_bytes() == trained.weights.read_bytes()
    assert again.network.read_bytes() == trained.network.read_bytes()
    assert (folder / "log.jsonl").read_bytes() == (trained.path / "log.jsonl").read_bytes()
    unsmoothed = tmp_path / "unsmoothed"
    unsmoothed.mkdir()
    values["recipe"]["label_smoothing"] = 0.0
    (unsmoothed / "run.json").write_text(json.dumps(values))
    assert resume(unsmoothed).weights.read_bytes() != trained.weights.read_bytes()


def test_an_unknown_setting_of_a_run_is_an_error(trained: TrainResult, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained.path, folder)
    values = json.loads((folder / "run.json").read_text())
    values["settings"]["magic"] = 1
    (folder / "run.json").write_text(json.dumps(values))
    with pytest.raises(TatamiError, match=r"run\.json: unknown key 'magic' in the settings"):
        resume(folder)


def test_what_is_wrong_names_a_parameter_and_no_flag(colors: Path, tmp_path: Path) -> None:
    for asked, setting in (
        ({"settings": DetectionSettings()}, "settings"),
        ({"partial": True}, "partial"),
        ({"hold_out": 2, "test_split": "test"}, "hold_out"),
        ({"augment": ("mosaic=1",)}, "augment"),
    ):
        with pytest.raises(TatamiError) as refused:
            train("lenet5", colors, tmp_path / "run", **asked)  # type: ignore[arg-type]
        assert refused.value.setting == setting
        assert "--" not in str(refused.value)
        assert not (tmp_path / "run").exists()


def test_settings_by_their_names() -> None:
    assert settings_for("lenet5", {"label_smoothing": 0.1, "anchors": None}) == (
        ClassificationSettings(0.1)
    )
    with pytest.raises(TatamiError, match="anchors: it is for detectors"):
        settings_for("lenet5", {"anchors": 3})
    with pytest.raises(TatamiError, match="class_weights: it is for segmenters"):
        settings_for("yolov2-tiny", {"class_weights": "median"})
    assert DetectionSettings(anchors="1.5,2 3,4") == DetectionSettings(((1.5, 2.0), (3.0, 4.0)))
    assert DetectionSettings(anchors="5") == DetectionSettings(5)
    assert SegmentationSettings("1,0.5") == SegmentationSettings((1.0, 0.5))


@pytest.mark.parametrize(
    ("task", "values"),
    [
        (DETECTION, {"anchors": [[1.5, 2.0]], "nms": "agnostic", "alternating": False}),
        (DETECTION, {"anchors": 5, "min_scale": 0.1}),
        (CLASSIFICATION, {"label_smoothing": 0.25}),
        (SEGMENTATION, {"class_weights": [1.0, 0.5, 2.0]}),
        (SEGMENTATION, {"class_weights": [], "loss": "lovasz"}),
    ],
    ids=str,
)
def test_settings_are_read_back(task: Any, values: dict[str, Any]) -> None:
    from dataclasses import asdict

    settings = read_settings(task.settings, values)
    assert read_settings(task.settings, json.loads(json.dumps(asdict(settings)))) == settings


@pytest.mark.parametrize(
    ("task", "values"),
    [
        (DETECTION, {"anchors": [[1.5]]}),
        (DETECTION, {"anchors": "many"}),
        (DETECTION, {"min_scale": "small"}),
        (DETECTION, {"nms": "soft"}),
        (DETECTION, {"alternating": 1}),
        (CLASSIFICATION, {"label_smoothing": 1}),
        (CLASSIFICATION, {"label_smoothing": "0.1"}),
        (SEGMENTATION, {"class_weights": ["a"]}),
        (SEGMENTATION, {"class_weights": [-1.0]}),
        (SEGMENTATION, {"class_weights": 3}),
        (SEGMENTATION, {"magic": 3}),
    ],
    ids=str,
)
def test_settings_that_are_none(task: Any, values: dict[str, Any]) -> None:
    with pytest.raises(TatamiError) as refused:
        read_settings(task.settings, values, Path("run.json"))
    assert refused.value.file == Path("run.json")
