"""``tatami pareto`` as a person runs it, and how it takes the time."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tatami import graph
from tatami.pipeline.compare import files_of, names_of
from tatami.pipeline.timing import compiled, milliseconds
from tatami.tasks.detection import DETECTION

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]
SVG = "{http://www.w3.org/2000/svg}"
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are not optimized, which are compiled sooner."""
    monkeypatch.setenv("CC", """sh -c 'exec cc "$@" -O0' cc""")


@pytest.fixture
def networks(
    command: Command, square_finder: Path, squares_set: Path, tmp_path: Path, capsys: Capture
) -> tuple[Path, Path, Path]:
    """One that finds the squares, its integers, and one that is blind to green."""
    integers, blind = tmp_path / "squares-int8.onnx", tmp_path / "blind.onnx"
    assert command("quantize", square_finder, "--data", squares_set, "-o", integers) == 0
    model = onnx.load(square_finder)
    weights = next(one for one in model.graph.initializer if one.name == "weights")
    array = numpy_helper.to_array(weights).copy()
    array[:, 1] = 0
    weights.CopyFrom(numpy_helper.from_array(array, "weights"))
    onnx.save(model, blind)
    capsys.readouterr()
    return square_finder, integers, blind


def marks(svg: str) -> int:
    """Marks within the plots: ticks are not clipped to them."""
    root = ElementTree.fromstring(svg)
    groups = [group for group in root.iter(f"{SVG}g") if "clip-path" in group.attrib]
    return sum(len(list(group.iter(f"{SVG}use"))) for group in groups)


def test_worth_and_cost_without_a_time(
    command: Command, networks: tuple[Path, ...], squares_set: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    arguments = ("pareto", *networks, "--data", squares_set, "-o", out, "--no-time")
    assert command(*arguments) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines()[:-2])) <= 80
    with (out / "pareto.csv").open(newline="") as file:
        squares, integers, blind = csv.DictReader(file)
    assert [one["name"] for one in (squares, integers, blind)] == [
        "squares", "squares-int8", "blind",
    ]  # fmt: skip
    for row, network in zip((squares, integers, blind), networks, strict=True):
        command("evaluate", network, "--data", squares_set, "--json")
        expected = json.loads(capsys.readouterr().out)
        assert float(row["map_voc07"]) == expected["map_voc07"]
        assert float(row["ap50"]) == expected["coco"]["ap50"]
        command("summary", network, "--json")
        costs = json.loads(capsys.readouterr().out)["total"]
        for name in ("multiply_adds", "operations", "parameters", "weight_bytes"):
            assert int(row[name]) == costs[name], name
        assert row["input"] == "96x64"
        assert row["milliseconds"] == row["front_milliseconds"] == ""
    assert float(blind["map_voc07"]) < float(squares["map_voc07"])
    assert [one["bits"] for one in (squares, integers, blind)] == ["32", "8", "32"]
    # Equal in operations and, here, in what they find: both are on that front, and the integers
    # alone on that of bytes.
    assert squares["map_voc07"] == integers["map_voc07"]
    on = [one["front_multiply_adds"] + one["front_weight_bytes"] for one in (squares, integers)]
    assert on == ["10", "11"]
    assert blind["front_multiply_adds"] == blind["front_weight_bytes"] == "0"
    assert marks((out / "pareto.svg").read_text()) == 2 * 3


@needs_cc
@pytest.mark.usefixtures("quick")
def test_with_the_time_of_the_shipped_program(
    command: Command, networks: tuple[Path, ...], squares_set: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    arguments = ("pareto", *networks[:2], "--data", squares_set, "-o", out, "--rounds", 2)
    assert command(*arguments, "--json", "--pictures", 3, "--metric", "ap50") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pictures"], answer["metric"], answer["skipped"]) == (3, "ap50", {})
    assert all(0 < one["milliseconds"] < 1000 for one in answer["networks"])
    fronts = [one["on_front"] for one in answer["networks"]]
    assert all(set(one) == {"multiply_adds", "milliseconds", "weight_bytes"} for one in fronts)
    assert sum(one["milliseconds"] for one in fronts) == 1  # as good as each other: the faster one
    assert marks((out / "pareto.svg").read_text()) == 3 * 2


def test_a_run_folder_is_its_network_or_all_of_it(
    command: Command, trained: Path, house: Path, tmp_path: Path, capsys: Capture
) -> None:
    run = tmp_path / "narrow"
    shutil.copytree(trained, run)
    assert command("fold", run / "network.onnx") == 0
    out = tmp_path / "out"
    options = ("--data", house / "set", "--split", "test", "-o", out, "--no-time", "--json")
    capsys.readouterr()
    assert command("pareto", run, *options) == 0
    (one,) = json.loads(capsys.readouterr().out)["networks"]
    assert (one["name"], one["width"], one["bits"]) == ("narrow", 0.1, 32)
    assert command("pareto", run, run / "network.onnx", "--all", *options) == 0
    both = json.loads(capsys.readouterr().out)["networks"]
    assert [each["name"] for each in both] == ["narrow", "network-folded"]
    # As it is shipped: folded, either way.
    for key in ("multiply_adds", "parameters", "weight_bytes"):
        assert both[0][key] == both[1][key] == one[key]
    assert both[0]["on_front"]["multiply_adds"] == both[1]["on_front"]["multiply_adds"]


def test_a_name_of_any_bytes_and_marks_of_another_language(
    command: Command, square_finder: Path, squares_set: Path, tmp_path: Path, capsys: Capture
) -> None:
    network = tmp_path / "[red]\udcff<b>猫.onnx"
    try:
        shutil.copy(square_finder, network)
    except OSError:
        pytest.skip("this file system wants names in Unicode")
    out = tmp_path / "out"
    assert command("pareto", network, "--data", squares_set, "-o", out, "--no-time") == 0
    assert "[red]" in capsys.readouterr().out
    assert "\\udcff" in (out / "pareto.csv").read_text()
    assert marks((out / "pareto.svg").read_text()) == 2


def test_names_are_as_long_as_they_must_be(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "run.json").touch()
        for name in ("network", "network-int8"):
            (tmp_path / run / f"{name}.onnx").touch()
    (tmp_path / "other.onnx").touch()
    files = files_of([tmp_path / "a", tmp_path / "b", tmp_path / "other.onnx"], every=True)
    names = ["a/network-int8", "a", "b/network-int8", "b", "other"]
    assert dict(zip(names_of(files), files, strict=True)) == {
        name: tmp_path / (f"{name}/network.onnx" if name in "ab" else f"{name}.onnx")
        for name in names
    }
    assert files_of([tmp_path / "a", tmp_path / "a" / "network.onnx"], every=False) == [
        tmp_path / "a" / "network.onnx"
    ]


def test_refusals_leave_nothing(
    command: Command, square_finder: Path, squares_set: Path, bad_networks: Path, tmp_path: Path,
    capsys: Capture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    data = ("--data", squares_set, "-o", out, "--no-time")
    for arguments, said in (
        ((square_finder,), "--data"),
        ((square_finder, *data, "--metric", "magic"), "voc07 or ap50"),
        ((square_finder, tmp_path / "none.onnx", *data), "none.onnx"),
        ((square_finder, tmp_path, *data), "neither a run folder nor an ONNX file"),
        ((square_finder, bad_networks / "classes.onnx", *data), "classes.onnx"),
        ((square_finder, bad_networks / "bare.onnx", *data), "metadata"),
        ((square_finder, *data, "--split", "tset"), "tset"),
        (
            (square_finder, "--data", squares_set, "-o", square_finder / "x", "--no-time"),
            "Not a directory",
        ),
    ):
        capsys.readouterr()
        assert command("pareto", *arguments) == 2, arguments
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    monkeypatch.setenv("CC", "no-such-compiler")
    assert command("pareto", square_finder, *data[:-1]) == 2
    assert "no C compiler" in capsys.readouterr().err
    assert not out.exists()
    for label in (squares_set / "Annotations").iterdir():
        text = label.read_text()
        label.write_text(text.replace("<difficult>0<", "<difficult>1<"))
    assert command("pareto", square_finder, *data) == 2
    assert "nothing to find" in capsys.readouterr().err


def test_networks_take_turns_and_the_median_is_told() -> None:
    turns: list[str] = []

    class Clockwork:
        """A detector whose every turn takes a known time."""

        def __init__(self, name: str, seconds: list[float]) -> None:
            self.name, self.left, self.spent = name, [0.0, *seconds], 0.0
            self.spec = SimpleNamespace(decoding=SimpleNamespace(score_threshold=0.5))
            self.network = SimpleNamespace(cpu_seconds=lambda: self.spent)

        def detect(self, picture: object, score_threshold: float) -> None:
            assert score_threshold == 0.5
            turns.append(f"{self.name}{picture}")
            self.spent += self.left.pop(0)

    slow, fast = Clockwork("s", [0.003, 9.0, 0.004, 0.005]), Clockwork("f", [0.001] * 4)
    found = milliseconds(DETECTION.look, [slow, fast], [1, 2], rounds=2)  # type: ignore[list-item]
    assert found == pytest.approx([4.5, 1.0])
    assert turns == ["s1", "f1", *["s1", "f1", "s2", "f2"] * 2]  # first, to warm up


@needs_cc
@pytest.mark.usefixtures("quick")
def test_the_time_is_that_of_the_program_alone(square_finder: Path) -> None:
    network = graph.read(square_finder)
    small = np.zeros((64, 96, 3), np.uint8)
    with compiled([network]) as (detector,):
        detector.detect(small, 0.5)
        before = detector.network.cpu_seconds()
        time.sleep(0.3)
        waited = detector.network.cpu_seconds()
        for _ in range(20):
            detector.detect(small, 0.5)
        worked = detector.network.cpu_seconds()
        if before is None or waited is None or worked is None:
            pytest.skip("this system has no clock of another process")
        assert waited - before < 0.05  # asleep, it took none
        assert worked > waited
