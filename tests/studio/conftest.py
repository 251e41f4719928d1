"""A studio of small runs, one of each kind of task, as the command serves it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

import tatami
from tests.browser import tab_of

HALF = {"total": 120, "seconds_a_step": 30.0}
"""The pace of the training that is half done."""


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run of a small classifier of colors, with its network in 8 bits."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("studio")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 2)):
        for channel, name in enumerate(("red", "green", "blue")):
            (root / "set" / split / name).mkdir(parents=True)
            for number in range(count):
                noise = rng.normal(60, 30, (40, 48, 3))
                noise[..., channel] += 120
                pixels = noise.clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / "set" / split / name / f"{number}.png")
    tatami.train("lenet5", root / "set", root / "run", epochs=3, batch=6, threads=1)
    tatami.quantize(root / "run")
    return root / "run"


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """A run of a small detector of bright squares, with its network in 8 bits."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(1)
    for split, count in (("train", 12), ("test", 6)):
        for part in ("images", "labels"):
            (root / "set" / split / part).mkdir(parents=True)
        for number in range(count):
            picture = rng.integers(20, 60, (64, 64, 3), dtype=np.uint8)
            side = 16 + 2 * (number % 6)
            x, y = rng.integers(0, 64 - side, 2).tolist()
            picture[y : y + side, x : x + side, number % 2] = 250
            box = (x + side / 2, y + side / 2, side, side)
            line = " ".join(f"{value / 64:.6f}" for value in box)
            Image.fromarray(picture).save(root / "set" / split / "images" / f"{number}.png")
            (root / "set" / split / "labels" / f"{number}.txt").write_text(f"{number % 2} {line}\n")
    names = "train: train/images\ntest: test/images\nnames: [red, green]\n"
    (root / "set" / "data.yaml").write_text(names)
    tatami.train(
        "yolov2-tiny", root / "set", root / "run", size="64x64", width=0.1, epochs=20, batch=4,
        changes={"evaluate_every": 5}, augment=("flip=0", "mosaic=0", "scale=1,1"), threads=1,
    )  # fmt: skip
    tatami.quantize(root / "run")
    return root / "run"


@pytest.fixture(scope="session")
def going(squares):
    """The detector's run as if it were half done: it has a checkpoint and no network yet."""
    folder = squares.parent / "going"
    shutil.copytree(squares, folder)
    for file in ("weights.safetensors", *(one.name for one in squares.glob("*.onnx"))):
        (folder / file).unlink()
    (state,) = folder.glob("checkpoints/*/state.json")
    state.write_text(json.dumps(json.loads(state.read_text()) | HALF))
    settings = json.loads((folder / "run.json").read_text())
    settings["recipe"]["epochs"] *= 2
    (folder / "run.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="session")
def regions(tmp_path_factory):
    """A run of a small segmenter of a disk and a square, with its network in 8 bits."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("regions")
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:32, :48]
    for split, count in (("train", 12), ("test", 5)):
        for part in ("pictures", "masks"):
            (root / "set" / split / part).mkdir(parents=True)
        for number in range(count):
            mask = np.zeros((32, 48), np.uint8)
            mask[(y - rng.integers(9, 22)) ** 2 + (x - 12) ** 2 < 64] = 1
            if number % 2:
                mask[8:22, 30 : 38 + number] = 2
            noise = rng.normal(60, 25, (32, 48, 3))
            noise[mask == 1] += (120, 20, 0)
            noise[mask == 2] += (0, 60, 120)
            mask[:2] = 255  # void
            pixels = noise.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "set" / split / "pictures" / f"{number}.png")
            Image.fromarray(mask).save(root / "set" / split / "masks" / f"{number}.png")
    splits = {
        name: {"pictures": f"{name}/pictures", "masks": f"{name}/masks"}
        for name in ("train", "test")
    }
    said = {"classes": ["ground", "disk", "square"], "splits": splits}
    (root / "set" / "masks.json").write_text(json.dumps(said))
    tatami.train(
        "unet-same-bn", root / "set", root / "run", size="48x32", width=0.1, epochs=4, batch=4,
        threads=1,
    )  # fmt: skip
    tatami.quantize(root / "run")
    return root / "run"


@pytest.fixture(scope="session")
def vectors(tmp_path_factory):
    """A run of a small network of rows of numbers, which no page can draw as pictures."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(3)
    (root / "set").mkdir()
    for split, count in (("train", 40), ("test", 20)):
        rows = rng.normal(size=(count, 3))
        lines = [f"{a:.4f},{b:.4f},{c:.4f},{'up' if a > b else 'down'}" for a, b, c in rows]
        (root / "set" / f"{split}.csv").write_text("\n".join(["a,b,c,class", *lines]) + "\n")
    tatami.train("mlp", root / "set", root / "run", width=0.1, epochs=4, batch=8, threads=1)
    return root / "run"


@pytest.fixture(scope="session")
def picture(run):
    """The file of a picture that the classifier's run held out."""
    return run.parent / "set" / "test" / "green" / "0.png"


@pytest.fixture(scope="session")
def address(run, squares, going, regions, vectors):
    """The studio of these runs: its address and its token."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    command = [
        sys.executable,
        "-m",
        "tatami",
        "studio",
        *map(str, (run, squares, going, regions, vectors)),
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline().strip()
        yield line.split("#")
        process.terminate()


@pytest.fixture
def ask(address):
    """Ask the studio: the status, the body and the headers of its answer."""

    def answer(path, body=None, **headers):
        root, token = address
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"x-tatami-token": token, **names}
        request = urllib.request.Request(f"{root}{path}", data=body, headers=given)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    return answer


@pytest.fixture
def tab(address):
    """The studio in Chromium."""
    with tab_of(address[0], "#".join(address), "#graph g") as tab:
        assert address[1] not in tab.url
        yield tab
