"""The run folder: read back as written, refused when it is not, held by one process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tatami.errors import TatamiError
from tatami.train.recipe import Recipe
from tatami.train.run import DataSource, Run, held, load_run, read_rows
from tatami.types import Decoding, DetectionSpec, InputSpec, Size

RUN = Run(
    model="yolov2-tiny",
    width=0.5,
    spec=DetectionSpec(
        ("赤", 'a "b"'),
        InputSpec(Size(352, 288)),
        Decoding.yolov2(((1.25, 2.5), (3.0, 4.0))),
        {"made by": "tatami"},
    ),
    recipe=Recipe(Size(352, 288), epochs=7, multi_scale=0.25),
    settings={"nms": "agnostic", "anchors": [[1.5, 2.0]]},
    data=DataSource("/data", "train", None, ("degenerate-box",), "0" * 64, "test"),
    augmentation={"flip": 0.5, "scale": [0.6, 1.5]},
    device="cpu",
    processes=2,
    threads=3,
    versions={"tatami": "0"},
)


def test_round_trip(tmp_path: Path) -> None:
    RUN.save(tmp_path / "run")
    assert load_run(tmp_path / "run") == RUN


def test_a_run_of_before_processes_and_devices_were_written(tmp_path: Path) -> None:
    RUN.save(tmp_path)
    values = json.loads((tmp_path / "run.json").read_text())
    del values["processes"], values["device"]
    (tmp_path / "run.json").write_text(json.dumps(values))
    assert load_run(tmp_path) == replace(RUN, processes=1)


def yesterdays(folder: Path, **recipe: Any) -> None:
    """Write run.json as version 0.1 did: what is a task's was in the recipe, with the stride."""
    RUN.save(folder)
    values = json.loads((folder / "run.json").read_text())
    del values["settings"]
    nothing = {"label_smoothing": 0.0, "class_weights": [], "alternating": False}
    values["recipe"] |= {"stride": 32, **nothing, **recipe}
    (folder / "run.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    "own", [{}, {"label_smoothing": 0.1}, {"class_weights": [1.0, 0.5]}, {"alternating": True}]
)
def test_a_run_of_before_tasks_had_settings(tmp_path: Path, own: dict[str, Any]) -> None:
    yesterdays(tmp_path, **own)
    assert load_run(tmp_path) == replace(RUN, settings=own)
    yesterdays(tmp_path, **own, magic=1)
    with pytest.raises(TatamiError, match="unknown key 'magic' in the recipe"):
        load_run(tmp_path)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(TatamiError, match=r"no run\.json: not a run folder"):
            load_run(folder)


@pytest.mark.parametrize("key", ["width", "spec", "recipe", "data", "threads"])
@pytest.mark.parametrize("value", [None, [], "x", -1])
def test_a_setting_that_is_none(tmp_path: Path, key: str, value: Any) -> None:
    RUN.save(tmp_path)
    values = json.loads((tmp_path / "run.json").read_text())
    values[key] = value
    (tmp_path / "run.json").write_text(json.dumps(values))
    if value == -1 and key in ("width", "threads"):
        assert getattr(load_run(tmp_path), key) == -1  # for whoever builds with it to refuse
        return
    with pytest.raises(TatamiError):
        load_run(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\x00", "[" * 100_000])
def test_a_file_that_is_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TatamiError, match=r"run\.json"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_bytes(b"\xff\xfe")
    with pytest.raises(TatamiError, match="not as it was written"):
        load_run(tmp_path)


def test_any_cut_is_refused(tmp_path: Path) -> None:
    RUN.save(tmp_path)
    whole = (tmp_path / "run.json").read_bytes()
    for length in range(0, len(whole.rstrip()), 37):
        (tmp_path / "run.json").write_bytes(whole[:length])
        with pytest.raises(TatamiError):
            load_run(tmp_path)


def test_one_process_holds_a_folder(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(TatamiError, match="another process"), held(tmp_path):
        pass
    with held(tmp_path):  # free again
        pass


def test_half_written_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    for name in (".log.jsonl.abc", ".network.onnx.x1", ".weights.safetensors.q"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_bytes(b"half")
    (tmp_path / ".mine").touch()
    (tmp_path / "log.jsonl").touch()
    with held(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".mine", "log.jsonl"]


def test_rows(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_rows(path) == []
    path.write_text('{"step": 0, "loss": 1.5}\n{"step": 1, "loss": 1.25}\n')
    assert read_rows(path) == [{"step": 0.0, "loss": 1.5}, {"step": 1.0, "loss": 1.25}]
    for bad in ("[]", "{", '{"loss": "low"}', '{"loss": null}'):
        path.write_text('{"step": 0}\n' + bad + "\n")
        with pytest.raises(TatamiError, match="not a log row") as refused:
            read_rows(path)
        assert refused.value.line == 2
