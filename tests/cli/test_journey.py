"""One run folder all the way: trained, folded, shipped, proved, predicted with, reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tatami

Command = Callable[..., int]
SMALL = (
    *("--size", "96x64", "--width", "0.1", "--batch", "2", "--anchors", "1", "--threads", "1"),
    *("--epochs", "2", "--closing-epochs", "1", "--evaluate-every", "1"),
)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: apt-get install gcc")
def test_a_run_goes_from_pictures_to_a_proved_program_and_a_report(
    command: Command, halves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    data = ("--data", halves)
    assert command("train", "yolov2-tiny", *data, "-o", run, *SMALL) == 0
    assert command("fold", run / "network.onnx") == 0
    assert command("ship", run / "network-folded.onnx", "-o", run / "c") == 0

    capsys.readouterr()
    assert command("prove", run, *data, "--split", "test", "--json") == 0
    proof = json.loads(capsys.readouterr().out)
    held = {row["stage"]: row["held_to"] for row in proof["rows"]}
    assert held["network"] == "torch"
    assert held["network-folded"] == "network"
    assert held["C"] == "network-folded"
    assert all(row["passed"] for row in proof["rows"])
    assert any(row["worst"] for row in proof["rows"])  # two programs, not one beside itself

    assert command("predict", run / "c", halves / "JPEGImages", "-o", tmp_path / "drawn") == 0
    assert len(json.loads((tmp_path / "drawn" / "detections.json").read_text())) > 0

    assert command("report", run) == 0
    page = (run / "report.html").read_text()
    HTMLParser().feed(page)
    for part in ("The proof", "Precision against recall", "Loss", "network-folded", "conv8"):
        assert part in page


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: apt-get install gcc")
def test_a_program_with_other_weights_is_not_proved(
    command: Command, halves: Path, tmp_path: Path
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for folder, seed in ((run, 0), (other, 1)):
        arguments = ("--data", halves, "-o", folder, *SMALL, "--seed", seed)
        assert command("train", "yolov2-tiny", *arguments) == 0
    shutil.copy(other / "network.onnx", run / "network.onnx")
    assert command("prove", run, "--data", halves, "--split", "test") == 1


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: apt-get install gcc")
def test_the_same_in_python(
    square_finder: Path, squares_set: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each step takes the result of the one before; nothing is printed."""
    folded = tatami.fold(square_finder)
    integers = tatami.quantize(folded, squares_set)
    shipped = tatami.ship(integers, tmp_path / "c")
    told: list[str] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        told.append(stage)

    proof = tatami.prove([folded, integers, shipped], squares_set, progress=progress)
    assert proof.passed
    assert [row.stage for row in proof.ledger.rows] == [
        "squares-folded", "squares-int8", "C", "C picture rule", "C boxes",
    ]  # fmt: skip
    assert proof.ledger.rows[2].reference == "squares-int8"
    assert {"squares-folded", "squares-int8", "C"} <= {*told}
    for result in (folded, integers, shipped, proof):
        assert "<table>" in result._repr_html_() or result is folded
        assert json.dumps(result.to_json())
        assert result.lines()
    assert capfd.readouterr().out == ""


def test_an_artifact_looks_at_a_picture_given_in_any_way(
    square_finder: Path, squares_set: Path
) -> None:
    artifact = tatami.open(square_finder)
    assert artifact.task.noun == "detector"
    file = min((squares_set / "JPEGImages").iterdir())
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB"))
        found = [artifact.predict(given) for given in (file, str(file), image, pixels)]
    assert all(one.to_json() == found[0].to_json() for one in found)
    assert found[0].to_json()["detections"]
    assert found[0].drawn.shape == pixels.shape
    assert "data:image/png;base64," in found[0]._repr_html_()
    none = artifact.predict(pixels, min_score=1.0)
    assert none.to_json()["detections"] == []
    for bad in (pixels[..., 0], pixels.astype(np.float32)):
        with pytest.raises(tatami.TatamiError, match="is no picture"):
            artifact.predict(bad)
