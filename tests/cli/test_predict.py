from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami import graph
from tatami.graph.network import Network
from tatami.pipeline.predict import predict

Command = Callable[..., int]
WriteSquares = Callable[..., None]


@pytest.fixture
def photos(tmp_path: Path, write_squares: WriteSquares) -> Path:
    folder = tmp_path / "photos"
    write_squares(folder / "a.jpg", [("red", 0, 0), ("green", 1, 2)])
    write_squares(folder / "b.jpg", [])
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_pictures_and_folders_are_drawn_and_listed(
    command: Command, square_finder: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert command("predict", square_finder, photos, "-o", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.png", "detections.json"]
    answer = json.loads((out / "detections.json").read_text())
    first, second = answer["pictures"]
    assert (first["picture"], first["size"]) == (str(photos / "a.jpg"), "96x64")
    found = {d["class"]: d["box"] for d in first["detections"]}
    assert found["red"] == pytest.approx([0, 0, 32, 32], abs=1e-3)
    assert found["green"] == pytest.approx([64, 32, 96, 64], abs=1e-3)
    assert second["detections"] == []
    drawn = np.asarray(Image.open(out / "a.png"))
    assert drawn.shape == (64, 96, 3)
    assert (drawn != np.asarray(Image.open(photos / "a.jpg"))).any()


def test_json_on_standard_output_is_what_is_written(
    command: Command,
    square_finder: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert command("predict", square_finder, photos / "a.jpg", "-o", out, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "detections.json").read_text())


def test_the_table_fits_80_columns(
    command: Command,
    square_finder: Path,
    photos: Path,
    tmp_path: Path,
    write_squares: WriteSquares,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_squares(photos / f"[bold]{'long' * 30}.jpg", [("red", 0, 0), ("red", 0, 2)])
    assert command("predict", square_finder, photos, "-o", tmp_path / "out") == 0
    out = capsys.readouterr().out
    table = out[: out.index("wrote")]
    assert all(len(line) <= 80 for line in table.splitlines())
    assert "2 red" in out
    assert "nothing" in out
    assert "[bold]" in out


def test_the_score_threshold_decides(
    command: Command, square_finder: Path, photos: Path, tmp_path: Path
) -> None:
    counts = []
    for score in ("0", "0.25", "1"):
        command(
            "predict", square_finder, photos / "a.jpg", "-o", tmp_path / "out", "--score", score
        )
        answer = json.loads((tmp_path / "out" / "detections.json").read_text())
        counts.append(len(answer["pictures"][0]["detections"]))
    assert counts[0] > counts[1] == 2
    assert counts[2] == 0


def test_a_notebook_shows_what_was_found(square_finder: Path, photos: Path, tmp_path: Path) -> None:
    inside = predict(square_finder, photos)
    written = predict(square_finder, photos, tmp_path / "out")
    assert (inside.path, written.path) == (None, tmp_path / "out")
    assert inside.to_json() == written.to_json()
    drawn = inside.pictures[0].drawn
    assert drawn is not None
    assert np.array_equal(drawn, np.asarray(Image.open(tmp_path / "out" / "a.png")))
    assert written.pictures[0].drawn is None
    for result in (inside, written):
        page = result._repr_html_()
        assert page.count('<img src="data:image/png;base64,') == 2
        assert "a.jpg: 1 red, 1 green" in page
    assert not list(photos.glob("*.png"))


def test_equal_names_from_two_folders_do_not_overwrite(
    command: Command, square_finder: Path, photos: Path, tmp_path: Path, write_squares: WriteSquares
) -> None:
    write_squares(tmp_path / "more" / "A.jpg", [("red", 0, 1)])
    out = tmp_path / "out"
    inputs = (photos / "a.jpg", tmp_path / "more", photos)  # a.jpg twice: it is taken once
    assert command("predict", square_finder, *inputs, "-o", out) == 0
    answer = json.loads((out / "detections.json").read_text())
    assert [p["drawn"] for p in answer["pictures"]] == ["a.png", "A-2.png", "b.png"]
    assert len(list(out.iterdir())) == 4


@pytest.mark.parametrize("bad", ["truncated", "not-a-picture", "missing", "empty-folder"])
def test_bad_input_is_one_line_and_writes_nothing(
    command: Command,
    square_finder: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bad: str,
) -> None:
    path = tmp_path / bad
    if bad == "truncated":
        path = photos / "z.jpg"  # the last one: the others have been drawn by then
        path.write_bytes((photos / "a.jpg").read_bytes()[:-200])
    elif bad == "not-a-picture":
        path.write_bytes(b"text")
    elif bad == "empty-folder":
        path.mkdir()
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "out"
    assert command("predict", square_finder, photos / "a.jpg", path, "-o", out) == 2
    error = capsys.readouterr().err
    assert f"{path}:" in error
    assert len(error.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("option", [("--tiling", 4), ("--tta",)], ids=str)
def test_what_only_segmenters_do_is_refused(
    command: Command,
    square_finder: Path,
    photos: Path,
    squares_set: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: tuple[object, ...],
) -> None:
    for asked in (
        ("predict", square_finder, photos, "-o", tmp_path / "out"),
        ("evaluate", square_finder, "--data", squares_set),
    ):
        assert command(*asked, *option) == 2
        assert f"{option[0]}: only segmentation has it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unreadable_pictures_are_skipped_and_counted_on_demand(
    command: Command,
    square_finder: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (photos / "c.jpg").write_bytes((photos / "a.jpg").read_bytes()[:-200])
    skip = ("--skip", "unreadable-picture")
    out = tmp_path / "out"
    assert command("predict", square_finder, photos, "-o", out, *skip) == 0
    assert "skipped 1 x unreadable-picture" in capsys.readouterr().out
    answer = json.loads((out / "detections.json").read_text())
    assert answer["unreadable"] == [str(photos / "c.jpg")]
    assert len(answer["pictures"]) == 2
    assert command("predict", square_finder, photos / "c.jpg", "-o", tmp_path / "no", *skip) == 2
    assert not (tmp_path / "no").exists()
    assert command("predict", square_finder, photos, "-o", out, "--skip", "bad-label") == 2


def test_older_predictions_are_replaced_and_nothing_else_is(
    command: Command,
    square_finder: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert command("predict", square_finder, photos, "-o", out) == 0
    assert command("predict", square_finder, photos / "b.jpg", "-o", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["b.png", "detections.json"]
    (out / "mine.txt").write_text("keep me")
    assert command("predict", square_finder, photos, "-o", out) == 2
    assert "holds 'mine.txt'" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "keep me"
    assert command("predict", square_finder, photos, "-o", photos) == 2
    assert (photos / "a.jpg").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "detections.json").write_text("[]")  # of that name, but not ours
    assert command("predict", square_finder, photos, "-o", other) == 2
    assert command("predict", square_finder, photos, "-o", photos / "a.jpg") == 2


def test_a_file_name_that_is_no_unicode(
    command: Command, square_finder: Path, photos: Path, tmp_path: Path
) -> None:
    strange = os.fsencode(photos) + b"/\xff.jpg"
    try:
        Path(os.fsdecode(strange)).write_bytes((photos / "a.jpg").read_bytes())
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    assert command("predict", square_finder, photos, "-o", tmp_path / "out") == 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_the_networks_own_threshold_holds_where_none_is_given(
    command: Command, square_finder: Path, photos: Path, tmp_path: Path
) -> None:
    network = graph.read(square_finder)
    assert network.spec is not None
    for threshold in (0.0, 1.0):
        decoding = replace(network.spec.decoding, score_threshold=threshold)
        strict = Network(network.model, replace(network.spec, decoding=decoding))
        graph.write(strict, tmp_path / "strict.onnx")
        picture, out = photos / "a.jpg", tmp_path / "out"
        assert command("predict", tmp_path / "strict.onnx", picture, "-o", out) == 0
        answer = json.loads((out / "detections.json").read_text())
        assert answer["score"] == threshold
        assert (len(answer["pictures"][0]["detections"]) == 0) == (threshold == 1.0)
