"""A newcomer's five commands: a run knows its data, and every later command needs only the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tatami
from tatami.pipeline.run_data import learned_from, measured_on, run_folder_of

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]
SMALL = (
    *("--size", "96x64", "--width", "0.1", "--batch", "2", "--anchors", "1", "--threads", "1"),
    *("--epochs", "1", "--closing-epochs", "1"),
)


@pytest.fixture
def run(command: Command, halves: Path, tmp_path: Path, capsys: Capture) -> Path:
    """A run of two pictures, which is evaluated on two others."""
    folder = tmp_path / "run"
    assert command("train", "yolov2-tiny", "--data", halves, "--out", folder, *SMALL) == 0
    capsys.readouterr()
    return folder


def test_five_commands_from_pictures_to_proved_integers(
    command: Command, run: Path, halves: Path, capsys: Capture
) -> None:
    assert command("fold", run) == 0
    assert (run / "network-folded.onnx").is_file()
    assert command("quantize", run) == 0
    assert f"data of the run: {halves}, split train\n" in capsys.readouterr().err
    assert (run / "network-int8.onnx").is_file()
    assert command("ship", run) == 0
    text = capsys.readouterr().out
    assert f"wrote {run / 'c'}," in text
    assert f"wrote {run / 'c-int8'}," in text
    assert command("prove", run) == 0
    written = capsys.readouterr()
    assert f"data of the run: {halves}, split test\n" in written.err
    assert "mAP of 2 pictures" in written.out
    for stage in ("torch", "network-folded", "network-int8", "C int8"):
        assert stage in written.out
    assert command("evaluate", run / "c-int8", "--json") == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["split"] == "test"
    assert f"data of the run: {halves}, split test\n" in written.err


def test_what_is_named_wins(command: Command, run: Path, halves: Path, capsys: Capture) -> None:
    assert command("evaluate", run, "--split", "train", "--json") == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["split"] == "train"
    assert f"data of the run: {halves}, split train\n" in written.err
    other = halves.rename(halves.parent / "moved")
    assert command("evaluate", run) == 2
    error = capsys.readouterr().err
    assert f"{halves}: --data: the labeled set of the run is not there any more" in error
    assert command("evaluate", run, "--data", other, "--split", "test", "--json") == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["data"] == str(other)
    assert "data of the run" not in written.err


@pytest.mark.slow
def test_the_same_in_python(run: Path, halves: Path) -> None:
    """Quantizing folds by itself, and shipping writes both; a file in the run knows the data."""
    told: list[str] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        if not total:
            told.append(stage)

    integers = tatami.quantize(run, progress=progress)
    assert integers.path == run / "network-int8.onnx"
    assert integers.pictures == 2
    shipped = tatami.ship(run, build=False)
    assert shipped.path == run / "c"
    assert shipped.also is not None
    assert shipped.also.path == run / "c-int8"
    assert shipped.to_json()["also"]["output"] == str(run / "c-int8")
    assert tatami.evaluate(run / "network-int8.onnx", progress=progress).split == "test"
    assert tatami.prove([run / "network-folded.onnx", shipped]).passed
    assert told == [f"data of the run: {halves}, split {split}" for split in ("train", "test")]
    assert tatami.ship(run / "network-int8.onnx", build=False).path == run / "c-int8"
    assert tatami.ship(run / "network-folded.onnx", build=False).path == run / "c"
    assert tatami.ship(run, run / "elsewhere", build=False).also is None


@pytest.mark.slow
def test_what_does_not_fit_is_left_out_and_said(run: Path) -> None:
    alone = tatami.ship(run, build=False).footprint.to_json()
    tatami.quantize(run)
    both = tatami.ship(run, build=False)
    assert both.also is not None
    small = both.also.footprint.to_json()["flash"]
    assert small < alone["flash"]
    fits = tatami.ship(run, flash=small, build=False)
    assert fits.path == run / "c-int8"
    assert fits.lines()[0].startswith("not shipped: ")
    with pytest.raises(tatami.TatamiError, match=r"network-int8\.onnx: the program needs"):
        tatami.ship(run, flash=small - 1, build=False)


def test_a_folded_network_older_than_the_run_is_made_anew(run: Path) -> None:
    folded = tatami.fold(run).path
    before = folded.read_bytes()
    folded.write_bytes(b"not ONNX")
    network = run / "network.onnx"
    network.write_bytes(network.read_bytes())
    tatami.quantize(run)
    assert folded.read_bytes() == before


def test_where_nothing_was_held_out_it_is_what_the_run_learned_from(run: Path) -> None:
    file = run / "run.json"
    values = json.loads(file.read_text())
    values["data"]["test_split"] = None
    file.write_text(json.dumps(values))
    used = measured_on([run], None)
    assert used.split == "train"
    assert used.remark.endswith("split train, which it learned from: nothing was held out")
    values["data"] |= {"hold_out": "1:7", "skip": ["empty-box"]}
    file.write_text(json.dumps(values))
    used = measured_on([run / "network.onnx"], None, skip=["unreadable-picture", "empty-box"])
    assert (used.split, used.hold_out) == ("train", "1:7")
    assert used.skip == ("empty-box", "unreadable-picture")
    assert used.remark.endswith("1:7 pictures held out of split train")
    rest = learned_from(run, None)
    assert (rest.split, rest.hold_out) == ("train", "1:7")
    assert rest.remark.endswith("split train without the 1:7 pictures held out")


def test_what_is_of_no_run_needs_a_set(square_finder: Path, tmp_path: Path) -> None:
    assert run_folder_of(square_finder) is None
    for what in (tatami.evaluate, tatami.quantize, tatami.prove):
        with pytest.raises(tatami.TatamiError, match="data: no labeled set is given"):
            what(square_finder)
    with pytest.raises(tatami.TatamiError, match="no folder given to write to"):
        tatami.ship(square_finder)
