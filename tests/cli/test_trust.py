"""A shipped folder is a program: what this installation did not write runs only when asked for."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tatami.pipeline.prove import prove
from tatami.ship import seal

Command = Callable[..., int]

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def folder(command: Command, house: Path, tmp_path: Path) -> Path:
    """A folder shipped here, with its program, in a place of its own."""
    folder = tmp_path / "c"
    assert command("ship", house / "squares.onnx", "-o", folder, "--weights", "binary") == 0
    return folder


@pytest.fixture
def runs(command: Command, house: Path, tmp_path: Path) -> Callable[..., int]:
    """Look at a picture with a folder, and give the exit code."""
    return lambda folder, *more: command(
        "predict", folder, house / "picture.jpg", "-o", tmp_path / "out", *more
    )


def planted(path: Path, trace: Path) -> None:
    """A shell script in place of a program, which leaves a trace where it is run."""
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\ntouch {trace}\n")
    path.chmod(0o755)


def test_what_is_shipped_here_runs_here(folder: Path, runs: Callable[..., int]) -> None:
    moved = folder.with_name("moved")
    folder.rename(moved)
    assert runs(moved) == 0
    for line in (moved / seal.SUMS).read_text().splitlines():
        found, name = line.split("  ")
        assert hashlib.sha256((moved / name).read_bytes()).hexdigest() == found
    shutil.copytree(moved, folder)
    (folder / "squares_detect").unlink()
    (folder / "Makefile").write_text("all:\n\techo mine\n")
    (folder / "app.c").write_text("int main(void) { return 0; }\n")
    assert runs(folder) == 0  # what a user adds beside it, and makes of it, is the user's


def test_a_script_in_place_of_the_program_is_not_run(
    folder: Path, runs: Callable[..., int], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    assert runs(folder) == 0
    expected = (tmp_path / "out" / "detections.json").read_text()
    planted(folder / "squares_detect", trace)
    assert runs(folder) == 0  # the program is built anew of the sources, which are as shipped
    assert (tmp_path / "out" / "detections.json").read_text() == expected
    (folder / "squares_detect").unlink()
    (folder / "squares_detect").symlink_to(tmp_path / "script")
    planted(tmp_path / "script", trace)
    assert runs(folder) == 0
    assert not trace.exists()
    runs(folder, "--trust")
    assert trace.exists()


EDITED = ("squares.c", "squares.h", "main.c", "proof.c", "squares_weights.bin", "squares_weights.S",
          "network.json")  # fmt: skip


@pytest.mark.parametrize("file", EDITED)
def test_an_edited_file_is_refused_by_name(
    file: str,
    folder: Path,
    runs: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = folder / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b" \n" if file != "squares_weights.bin" else content[::-1])
    assert runs(folder) == 2
    line = capsys.readouterr().err
    assert str(path) in line
    assert "not as it was shipped" in line
    assert "--trust" in line
    assert runs(folder, "--trust") == 0


def test_links_and_files_that_are_slipped_in_are_refused(
    folder: Path,
    runs: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = folder / "main.c"
    source.rename(tmp_path / "main.c")
    source.symlink_to(tmp_path / "main.c")
    assert runs(folder) == 2
    assert "symbolic link" in capsys.readouterr().err
    source.unlink()
    assert runs(folder) == 2
    assert "main.c: --trust: is missing" in capsys.readouterr().err
    (tmp_path / "main.c").rename(source)
    assert runs(folder) == 0
    (folder / "squares_weights.c").write_text("int planted;\n")  # the build would prefer it
    assert runs(folder) == 2
    assert "squares_weights.c: --trust: is none of the files" in capsys.readouterr().err


def test_another_installation_s_folder_is_refused_by_every_command(
    command: Command,
    folder: Path,
    house: Path,
    runs: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trace = tmp_path / "trace"
    planted(folder / "squares_detect", trace)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    data = ("--data", house / "set", "--split", "test")
    assert runs(folder) == 2
    assert "did not ship this folder" in capsys.readouterr().err
    assert command("evaluate", folder, *data) == 2
    assert command("prove", folder, *data) == 2
    assert command("prove", house / "squares.onnx", folder, *data, "--variants") == 2
    # Checksums that a stranger writes say nothing.
    (folder / "network.json").write_text(
        json.dumps(json.loads((folder / "network.json").read_text()))
    )
    others = (seal.SUMS, "Makefile")
    names = [path.name for path in folder.iterdir() if path.is_file() and path.name not in others]
    sums = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (folder / seal.SUMS).write_text("".join(sums))
    assert runs(folder) == 2
    (folder / seal.SUMS).unlink()
    assert runs(folder) == 2
    assert not trace.exists()
    (folder / "squares_detect").unlink()
    assert command("prove", folder, *data, "--trust") == 0
    assert prove(folder, house / "set", split="test", pictures=1, trust=True).passed


def test_what_cannot_be_recorded_says_so(
    command: Command,
    house: Path,
    runs: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert command("ship", house / "squares.onnx", "-o", tmp_path / "c") == 0
    assert "not recorded" in capsys.readouterr().out
    assert runs(tmp_path / "c") == 2
    assert runs(tmp_path / "c", "--trust") == 0
