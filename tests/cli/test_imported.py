"""Other people's networks all the way: import, another size, fold, quantize, ship, prove."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tatami import graph
from tatami.data.pictures import read_picture
from tatami.pipeline.artifact import open_artifact
from tatami.rules.boxes import xyxy_to_cxcywh
from tatami.shrink.resize import resize
from tatami.types import Size

Command = Callable[..., int]
LITE = "yolo-lite/tiny-yolov2-trial3"
NANO = "nano-voc/MobileNetV2-YOLOv3-Nano-voc"
FACE, FASTEST = "yoloface-500k/yoloface-500k", "yolo-fastest-1.1/yolo-fastest-1.1"
ULTRAFACE = "ultraface-rfb-320/RFB-320"
SSD = "mobilenet-ssd-coco/detect.tflite"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def ultraface_spec() -> dict[str, object]:
    """As its authors' code has it: means 127, scale 1/128, squares of these sides a stride."""
    sides = {8: (10, 16, 24), 16: (32, 48), 32: (64, 96), 64: (128, 192, 256)}
    grids = [
        {"anchors": [[side, side] for side in squares], "stride": [stride, stride]}
        for stride, squares in sides.items()
    ]
    return {
        "classes": ["face"],
        "input": {
            "size": "320x240", "resize": "stretch", "mean": [127] * 3, "scale": [1 / 128] * 3,
        },
        "decoding": {
            "kind": "ssd", "scores": "softmax", "variances": [0.1, 0.2], "grids": grids,
            "score_threshold": 0.7, "iou_threshold": 0.3,
        },
    }  # fmt: skip


def import_network(command: Command, weights: Path, name: str, target: Path) -> None:
    if name == SSD:
        labels = weights / "mobilenet-ssd-coco/labelmap.txt"
        arguments = ["tflite", weights / SSD, "--names", labels]
    elif name == ULTRAFACE:
        spec = target.with_suffix(".json")
        spec.write_text(json.dumps(ultraface_spec()))
        files = [weights / f"{name}.prototxt", weights / f"{name}.caffemodel"]
        arguments = ["caffe", *files, "--spec", spec]
    else:
        arguments = ["darknet", weights / f"{name}.cfg", weights / f"{name}.weights"]
        arguments += ["--epsilon", "inside:1e-5"]
    assert command("import", *arguments, "-o", target) == 0


def labeled_by(network: Path, pictures: list[Path], root: Path) -> None:
    """A set of a few pictures whose labels are what the network itself finds in them."""
    detector = open_artifact(network).predictor
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    names = json.dumps(list(detector.spec.classes))
    (root / "data.yaml").write_text(f"path: .\ntrain: images\nnames: {names}\n")
    for source in pictures:
        picture = read_picture(source)
        Image.fromarray(picture).save(root / "images" / f"{source.stem}.png")
        found = detector.detect(picture, detector.spec.decoding.score_threshold)
        height, width, _ = picture.shape
        boxes = xyxy_to_cxcywh(found.xyxy) / [width, height, width, height]
        lines = [
            f"{label} {' '.join(map(str, box))}\n"
            for label, box in zip(found.labels, boxes.tolist(), strict=True)
        ]
        (root / "labels" / f"{source.stem}.txt").write_text("".join(lines))


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (LITE, "256x192"),
        slow(LITE, "224x224"),
        slow(f"{LITE}-noBatch", "224x224"),
        slow(f"{LITE}-noBatch", "192x256"),
        slow(NANO, "320x320"),
        slow(NANO, "352x288"),
        slow(FACE, "320x256"),
        slow(FACE, "256x256"),
        slow(FASTEST, "320x320"),
        slow(FASTEST, "352x288"),
        slow(ULTRAFACE, "320x240"),
        slow(ULTRAFACE, "256x256"),
        slow(SSD, "300x300"),
        slow(SSD, "320x256"),
    ],
)
def test_every_stage_equals_the_one_before(
    command: Command,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    size: str,
) -> None:
    imported, network = tmp_path / "imported.onnx", tmp_path / "net.onnx"
    import_network(command, shared_data / "weights", name, imported)
    whole = graph.read(imported)
    assert whole.spec is not None
    wanted = Size.parse(size)
    graph.write(whole if whole.spec.input.size == wanted else resize(whole, wanted), network)
    photos = sorted((shared_data / "weights/ultraface-rfb-320/images").glob("*.jpg"))
    if name not in (ULTRAFACE, FACE):
        photos = sorted((shared_data / "detect/voc100/JPEGImages").glob("*.jpg"))[::25]
    labeled_by(network, photos, tmp_path / "set")

    stages = [network]
    if name != SSD:  # which is of integers as it comes
        stages += [tmp_path / "net-folded.onnx", tmp_path / "net-int8.onnx"]
        assert command("fold", network) == 0
        to_quantize = ("quantize", stages[1], "--data", tmp_path / "set")
        assert command(*to_quantize, *(() if name.startswith(LITE) else ("--equalize",))) == 0
        assert command("ship", stages[1], "-o", tmp_path / "c") == 0
        stages.append(tmp_path / "c")
    assert command("ship", stages[2 if name != SSD else 0], "-o", tmp_path / "c-int8") == 0
    stages.append(tmp_path / "c-int8")
    capsys.readouterr()
    arguments = ("prove", *stages, "--data", tmp_path / "set", "--json")
    command(*arguments)
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    # Eight bits may lose more than the ledger allows on so few pictures; nothing else may.
    assert all(row["passed"] for stage, row in rows.items() if stage != "net-int8")
    exact = [row for row in rows.values() if row["bound"] == 0]
    assert len(exact) >= (3 if name == SSD else 5)
    assert all(row["worst"] == 0 for row in exact)
    assert rows["net"]["mean_ap"] > 0.9  # the labels are its own answers
    if name != SSD:
        assert rows["net-int8"]["mean_ap"] > 0.6
