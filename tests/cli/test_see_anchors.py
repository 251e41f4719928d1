"""``tatami see anchors``: what it counts, what it draws, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def test_squares_and_their_anchor(
    command: Command, house: Path, tmp_path: Path, capsys: Capture
) -> None:
    """The square finder has one anchor of 32 pixels; the set's squares are of 32 and 24."""
    out = tmp_path / "out"
    arguments = ["see", "anchors", house / "squares.onnx", "--data", house / "set", "-o", out]
    assert command(*arguments, "--split", "train", "--pictures", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert json.loads((out / "anchors.json").read_text()) == found
    assert found["kind"] == "yolov2"
    assert found["truths"] == sum(one["truths"] for one in found["classes"])
    assert found["truths"] == sum(one["truths"] for one in found["histogram"])
    assert found["truths"] == sum(one["truths"] for one in found["sizes"])
    assert found["truths"] == found["fit"] + found["out_of_reach"] + found["crowded_out"]
    assert [one["truths"] for one in found["anchors"]] == [found["truths"]]
    names = {"anchors.json", "anchors.png", *(one["file"] for one in found["pictures"])}
    assert {path.name for path in out.iterdir()} == names
    assert len(names) == 4
    for name in names - {"anchors.json"}:
        with Image.open(out / name) as image:
            image.load()

    assert command(*arguments, "--pictures", "0") == 0  # over its own older answer
    told = capsys.readouterr().out
    assert "truths of 'train' have an" in told
    assert "32x32" in told
    assert {path.name for path in out.iterdir()} == {"anchors.json", "anchors.png"}


def test_what_is_refused(command: Command, house: Path, tmp_path: Path, capsys: Capture) -> None:
    network, data = house / "squares.onnx", house / "set"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for arguments, reason in (
        ((network, "--data", data, "-o", tmp_path / "mine"), "holds 'thesis.txt'"),
        ((network, "--data", data, "--pictures", "-1"), "--pictures: -1 pictures"),
        ((network, "--data", data, "--split", "none"), "none"),
        ((tmp_path / "no.onnx", "--data", data), "no such file"),
    ):
        assert command("see", "anchors", *arguments) == 2
        assert reason in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
