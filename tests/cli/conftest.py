"""A network that finds colored squares without training, and pictures of such squares."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import helper, numpy_helper
from PIL import Image

from tatami import graph
from tatami.cli.main import main
from tatami.graph.metadata import to_metadata
from tatami.program.lower import lower
from tatami.ship.c.build import build
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.tasks.detection import DETECTION_IN_C
from tatami.ship.seal import seal
from tatami.types import Decoding, DetectionSpec, InputSpec, Size

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0)}
CELL = 32

Command = Callable[..., int]
Squares = Sequence[tuple[str, int, int]]
WriteSquares = Callable[[Path, Squares], None]
WriteLabels = Callable[[Path, Squares], None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``tatami`` with these arguments and give its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["tatami", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        return int(exit.value.code or 0)

    return run


def save_square_finder(path: Path) -> None:
    """An ONNX file: red and green squares in the cells of a 96x64 input, anchor one cell."""
    weights = np.zeros((7, 3, CELL, CELL), np.float32)  # tx, ty, tw, th, to, red, green
    weights[4, :2] = 40 / CELL**2  # the cell's mean of red and green, 0 to 1, times 40
    weights[5, 0] = weights[6, 1] = 20 / CELL**2
    bias = np.array([0, 0, 0, 0, -20, 0, 0], np.float32)
    kind = onnx.TensorProto.FLOAT
    strides = {"kernel_shape": [CELL, CELL], "strides": [CELL, CELL]}
    content = helper.make_graph(
        [helper.make_node("Conv", ["images", "weights", "bias"], ["map"], **strides)],
        "squares",
        [helper.make_tensor_value_info("images", kind, [1, 3, 64, 96])],
        [helper.make_tensor_value_info("map", kind, [1, 7, 2, 3])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    spec = DetectionSpec(tuple(COLORS), InputSpec(Size(96, 64)), Decoding.yolov2(((1.0, 1.0),)))
    helper.set_model_props(model, to_metadata(spec))
    onnx.save(model, path)


def save_squares(path: Path, squares: Squares) -> None:
    """A 96x64 JPEG with squares of these (color, row, column) on black."""
    picture = np.zeros((64, 96, 3), np.uint8)
    for color, row, column in squares:
        rows, columns = (
            slice(row * CELL, (row + 1) * CELL),
            slice(column * CELL, (column + 1) * CELL),
        )
        picture[rows, columns] = COLORS[color]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=95, subsampling=0)


def save_labels(path: Path, squares: Squares) -> None:
    """The PASCAL VOC annotation of such a picture."""
    objects = "".join(
        f"<object><name>{color}</name><difficult>0</difficult><bndbox>"
        f"<xmin>{column * CELL + 1}</xmin><ymin>{row * CELL + 1}</ymin>"
        f"<xmax>{(column + 1) * CELL}</xmax><ymax>{(row + 1) * CELL}</ymax>"
        "</bndbox></object>"
        for color, row, column in squares
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{path.stem}.jpg</filename>"
        "<size><width>96</width><height>64</height><depth>3</depth></size>"
        f"{objects}</annotation>"
    )


def save_set(root: Path) -> None:
    """A labeled set of four pictures and five squares, one of which has a stray square."""
    labeled: list[Squares] = [
        [("red", 0, 0), ("green", 1, 2)],
        [("red", 1, 1)],
        [("green", 0, 1), ("green", 1, 0)],
        [],
    ]
    for number, squares in enumerate(labeled):
        stray = [("red", 1, 2)] if number == 3 else []
        save_squares(root / "JPEGImages" / f"{number:06}.jpg", [*squares, *stray])
        save_labels(root / "Annotations" / f"{number:06}.xml", squares)


@pytest.fixture
def square_finder(tmp_path: Path) -> Path:
    """The file of ``save_square_finder``."""
    path = tmp_path / "squares.onnx"
    save_square_finder(path)
    return path


@pytest.fixture
def write_squares() -> WriteSquares:
    return save_squares


@pytest.fixture
def write_labels() -> WriteLabels:
    return save_labels


@pytest.fixture
def squares_set(tmp_path: Path) -> Path:
    """The set of ``save_set``."""
    root = tmp_path / "set"
    save_set(root)
    return root


# What bad input is made of: a house of sound things, which no test may change ---------------------


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with squares.onnx, picture.jpg, set/ (a labeled set with a train and a test
    split), c/ (shipped; with its program where there is a compiler)."""
    house = tmp_path_factory.mktemp("house")
    save_square_finder(house / "squares.onnx")
    save_squares(house / "picture.jpg", [("red", 0, 1)])
    save_set(house / "set")
    lists = house / "set" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split in ("train", "test"):
        (lists / f"{split}.txt").write_text("000000\n000001\n000002\n000003\n")
    program = lower(graph.read(house / "squares.onnx"))
    (house / "c").mkdir()
    for name, content in emit(
        program, "squares", Options(weights="array"), DETECTION_IN_C
    ).files.items():
        (house / "c" / name).write_bytes(content)
    if shutil.which("cc"):
        build(house / "c", "squares", house / "c" / "squares_detect", options=("-O1",))
    seal(house / "c", [file.name for file in (house / "c").iterdir()])
    return house


@pytest.fixture(scope="session")
def bad_networks(tmp_path_factory: pytest.TempPathFactory, house: Path) -> Path:
    """A folder of ONNX files, each wrong in the way that its name says."""
    folder = tmp_path_factory.mktemp("networks")
    sound = (house / "squares.onnx").read_bytes()
    (folder / "folder.onnx").mkdir()
    (folder / "empty.onnx").touch()
    (folder / "cut.onnx").write_bytes(sound[: len(sound) // 2])
    (folder / "random.onnx").write_bytes(np.random.default_rng(0).bytes(10_000))

    def save(name: str, change: Callable[[onnx.ModelProto], None]) -> None:
        model = onnx.load_from_string(sound)
        change(model)
        (folder / name).write_bytes(model.SerializeToString())

    def operator(model: onnx.ModelProto) -> None:
        model.graph.node[0].output[0] = "before"
        model.graph.node.append(helper.make_node("StringNormalizer", ["before"], ["map"]))

    def nan(model: onnx.ModelProto) -> None:
        weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
        weights[1, 2, 3, 4] = np.nan
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "weights"))

    def shape(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[:] = [7, 6, CELL, CELL // 2]

    def numbers(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[:] = [7, 3, CELL, CELL + 1]

    def bare(model: onnx.ModelProto) -> None:
        del model.metadata_props[:]

    def metadata(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == "tatami.decoding":
                entry.value = entry.value[:-1]

    def classes(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            entry.value = entry.value.replace("green", "blue")

    for change in (operator, nan, shape, numbers, bare, metadata, classes):
        save(f"{change.__name__}.onnx", change)
    return folder


@pytest.fixture(scope="session")
def bad_pictures(tmp_path_factory: pytest.TempPathFactory, house: Path) -> Path:
    """A folder of pictures, each wrong in the way that its name says."""
    folder = tmp_path_factory.mktemp("pictures")
    sound = (house / "picture.jpg").read_bytes()
    (folder / "empty").mkdir()
    (folder / "empty.jpg").touch()
    (folder / "inside.jpg").write_bytes(sound)
    (folder / "cut.jpg").write_bytes(sound[:-200])
    (folder / "huge.png").write_bytes(huge_png())
    (folder / "notes.txt").write_text("not a picture")
    return folder


def huge_png() -> bytes:
    """A PNG whose header claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


TRAIN = (
    *("train", "yolov2-tiny", "--size", "64x64", "--width", "0.1", "--batch", "2", "--epochs", "1"),
    *("--anchors", "1,1", "--threads", "1", "--augment", "mosaic=0", "--checkpoint-seconds", "0"),
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, house: Path) -> Path:
    """A run folder of two steps on the house's set, with the checkpoints of both."""
    pytest.importorskip("torch")
    run = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["tatami", *TRAIN, "--data", str(house / "set"), "-o", str(run)]
        patch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as exit:
            main()
    assert not exit.value.code
    return run


@pytest.fixture
def run_on(trained: Path, tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of the run that says it was trained, and is to be tested, on another set."""

    def run(root: Path) -> Path:
        copy = tmp_path / "run"
        shutil.copytree(trained, copy)
        text = (copy / "run.json").read_text()
        values = json.loads(text)
        listed = (root / "ImageSets" / "Main" / "train.txt").exists()
        split = "train" if listed or (root / "data.yaml").exists() else "all"
        values["data"] |= {"root": str(root), "split": split, "test_split": split}
        (copy / "run.json").write_text(json.dumps(values))
        return copy

    return run


@pytest.fixture
def bad_run(trained: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the run, spoilt in the way that is asked for."""

    def run(what: str) -> Path:
        copy = tmp_path / "run"
        shutil.copytree(trained, copy)
        settings, weights = copy / "run.json", copy / "weights.safetensors"
        values = json.loads(settings.read_text())
        sound = weights.read_bytes()

        def say(**change: object) -> None:
            settings.write_text(json.dumps(values | change))

        def put(change: Callable[[dict[str, np.ndarray]], object]) -> None:
            tensors = safetensors.numpy.load(sound)
            change(tensors)
            weights.write_bytes(safetensors.numpy.save(tensors))

        if what == "no run.json":
            settings.unlink()
        elif what == "run.json is cut":
            settings.write_text(settings.read_text()[:200])
        elif what == "run.json is a list":
            settings.write_text("[]")
        elif what == "run.json lacks a key":
            del values["recipe"]
            say()
        elif what == "run.json has another model":
            say(model="vgg")
        elif what == "run.json has an unknown recipe key":
            say(recipe=values["recipe"] | {"magic": 1})
        elif what == "run.json has a bad size":
            say(recipe=values["recipe"] | {"size": "wide"})
        elif what == "run.json has bad anchors":
            decoding = json.dumps({**json.loads(values["spec"]["tatami.decoding"]), "anchors": [1]})
            say(spec=values["spec"] | {"tatami.decoding": decoding})
        elif what == "run.json has a root that is no text":
            say(data=values["data"] | {"root": 5})
        elif what == "run.json has an unknown augmentation":
            say(augmentation=values["augmentation"] | {"magic": 1})
        elif what == "run.json has another width":
            say(width=1.0)
        elif what == "no weights":
            weights.unlink()
        elif what == "weights are cut":
            weights.write_bytes(sound[: len(sound) // 2])
        elif what == "weights are random":
            weights.write_bytes(np.random.default_rng(0).bytes(10_000))
        elif what == "weights have a wrong shape":
            put(lambda tensors: tensors.update({"conv1.conv.weight": np.ones((8, 3, 5, 5), "f4")}))
        elif what == "weights are not finite":
            put(lambda tensors: tensors["conv1.conv.weight"].fill(np.nan))
        elif what == "weights are a folder":
            weights.unlink()
            weights.mkdir()
        else:
            raise AssertionError(what)
        return copy

    return run


@pytest.fixture
def bad_checkpoint(trained: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the run whose newest checkpoint is spoilt in the way that is asked for."""

    def run(what: str) -> Path:
        copy = tmp_path / "run"
        shutil.copytree(trained, copy)
        state = copy / "checkpoints" / "step-00000002" / "state.json"
        tensors = state.with_name("state.safetensors")
        sound = tensors.read_bytes()

        def put(change: Callable[[dict[str, np.ndarray]], object]) -> None:
            values = safetensors.numpy.load(sound)
            change(values)
            content = safetensors.numpy.save(values)
            tensors.write_bytes(content)
            checksum = hashlib.sha256(content).hexdigest()
            state.write_text(json.dumps({"step": 2, "sha256": checksum}))

        if what == "state.safetensors is cut":
            tensors.write_bytes(sound[: len(sound) // 2])
        elif what == "state.json is cut":
            state.write_text(state.read_text()[:10])
        elif what == "state.json is absent":
            state.unlink()
        elif what == "tensors have a wrong shape":
            put(lambda values: values.update({"model.conv1.conv.weight": np.ones((8, 3), "f4")}))
        elif what == "a tensor is absent":
            put(lambda values: values.pop("model.conv1.conv.weight"))
        else:
            raise AssertionError(what)
        return copy

    return run


@pytest.fixture
def bad_c(house: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the shipped folder, spoilt in the way that is asked for."""

    def run(what: str) -> Path:
        copy = tmp_path / "c"
        shutil.copytree(house / "c", copy)
        description, program, source = (
            copy / name for name in ("network.json", "squares_detect", "squares.c")
        )
        if what == "network.json is cut":
            description.write_text(description.read_text()[:300])
        elif what == "network.json names a path":
            description.write_text(
                json.dumps(json.loads(description.read_text()) | {"name": "../../bin/sh"})
            )
        elif what == "network.json is absent":
            description.unlink()
        elif what == "the program is cut":
            program.write_bytes(program.read_bytes()[:40])
            program.chmod(0o755)
        elif what == "the source is absent":
            program.unlink()
            source.unlink()
        elif what == "the source is damaged":
            program.unlink()
            source.write_text(source.read_text()[:2000])
        else:
            raise AssertionError(what)
        return copy

    return run


BOX = "<xmin>1</xmin>"
BOMB = "<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><annotation>&b;"
OUTSIDE = "<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><annotation>&a;"
YAML_BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [{', '.join(['*' + chr(97 + at)] * 9)}]\n" for at in range(12)
)


@pytest.fixture
def bad_set(house: Path, bad_pictures: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A labeled set, spoilt in the way that is asked for: VOC, or YOLO and COCO where it says."""

    def run(what: str) -> Path:
        root = tmp_path / "set"
        if what.startswith("YOLO: "):
            _bad_yolo(root, what.removeprefix("YOLO: "))
        elif what.startswith("COCO: "):
            _bad_coco(root, what.removeprefix("COCO: "))
        elif what in ("an empty folder", "folders without files"):
            root.mkdir()
            for name in ("JPEGImages", "Annotations") if "without" in what else ():
                (root / name).mkdir()
        elif what == "a file":
            root.write_text("no set")
        elif what != "missing":
            save_set(root)
            _spoil_voc(root, what, bad_pictures)
        return root

    return run


def _spoil_voc(root: Path, what: str, bad_pictures: Path) -> None:
    picture, label = root / "JPEGImages" / "000001.jpg", root / "Annotations" / "000001.xml"
    sound = label.read_text()
    assert BOX not in sound  # its box is elsewhere: the first side is replaced below
    if what == "a truncated JPEG":
        picture.write_bytes(picture.read_bytes()[:-200])
    elif what == "an empty JPEG":
        picture.write_bytes(b"")
    elif what == "a PNG of 60000x60000":
        picture.unlink()
        shutil.copy(bad_pictures / "huge.png", picture.with_suffix(".png"))
    elif what == "a picture is a folder":
        picture.unlink()
        picture.mkdir()
    elif what == "malformed XML":
        label.write_text(sound[:-20])
    elif what == "empty XML":
        label.write_text("")
    elif what == "an entity bomb":
        label.write_text(BOMB + sound.removeprefix("<annotation>"))
    elif what == "an external entity":
        label.write_text(OUTSIDE + sound.removeprefix("<annotation>"))
    elif what == "a NaN box in XML":
        label.write_text(sound.replace("<xmin>33<", "<xmin>nan<"))
    elif what == "an infinite box in XML":
        label.write_text(sound.replace("<xmin>33<", "<xmin>1e999<"))
    elif what == "a class that is not listed":
        (root / "labels.txt").write_text("red\ngreen\n")
        label.write_text(sound.replace("<name>red<", "<name>reed<"))
    elif what == "a list that is not UTF-8":
        (root / "ImageSets" / "Main").mkdir(parents=True)
        (root / "ImageSets" / "Main" / "train.txt").write_bytes(b"000001\n\xff\xfe\n")
    else:
        raise AssertionError(what)


def _bad_yolo(root: Path, what: str) -> None:
    save_squares(root / "images" / "a.jpg", [("red", 0, 0)])
    label, file = root / "labels" / "a.txt", root / "data.yaml"
    label.parent.mkdir()
    label.write_text("0 0.2 0.2 0.1 0.1\n")
    file.write_text("names: [red, green]\ntrain: images\n")
    if what == "a NaN box":
        label.write_text("0 nan 0.2 0.1 0.1\n")
    elif what == "a class out of range":
        label.write_text("2 0.2 0.2 0.1 0.1\n")
    elif what == "malformed YAML":
        file.write_text("names: [red, green\ntrain: images\n")
    elif what == "a YAML bomb":
        file.write_text(YAML_BOMB + "names: *m\ntrain: images\n")
    elif what == "a label is a folder":
        label.unlink()
        label.mkdir()
    else:
        raise AssertionError(what)


def _bad_coco(root: Path, what: str) -> None:
    save_squares(root / "images" / "a.jpg", [("red", 0, 0)])
    image = {"id": 1, "file_name": "a.jpg", "width": 96, "height": 64}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 32, 32], "area": 1024}
    kinds = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
    if what == "a NaN box":
        box["bbox"] = [0, float("nan"), 32, 32]
    elif what == "an unknown category":
        box["category_id"] = 3
    elif what == "a path out of the set":
        image["file_name"] = "../../etc/passwd"
    text = json.dumps({"images": [image], "annotations": [box], "categories": kinds})
    if what == "malformed JSON":
        text = text[:-10]
    elif what == "nested without end":
        text = "[" * 100_000
    (root / "annotations.json").write_text(text)


@pytest.fixture
def halves(squares_set: Path) -> Path:
    """The squares as a train and a test split of two pictures each."""
    folder = squares_set / "ImageSets" / "Main"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("000000\n000001\n")
    (folder / "test.txt").write_text("000002\n000003\n")
    return squares_set
