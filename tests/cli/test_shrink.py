"""``tatami shrink resize`` as a person runs it: a file, a run, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tatami import graph
from tatami.types import Size

Command = Callable[..., int]


def test_a_file_is_measured_before_and_after(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = square_finder.with_name("squares-192x128.onnx")
    arguments = ("shrink", "resize", square_finder, "--size", "192x128", "--data", squares_set)
    assert command(*arguments, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["output"] == str(target)
    before, lowered = answer["stages"]
    assert (before["stage"], before["size"]) == ("before", "96x64")
    assert (lowered["stage"], lowered["size"]) == ("lowered", "192x128")
    assert before["multiply_adds"] == 7 * 3 * 32 * 32 * 6
    assert lowered["multiply_adds"] == 4 * before["multiply_adds"]
    # The stray square of the last picture is a false positive; the finder's boxes fit at its size
    # and are half as large as the squares at twice of it.
    assert before["map_voc07"] > 0.5 > lowered["map_voc07"]
    written = graph.read(target).spec
    assert written is not None
    assert written.input.size == Size(192, 128)
    assert written.decoding.grids[0].stride == (32, 32)
    assert written.provenance["resized"] == "96x64 to 192x128"

    assert command(*arguments, "-o", square_finder) == 2
    assert "replace its source" in capsys.readouterr().err


def test_the_table_fits_a_terminal(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("shrink", "resize", square_finder, "--size", "64", "--data", squares_set) == 0
    *table, verdict, wrote = capsys.readouterr().out.splitlines()
    assert max(map(len, table)) <= 80
    assert "before" in " ".join(table)
    assert verdict.startswith("67% of the operations, ")
    assert wrote == f"wrote {square_finder.with_name('squares-64x64.onnx')}"


def test_a_run_is_fine_tuned_from_its_own_weights(
    command: Command, halves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, target = tmp_path / "run", tmp_path / "run-64x96"
    settings = ("--size", "96x64", "--width", "0.1", "--batch", "2", "--anchors", "1")
    more = ("--epochs", "2", "--threads", "1", "-o", run)
    assert command("train", "yolov2-tiny", "--data", halves, *settings, *more) == 0
    capsys.readouterr()
    assert command("shrink", "resize", run, "--size", "64x96", "--epochs", "2", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["output"] == str(target)
    assert [row["stage"] for row in answer["stages"]] == ["before", "lowered", "fine-tuned"]
    assert [Path(row["file"]).name for row in answer["stages"]] == [
        "network.onnx",
        "lowered.onnx",
        "network.onnx",
    ]
    first, second = ((run / "run.json").read_text(), (target / "run.json").read_text())
    old, new = json.loads(first)["recipe"], json.loads(second)["recipe"]
    assert (new["size"], new["epochs"]) == ("64x96", 2)
    assert new["learning_rate"] == pytest.approx(old["learning_rate"] / 5)
    assert (target / "initial.safetensors").read_bytes() == (
        run / "weights.safetensors"
    ).read_bytes()
    assert (target / "weights.safetensors").read_bytes() != (
        run / "weights.safetensors"
    ).read_bytes()
    assert command("evaluate", target, "--data", halves, "--split", "test") == 0
    capsys.readouterr()

    assert command("shrink", "resize", run, "--size", "64x96") == 2
    assert f"{target}: a run is there already" in capsys.readouterr().err


def test_what_is_refused(
    command: Command,
    square_finder: Path,
    squares_set: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(*arguments: object) -> str:
        assert command("shrink", "resize", *arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    assert "no new input size" in refused(square_finder)
    assert "--data: no pictures to measure on" in refused(square_finder, "--size", "64")
    assert "'a' is not a size" in refused(square_finder, "--size", "a", "--data", squares_set)
    assert "no run.json" in refused(tmp_path, "--size", "64")
    assert "--data: a run knows its own data" in refused(
        tmp_path, "--size", "64", "--data", squares_set
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"squares.onnx", "set"}
