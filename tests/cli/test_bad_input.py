"""Every command with every bad input that can reach it: one line that says what is wrong, where
and how to fix it, exit code 2, no traceback, nothing half-written.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tatami.pipeline.ship import ship

TRAIN = ("train", "yolov2-tiny", "--size", "64x64", "--width", "0.1", "--batch", "2")
TRAIN += ("--epochs", "1", "--anchors", "1,1", "--threads", "1", "--augment", "mosaic=0")
DIGITS = ("data", "digits", "--train", "40", "--test", "2", "--size", "96x96")


@dataclass(frozen=True)
class Refusal:
    """What a refused command printed: its one line, and standard output."""

    line: str
    out: str


Refused = Callable[..., Refusal]


def tree(*roots: Path) -> dict[Path, tuple[int, int] | None]:
    """Every file with its size and time of change, every folder with None."""
    paths = [path for root in roots for path in (root, *root.rglob("*"))]
    return {
        path: None
        if path.is_dir() or not path.exists()
        else (path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
    }


def checked(code: int, out: str, err: str) -> Refusal:
    """The form that every refusal has."""
    assert code == 2, (code, err, out)
    assert "Traceback" not in out + err
    assert err.endswith("\n"), err
    assert err.count("\n") == 1, err
    line = err.removesuffix("\n")
    # tatami: FILE:LINE: reason (hint)
    assert re.fullmatch(r"tatami: .*[^\s(] \(.{9,}\)", line), line
    assert line.isprintable(), line
    return Refusal(line, out)


@pytest.fixture
def refused(
    house: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[..., int],
) -> Refused:
    """Run a command in the folder ``tmp_path``, and check that it is refused in the right form."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def run(*arguments: object, watch: Sequence[Path] = ()) -> Refusal:
        before = tree(house, tmp_path, *watch)
        capsys.readouterr()
        code = command(*arguments)
        out, err = capsys.readouterr()
        if any(temporary.iterdir()):
            gc.collect()  # a compiled detector removes its folder when it is forgotten
        assert tree(house, tmp_path, *watch) == before
        return checked(code, out, err)

    return run


# Artifacts ----------------------------------------------------------------------------------------

NETWORKS = {
    "missing.onnx": "No such file|no such file",
    "folder.onnx": "Is a directory|neither a run folder",
    "empty.onnx": "empty",
    "cut.onnx": "cut short",
    "random.onnx": "not an ONNX file",
    "operator.onnx": "StringNormalizer",
    "nan.onnx": "not finite|NaN",
    "shape.onnx": r"shape|channels",
    "numbers.onnx": "holds 5376 numbers|holds [0-9]+ numbers",
    "metadata.onnx": "tatami.decoding is not JSON",
}
"""Files of the fixture ``bad_networks`` and what is wrong with each."""


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "stage", ["fold", "ship", "evaluate", "predict", "prove", "summary", "pareto", "see features"]
)
def test_a_bad_network(stage: str, name: str, bad_networks: Path, house: Path, refused: Refused):
    network = bad_networks / name
    more: dict[str, tuple[object, ...]] = {
        "fold": ("-o", "out.onnx"),
        "ship": ("-o", "out"),
        "evaluate": ("--data", house / "set", "--split", "test"),
        "predict": (house / "picture.jpg", "-o", "out"),
        "prove": ("--data", house / "set", "--split", "test"),
        "summary": (),
        "pareto": ("--data", house / "set", "--split", "test", "--no-time"),
        "see features": (house / "picture.jpg", "-o", "out"),
    }
    line = refused(*stage.split(), network, *more[stage]).line
    assert str(network) in line
    assert re.search(NETWORKS[name], line), line


@pytest.mark.parametrize("stage", ["quantize", "evaluate", "predict", "prove"])
def test_a_network_that_does_not_say_what_it_is(
    stage: str, bad_networks: Path, house: Path, refused: Refused
):
    network = bad_networks / "bare.onnx"
    more: dict[str, tuple[object, ...]] = {
        "quantize": ("--data", house / "set", "--split", "test", "-o", "out.onnx"),
        "evaluate": ("--data", house / "set", "--split", "test"),
        "predict": (house / "picture.jpg", "-o", "out"),
        "prove": ("--data", house / "set", "--split", "test"),
    }
    line = refused(stage, network, *more[stage]).line
    assert str(network) in line
    assert "metadata" in line


@pytest.mark.parametrize("stage", ["evaluate", "prove"])
def test_a_network_of_other_classes(stage: str, bad_networks: Path, house: Path, refused: Refused):
    data = ("--data", house / "set", "--split", "test")
    line = refused(stage, bad_networks / "classes.onnx", *data).line
    assert "'blue'" in line
    assert "'green'" in line


RUNS: dict[str, tuple[str, str]] = {
    # what is done to a copy of a good run: the file that is named, and the reason
    "no run.json": ("run", "neither a run folder|not a run folder"),
    "run.json is cut": ("run.json", "not as it was written"),
    "run.json is a list": ("run.json", "not as it was written"),
    "run.json lacks a key": ("run.json", "recipe"),
    "run.json has another model": ("run.json", "no model 'vgg'"),
    "run.json has an unknown recipe key": ("run.json", "unknown key 'magic'"),
    "run.json has a bad size": ("run.json", "not a size"),
    "run.json has bad anchors": ("run.json", "anchors"),
    "run.json has a root that is no text": ("run.json", "not named in text"),
    "run.json has an unknown augmentation": ("run.json", "not an augmentation"),
    "run.json has another width": ("weights.safetensors", "conv"),
    "no weights": ("run", "no weights"),
    "weights are cut": ("weights.safetensors", "not a whole safetensors file"),
    "weights are random": ("weights.safetensors", "not a whole safetensors file"),
    "weights have a wrong shape": ("weights.safetensors", "conv1"),
    "weights are not finite": ("weights.safetensors", "finite"),
    "weights are a folder": ("run", "no weights"),
}


@pytest.mark.parametrize("what", RUNS)
@pytest.mark.parametrize("stage", ["evaluate", "predict", "prove", "report"])
def test_a_bad_run(
    stage: str,
    what: str,
    bad_run: Callable[[str], Path],
    house: Path,
    refused: Refused,
):
    run = bad_run(what)
    more: dict[str, tuple[object, ...]] = {
        "evaluate": ("--data", house / "set", "--split", "test"),
        "predict": (house / "picture.jpg", "-o", "out"),
        "prove": ("--data", house / "set", "--split", "test"),
        "report": (),
    }
    line = refused(stage, run, *more[stage]).line
    file, reason = RUNS[what]
    assert re.search(rf"tatami: \S*{re.escape(file)}:", line), line
    assert re.search(reason, line), line


CHECKPOINTS = {
    "state.safetensors is cut": "checksum",
    "state.json is cut": "damaged",
    "state.json is absent": "damaged",
    "tensors have a wrong shape": "conv1",
    "a tensor is absent": "conv1",
}


@pytest.mark.parametrize("what", CHECKPOINTS)
def test_a_bad_checkpoint(what: str, bad_checkpoint: Callable[[str], Path], refused: Refused):
    run = bad_checkpoint(what)
    line = refused("train", "--resume", run).line
    assert f"{run}/checkpoints" in line
    assert re.search(CHECKPOINTS[what], line), line


@pytest.mark.parametrize(
    "what", ["no run.json", "run.json is cut", "run.json lacks a key", "run.json has another model"]
)
def test_resuming_a_bad_run(what: str, bad_run: Callable[[str], Path], refused: Refused):
    line = refused("train", "--resume", bad_run(what)).line
    assert "run" in line
    assert re.search(RUNS[what][1], line), line


FOLDERS_OF_C = {
    "network.json is cut": ("network.json", "damaged"),
    "network.json names a path": ("network.json", "damaged"),
    "network.json is absent": ("", "neither a run folder"),
    "the program is cut": ("", "the program"),
    "the source is absent": ("", "missing"),
    "the source is damaged": ("", "compiler failed"),
}


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("what", FOLDERS_OF_C)
@pytest.mark.parametrize("stage", ["evaluate", "predict", "prove"])
def test_a_bad_folder_of_c(
    stage: str, what: str, bad_c: Callable[[str], Path], house: Path, refused: Refused
):
    folder = bad_c(what)
    more: dict[str, tuple[object, ...]] = {
        "evaluate": ("--data", house / "set", "--split", "test"),
        "predict": (house / "picture.jpg", "-o", "out"),
        "prove": ("--data", house / "set", "--split", "test"),
    }
    line = refused(stage, folder, "--trust", *more[stage]).line
    file, reason = FOLDERS_OF_C[what]
    assert str(folder / file) in line
    assert re.search(reason, line), line


# Labeled sets ------------------------------------------------------------------------------------

SETS: dict[str, tuple[str, str]] = {
    # what is wrong with a set: the file that is named, and the reason
    "missing": ("set", "no such folder"),
    "an empty folder": ("set", "not a labeled set"),
    "a file": ("set", "not a labeled set"),
    "folders without files": ("Annotations", "no class names"),
    "a truncated JPEG": ("000001.jpg", "decoded|truncated"),
    "an empty JPEG": ("000001.jpg", "not a picture"),
    "a PNG of 60000x60000": ("000001.png", "too large"),
    "a picture is a folder": ("000001.jpg", "no picture|no such picture"),
    "malformed XML": ("000001.xml:1", "malformed XML"),
    "empty XML": ("000001.xml", "malformed XML"),
    "an entity bomb": ("000001.xml:1", "document type"),
    "an external entity": ("000001.xml:1", "document type"),
    "a NaN box in XML": ("000001.xml", "'nan' is not a finite number"),
    "an infinite box in XML": ("000001.xml", "'1e999' is not a finite number"),
    "a class that is not listed": ("000001.xml", "unknown-class"),
    "a list that is not UTF-8": ("train.txt", "not UTF-8"),
    "YOLO: a NaN box": ("a.txt:1", "'nan' is not a finite number"),
    "YOLO: a class out of range": ("a.txt:1", "class-out-of-range"),
    "YOLO: malformed YAML": ("data.yaml", "YAML"),
    "YOLO: a YAML bomb": ("data.yaml", "YAML|names|alias"),
    "YOLO: a label is a folder": ("a.txt", "directory|label"),
    "COCO: malformed JSON": ("annotations.json:1", "malformed JSON"),
    "COCO: a NaN box": ("annotations.json", "not a finite number"),
    "COCO: an unknown category": ("annotations.json", "unknown-class"),
    "COCO: nested without end": ("annotations.json", "malformed JSON"),
    "COCO: a path out of the set": ("annotations.json", "not a path inside the set"),
}


@pytest.mark.parametrize("what", SETS)
@pytest.mark.parametrize("stage", ["show", "train", "evaluate", "prove", "report", "pareto"])
def test_a_bad_set(
    stage: str,
    what: str,
    bad_set: Callable[[str], Path],
    run_on: Callable[[Path], Path],
    house: Path,
    refused: Refused,
):
    root = bad_set(what)
    arguments: tuple[object, ...] = {
        "show": ("data", "show", root),
        "train": (*TRAIN, "--data", root, "-o", "out"),
        "evaluate": ("evaluate", house / "squares.onnx", "--data", root),
        "prove": ("prove", house / "squares.onnx", "--data", root),
        "report": ("report", run_on(root)),
        "pareto": ("pareto", house / "squares.onnx", "--data", root, "--no-time"),
    }[stage]
    said = refused(*arguments)
    file, reason = SETS[what]
    if stage == "show" and said.out:
        assert str(root) in said.line
        line = next(line for line in said.out.splitlines() if file in line)
    else:
        line = said.line
    assert file in line
    assert re.search(reason, line), line


@pytest.mark.parametrize("stage", ["evaluate", "prove", "train", "show"])
def test_a_split_that_is_not_there(stage: str, house: Path, refused: Refused):
    data = house / "set"
    arguments: tuple[object, ...] = {
        "show": ("data", "show", data, "--split", "tset"),
        "train": (*TRAIN, "--data", data, "-o", "out", "--test-split", "tset"),
        "evaluate": ("evaluate", house / "squares.onnx", "--data", data, "--split", "tset"),
        "prove": ("prove", house / "squares.onnx", "--data", data, "--split", "tset"),
    }[stage]
    line = refused(*arguments).line
    assert str(data) in line
    assert "no split 'tset'" in line


RESULTS = {
    "missing": "no such file",
    "a folder": "no such file",
    "cut": "malformed JSON",
    "random": "malformed JSON",
    "nan": "not finite",
    "category": "category_id 99",
}


@pytest.mark.parametrize("what", RESULTS)
def test_bad_detections(what: str, house: Path, tmp_path: Path, refused: Refused):
    good = {"image_id": "000000", "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
    file = tmp_path / "found.json"
    content = {
        "cut": json.dumps([good])[:40].encode(),
        "random": bytes(range(255, 128, -1)),
        "nan": json.dumps([good | {"score": float("nan")}]).encode(),
        "category": json.dumps([good | {"category_id": 99}]).encode(),
    }
    if what == "a folder":
        file.mkdir()
    elif what in content:
        file.write_bytes(content[what])
    line = refused(
        "evaluate", "--detections", file, "--data", house / "set", "--split", "test"
    ).line
    assert str(file) in line
    assert RESULTS[what] in line


PICTURES = {
    "missing.jpg": "no such picture",
    "empty": "no picture in this folder",
    "empty.jpg": "not a picture",
    "cut.jpg": "decoded|truncated",
    "huge.png": "too large",
    "notes.txt": "not a picture",
    "inside.jpg/x.jpg": "no such picture",
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("stage", ["predict", "see features"])
def test_a_bad_picture(stage: str, name: str, bad_pictures: Path, house: Path, refused: Refused):
    picture, network = bad_pictures / name, house / "squares.onnx"
    sound = (house / "picture.jpg",) if stage == "predict" else ()
    reason = PICTURES[name]
    if stage == "see features" and name == "empty":
        reason = "no such picture"  # it takes one, and no folder
    line = refused(*stage.split(), network, *sound, picture, "-o", "out").line
    assert str(picture) in line
    assert re.search(reason, line), line


# Where to write -----------------------------------------------------------------------------------

WRITERS = ("sheet", "digits", "train", "save", "predict", "fold", "ship", "report", "demo")
WRITERS += ("summary", "pareto", "features")


def writing(writer: str, house: Path, trained: Path, target: Path) -> tuple[object, ...]:
    """A sound command that writes a file or a folder ``target``."""
    network, data = house / "squares.onnx", house / "set"
    commands: dict[str, tuple[object, ...]] = {
        "sheet": ("data", "show", data, "--draw", target.with_suffix(".png")),
        "digits": (*DIGITS, target),
        "train": (*TRAIN, "--data", data, "-o", target),
        "save": ("evaluate", network, "--data", data, "--split", "test", "--save", target),
        "predict": ("predict", network, house / "picture.jpg", "-o", target),
        "fold": ("fold", network, "-o", target),
        "ship": ("ship", network, "-o", target, "--no-build"),
        "report": ("report", trained, "-o", target),
        "demo": ("demo", "--out", target),
        "summary": ("summary", network, "--csv", target),
        "pareto": ("pareto", network, "--data", data, "--split", "test", "--no-time", "-o", target),
        "features": ("see", "features", network, house / "picture.jpg", "-o", target),
    }
    return commands[writer]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_path_inside_a_file(
    writer: str, house: Path, trained: Path, tmp_path: Path, refused: Refused
):
    file = tmp_path / "file"
    file.write_text("not a folder")
    line = refused(*writing(writer, house, trained, file / "deep" / "out")).line
    assert str(file) in line
    assert "Not a directory" in line


@pytest.mark.parametrize("writer", WRITERS)
def test_the_other_kind_is_there(
    writer: str, house: Path, trained: Path, tmp_path: Path, refused: Refused
):
    target = tmp_path / "there"
    if writer in ("digits", "train", "predict", "ship", "demo", "pareto", "features"):
        target.write_text("a file where a folder is wanted")
    else:
        target = target.with_suffix(".png")
        (target / "with").mkdir(parents=True)
    line = refused(*writing(writer, house, trained, target)).line
    assert str(target) in line


@pytest.mark.parametrize("writer", ["digits", "train", "predict", "ship", "demo", "features"])
def test_a_folder_of_something_else(
    writer: str, house: Path, trained: Path, tmp_path: Path, refused: Refused
):
    target = tmp_path / "mine"
    (target / "run").mkdir(parents=True)
    (target / "thesis.txt").write_text("all of it")
    if writer in ("train", "demo"):  # these write into a folder, but over no older run
        for folder in (target, target / "run"):
            (folder / "run.json").write_text("{}")
    line = refused(*writing(writer, house, trained, target)).line
    assert str(target) in line


@pytest.mark.parametrize("writer", WRITERS)
def test_a_name_that_is_too_long(
    writer: str, house: Path, trained: Path, tmp_path: Path, refused: Refused
):
    target = tmp_path / "made" / ("n" * 300)
    line = refused(*writing(writer, house, trained, target)).line
    assert "too long" in line
    assert str(target) in line


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 2 MiB of its own. The test is skipped where none can be mounted."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts a file system")
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tatami-test", str(folder)]
    result = subprocess.run(mount, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"no file system can be mounted: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes, a multiple of 4096, free on the disk."""
    free = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize - room))


@pytest.mark.parametrize(
    ("writer", "room"),
    [(writer, 0) for writer in WRITERS]
    # some room: the failure comes when a part has been written
    + [("digits", 65536), ("train", 4096), ("train", 16384), ("predict", 4096), ("ship", 32768)],
)
def test_a_full_disk(
    writer: str, room: int, house: Path, trained: Path, disk: Path, refused: Refused
):
    fill(disk, room)
    target = disk / "made" / "out"
    line = refused(*writing(writer, house, trained, target), watch=[disk]).line
    assert str(target) in line
    assert "No space left on device (free some space or write elsewhere)" in line


@pytest.mark.parametrize("writer", WRITERS)
def test_a_read_only_disk(writer: str, house: Path, trained: Path, disk: Path, refused: Refused):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    target = disk / "made" / "out"
    line = refused(*writing(writer, house, trained, target), watch=[disk]).line
    assert str(disk / "made") in line
    assert "Read-only file system (write to another folder)" in line


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_disk_too_small_for_the_program(
    house: Path, disk: Path, tmp_path: Path, refused: Refused
):
    """The compiler, not we, meets the full disk: the line names the folder asked for."""
    whole = ship(house / "squares.onnx", tmp_path / "whole", build=False).path
    sources = [path for path in whole.rglob("*") if path.name != "SHA256SUMS"]
    fill(disk, sum(-(-path.stat().st_size // 4096) * 4096 for path in sources) + 8192)
    line = refused("ship", house / "squares.onnx", "-o", disk / "c", watch=[disk]).line
    assert f"{disk / 'c'}: the C compiler failed" in line
    assert f"{disk}/." not in line


# As processes -------------------------------------------------------------------------------------


def process(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, **more: object
) -> subprocess.Popen[bytes]:
    usual = {"OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    return subprocess.Popen(
        [sys.executable, "-m", "tatami", *map(os.fspath, map(_text, arguments))],
        cwd=cwd,
        env={**os.environ, **usual, **(env or {})},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},  # type: ignore[call-overload]
    )


def _text(argument: object) -> str | Path:
    return argument if isinstance(argument, Path) else str(argument)


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, ASCII], ids=["C", "ASCII"])
def test_japanese_and_undecodable_names_where_nothing_can_be_shown(
    locale: dict[str, str], house: Path, tmp_path: Path
):
    folder = tmp_path / "写真"
    folder.mkdir()
    strange = folder / os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(house / "picture.jpg", folder / "一枚.jpg")
    shutil.copy(house / "picture.jpg", strange)
    found = process(
        "predict", house / "squares.onnx", folder, "-o", tmp_path / "結果", cwd=tmp_path, env=locale
    )
    out, err = found.communicate()
    assert (found.returncode, err) == (0, b"")
    names = sorted(os.fsencode(path.name) for path in (tmp_path / "結果").iterdir())
    assert names == sorted([b"caf\xe9.png", "一枚.png".encode(), b"detections.json"])

    strange.write_bytes(b"no picture")
    before = tree(tmp_path)
    bad = process(
        "predict", house / "squares.onnx", strange, "-o", tmp_path / "b", cwd=tmp_path, env=locale
    )
    out, err = bad.communicate()
    refusal = checked(bad.returncode, out.decode(), err.decode())
    assert "\\xe9.jpg: not a picture" in refusal.line or "\\udce9.jpg: not" in refusal.line
    assert tree(tmp_path) == before


def test_a_reader_that_goes_away_is_no_error(house: Path, tmp_path: Path):
    reading, writing_end = os.pipe()
    os.close(reading)
    found = process("data", "show", house / "set", cwd=tmp_path, stdout=writing_end)
    os.close(writing_end)
    _, err = found.communicate()
    assert (found.returncode, err) == (128 + signal.SIGPIPE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_onto_a_full_disk(house: Path, tmp_path: Path):
    with Path("/dev/full").open("wb") as full:
        found = process("data", "show", house / "set", "--json", cwd=tmp_path, stdout=full)
        _, err = found.communicate()
    assert "No space left" in checked(found.returncode, "", err.decode()).line


def test_a_bad_option_and_a_bad_file_as_processes(house: Path, tmp_path: Path):
    for arguments, said in (
        (("fold",), "Missing argument"),
        (("fold", tmp_path / "no.onnx"), "no.onnx: No such file"),
        (("evaluate", "--nope"), "No such option"),
    ):
        found = process(*arguments, cwd=tmp_path)
        out, err = found.communicate()
        assert said in checked(found.returncode, out.decode(), err.decode()).line


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path):
    pytest.importorskip("skimage")
    # A shell's background job hands on that Ctrl-C is ignored; a terminal's program hears it.
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    asked = (*DIGITS[:3], "5000", *DIGITS[4:], tmp_path / "digits")
    found = process(*asked, cwd=tmp_path, preexec_fn=heard)
    waited = time.monotonic() + 60
    while not any(tmp_path.rglob("*.png")):
        assert time.monotonic() < waited
        time.sleep(0.05)
    found.send_signal(signal.SIGINT)
    out, err = found.communicate()
    assert (found.returncode, out, err) == (130, b"", b"tatami: stopped\n")
    assert list(tmp_path.iterdir()) == []
