from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.pipeline.convert import convert
from tatami.tasks.detection import DETECTION
from tatami.tasks.detection_settings import DetectionOptions
from tatami.tasks.walk import class_order
from tatami.types import Decoding, Detections, DetectionSpec, InputSpec, Picture, Size

Command = Callable[..., int]


def test_figures_of_a_network_that_knows_the_classes_in_another_order(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", square_finder, "--data", squares_set, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    green, red = answer["classes"]
    assert (green["name"], green["truths"], green["ap_voc10"]) == ("green", 3, 1)
    # The stray square is wrong, and as sure as the two right ones: they came first, ties stand.
    assert (red["name"], red["truths"], red["detections"]) == ("red", 2, 3)
    assert answer["at"]["precision"] == pytest.approx(5 / 6)
    assert answer["at"]["recall"] == 1
    assert answer["pictures"] == 4
    assert answer["skipped"] == {}
    assert answer["pictures_per_second"] > 0


def test_the_tables_fit_80_columns_and_no_markup_is_read_in_names(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", square_finder, "--data", squares_set) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "VOC 2007" in out
    assert "AR 1, 10, 100" in out
    assert "pictures a second" in out


def test_saved_detections_evaluate_to_the_same_figures(
    command: Command,
    square_finder: Path,
    squares_set: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved = tmp_path / "found.json"
    command("evaluate", square_finder, "--data", squares_set, "--json", "--save", saved)
    direct = json.loads(capsys.readouterr().out)
    row = json.loads(saved.read_text())[0]
    assert row["image_id"] == "000000"
    assert row["category_id"] in (1, 2)
    assert row["bbox"] == pytest.approx([0, 0, 32, 32], abs=1e-4)
    assert command("evaluate", "--detections", saved, "--data", squares_set, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    for key in ("map_voc07", "map_voc10", "coco", "at", "best", "classes"):
        assert again[key] == direct[key]
    assert again["pictures_per_second"] is None


def test_a_coco_set_is_spoken_of_by_its_own_category_ids(
    command: Command, square_finder: Path, tmp_path: Path, write_squares: Callable[..., None]
) -> None:
    root = tmp_path / "coco"
    write_squares(root / "images" / "a.jpg", [("red", 0, 0), ("green", 1, 1)])
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 96, "height": 64}],
        "categories": [{"id": 90, "name": "red"}, {"id": 13, "name": "green"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [0, 0, 32, 32], "area": 1024},
            {"id": 2, "image_id": 7, "category_id": 13, "bbox": [32, 32, 32, 32], "area": 1024},
        ],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    saved = tmp_path / "found.json"
    assert command("evaluate", square_finder, "--data", root, "--save", saved, "--at", "0.5") == 0
    rows = json.loads(saved.read_text())
    strong = {
        (r["image_id"], r["category_id"], round(r["bbox"][0])) for r in rows if r["score"] > 0.5
    }
    assert strong == {(7, 90, 0), (7, 13, 32)}


def test_other_class_names_are_refused_and_named(
    command: Command,
    square_finder: Path,
    tmp_path: Path,
    write_squares: Callable[..., None],
    write_labels: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "other"
    write_squares(root / "JPEGImages" / "a.jpg", [("red", 0, 0)])
    write_labels(root / "Annotations" / "a.xml", [("blue", 0, 0), ("red", 1, 1)])
    assert command("evaluate", square_finder, "--data", root) == 2
    error = capsys.readouterr().err
    assert "knows 'green', which the data do not have" in error
    assert "data have 'blue'" in error
    assert len(error.splitlines()) == 1


def test_class_order_maps_the_networks_labels_to_the_datas() -> None:
    assert class_order(("a", "b", "c"), ("c", "a", "b")).tolist() == [1, 2, 0]
    with pytest.raises(TatamiError, match="and 2 more"):
        class_order([str(i) for i in range(7)], ())


def test_a_truncated_picture_stops_or_is_counted(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = squares_set / "JPEGImages" / "000001.jpg"
    cut.write_bytes(cut.read_bytes()[:-200])
    assert command("evaluate", square_finder, "--data", squares_set) == 2
    assert "000001.jpg" in capsys.readouterr().err
    skip = ("--skip", "unreadable-picture", "--json")
    assert command("evaluate", square_finder, "--data", squares_set, *skip) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pictures"], answer["skipped"]) == (3, {"unreadable-picture": 1})
    assert answer["classes"][1]["truths"] == 1


GOOD = {"image_id": "000000", "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "malformed JSON"),
        ("[" * 100_000, "malformed JSON"),
        ("\xff", "malformed JSON"),
        ('{"a": 1}', "not a list"),
        ("[3]", "not an object"),
        (json.dumps([{**GOOD, "image_id": "x"}]), "'x' is not a picture"),
        (json.dumps([{**GOOD, "image_id": [1]}]), "a list is not a picture"),
        (json.dumps([GOOD, {**GOOD, "category_id": 9}]), "detection 1: category_id 9"),
        (json.dumps([{**GOOD, "category_id": True}]), "category_id True"),
        (json.dumps([{**GOOD, "bbox": [0, 0, 9]}]), "not [x, y, width, height]"),
        (json.dumps([{**GOOD, "bbox": [0, 0, 9, -1]}]), "negative side"),
        (json.dumps([{**GOOD, "bbox": [0, 0, 9, float("nan")]}]), "bbox is not finite"),
        (json.dumps([{**GOOD, "score": float("inf")}]), "score is not finite"),
        (json.dumps([{**GOOD, "score": 10**400}]), "score is not finite"),
        (json.dumps([{**GOOD, "score": "0.5"}]), "score holds '0.5'"),
    ],
)
def test_bad_results_files_are_refused_on_one_line(
    command: Command,
    squares_set: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    message: str,
) -> None:
    file = tmp_path / "found.json"
    file.write_bytes(content.encode("latin-1"))
    assert command("evaluate", "--detections", file, "--data", squares_set) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(file) in error
    assert len(error.splitlines()) == 1


def test_a_picture_may_be_called_by_its_number(
    command: Command, squares_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps([{**GOOD, "image_id": 2, "bbox": [32, 0, 32, 32]}]))
    assert command("evaluate", "--detections", file, "--data", squares_set, "--json") == 0
    assert json.loads(capsys.readouterr().out)["at"]["true_positives"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.onnx"], "--data"),
        (["--data", "d"], "give an artifact"),
        (["net.onnx", "--data", "d", "--detections", "f.json"], "give an artifact"),
        (["net.onnx", "--data", "d", "--score", "1.5"], "--score: 1.5 is out of range"),
        (["net.onnx", "--data", "d", "--at", "nan"], "--at: nan is out of range"),
        (["net.onnx", "--data", "d", "--iou", "0"], "--iou: every box matches at 0"),
        (
            ["NET", "--data", "SET", "--score", "0.5"],
            "--at: nothing is reported below",
        ),
        (["net.onnx", "--data", "d", "--bootstrap", "-1"], "--bootstrap: -1 resamples"),
        (["net.onnx", "--data", "d", "--bootstrap", "1000000"], "give 1 to 100,000"),
        (["net.onnx", "--data", "d", "--difficult", "maybe"], "ignore, drop, count"),
        (
            ["net.onnx", "--data", "d", "--similar", "red,green"],
            "--similar: similar classes are",
        ),
        (["NET", "--data", "SET", "--hold-out", "400"], "--hold-out: 400 of "),
        (
            ["--detections", "x", "--data", "SET", "--diagnose", "--similar", "red,blue"],
            "'blue' is",
        ),
        (["net.onnx", "--data", "d"], "net.onnx: no such file"),
        (["--detections", "none.json", "--data", "SET"], "none.json: no such file"),
        (["--detections", "none.json", "--data", "SET", "--skip", "rain"], "'rain' is not a kind"),
    ],
)
def test_impossible_requests_are_refused(
    command: Command,
    square_finder: Path,
    squares_set: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    known = [{"SET": squares_set, "NET": square_finder}.get(one, one) for one in arguments]
    assert command("evaluate", *known) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_nothing_is_saved_where_the_data_are_bad(
    command: Command, square_finder: Path, squares_set: Path, tmp_path: Path
) -> None:
    cut = squares_set / "JPEGImages" / "000003.jpg"
    cut.write_bytes(cut.read_bytes()[:-200])
    before = sorted(tmp_path.iterdir())
    saved = tmp_path / "found.json"
    assert command("evaluate", square_finder, "--data", squares_set, "--save", saved) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_each_picture_is_read_and_asked_about_at_the_score(squares_set: Path) -> None:
    asked = []

    class Blind:
        spec = DetectionSpec(
            ("red", "green"), InputSpec(Size(32, 32)), Decoding.yolov2(((1.0, 1.0),))
        )

        def detect(self, picture: Picture, score_threshold: float) -> Detections:
            asked.append((picture.shape, picture.dtype, score_threshold))
            return Detections.of([], [], [])

    data = DETECTION.open(squares_set, split=None, format=None).data
    result = DETECTION.evaluate(Blind(), data, options=DetectionOptions(0.125)).result
    assert asked == [((64, 96, 3), np.dtype(np.uint8), 0.125)] * 4
    assert (result.map_voc10, result.pictures) == (0, 4)


def test_diagnosis_and_intervals_in_tables_and_json(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--diagnose", "--bootstrap", "200", "--similar", "red,green")
    assert command("evaluate", square_finder, "--data", squares_set, *asked) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    for text in ("localiz.", "ROC AUC", "ECE", "100.0 %", "of 200 resamples"):
        assert text in out
    assert re.search(r"VOC 2010 \S+ \[\S+ \S+\]", out)
    assert command("evaluate", square_finder, "--data", squares_set, *asked, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    green, red = answer["classes"]
    assert (green["kinds"]["correct"], green["roc_auc"]) == (3, 1)
    assert red["roc_auc"] < 1  # the stray square, in a picture without a red one
    assert answer["intervals"]["resamples"] == 200
    low, high = answer["intervals"]["map_voc10"]
    assert low <= answer["map_voc10"] <= high == 1
    assert answer["diagnostics"]["roc_auc"] == (green["roc_auc"] + red["roc_auc"]) / 2


def test_curves_are_written_as_tables_and_plots(
    command: Command, square_finder: Path, squares_set: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "curves"
    assert command("evaluate", square_finder, "--data", squares_set, "--curves", folder) == 0
    kinds = ("precision-recall", "roc", "reliability")
    assert sorted(folder.iterdir()) == sorted(
        folder / f"{kind}{end}" for kind in kinds for end in (".csv", ".svg")
    )
    for kind in kinds:
        assert ElementTree.parse(folder / f"{kind}.svg").getroot().tag.endswith("svg")
    with (folder / "precision-recall.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    red = [row for row in rows if row["class"] == "red"]
    assert float(red[0]["precision"]) == 1
    assert float(red[-1]["recall"]) == 1
    with (folder / "roc.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "green"]
    assert (rows[0]["threshold"], rows[0]["true_positive_rate"]) == ("inf", "0.0")
    assert (rows[-1]["false_positive_rate"], rows[-1]["true_positive_rate"]) == ("1.0", "1.0")
    with (folder / "reliability.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "red"]
    assert sum(int(row["count"]) for row in rows) == 3
    assert rows[7]["accuracy"] == ""  # nothing scored there


def test_difficult_truths_are_treated_as_asked(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = squares_set / "Annotations" / "000001.xml"
    content = label.read_text().replace("<difficult>0", "<difficult>1")
    label.write_text(content)
    figures = {}
    for rule in ("ignore", "drop", "count"):
        arguments = ("--data", squares_set, "--difficult", rule, "--json")
        assert command("evaluate", square_finder, *arguments) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["difficult"] == rule
        red = answer["classes"][1]
        figures[rule] = (red["truths"], red["difficult"], red["at"]["precision"])
    assert figures == {
        "ignore": (1, 1, 1 / 2),
        "drop": (1, 0, 1 / 3),
        "count": (2, 0, 2 / 3),
    }


def test_classes_without_truths_are_counted_as_asked(
    command: Command, square_finder: Path, squares_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in (squares_set / "Annotations").iterdir():
        label.write_text(label.read_text().replace("<difficult>0", "<difficult>1"))
    first = squares_set / "Annotations" / "000001.xml"
    first.write_text(first.read_text().replace("<difficult>1", "<difficult>0"))
    figures = {}
    for rule in ("skip", "zero"):
        arguments = ("--data", squares_set, "--absent-classes", rule, "--json")
        assert command("evaluate", square_finder, *arguments) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["absent_classes"] == rule
        averages = [one["ap_voc10"] for one in answer["classes"]]
        figures[rule] = (answer["map_voc10"], averages)
    present = [value for value in figures["skip"][1] if value is not None]
    assert len(present) == 1
    assert figures["zero"] == (figures["skip"][0] / 2, figures["skip"][1])
    assert figures["skip"][0] == present[0] > 0
    assert command("evaluate", square_finder, "--data", squares_set) == 0
    assert "classes without truths: 1 of 2, left out of VOC's mAP" in capsys.readouterr().out
    assert command("evaluate", "net.onnx", "--data", "d", "--absent-classes", "no") == 2
    assert "--absent-classes: 'no' is no rule (give one of skip, zero)" in capsys.readouterr().err


def test_ties_are_settled_by_the_file_of_detections(
    command: Command, squares_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong box of the first picture and a right one of the third: the earlier line leads."""
    right = {"image_id": "000002", "category_id": 1, "bbox": [32, 0, 32, 32], "score": 0.5}
    wrong = {"image_id": "000000", "category_id": 1, "bbox": [70, 50, 9, 9], "score": 0.5}
    file = tmp_path / "found.json"
    precisions = []
    for rows in ([right, wrong], [wrong, right]):
        file.write_text(json.dumps(rows))
        assert command("evaluate", "--detections", file, "--data", squares_set, "--json") == 0
        answer = json.loads(capsys.readouterr().out)
        precisions.append(answer["classes"][0]["ap_voc10"] * answer["classes"][0]["truths"])
    assert precisions == pytest.approx([1, 0.5])


Drop = Callable[[Path], Path]


def only_labels_of_voc(root: Path) -> Path:
    shutil.rmtree(root / "JPEGImages")
    return root


def a_split_of_voc(root: Path) -> Path:
    (root / "ImageSets" / "Main").mkdir(parents=True)
    ids = "000000\n000001\n000002\n000003\n"
    (root / "ImageSets" / "Main" / "test.txt").write_text(ids)
    return only_labels_of_voc(root)


def coco_without_pictures(root: Path) -> Path:
    convert(root, root.parent / "coco", to="coco")
    for picture in (root.parent / "coco").rglob("*.jpg"):
        picture.unlink()
    return root.parent / "coco"


def table_without_pictures(root: Path) -> Path:
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for label in sorted((root / "Annotations").glob("*.xml")):
        tree = ElementTree.parse(label).getroot()
        size = [tree.findtext(f"size/{side}") for side in ("width", "height")]
        if tree.find("object") is None:  # nothing to find in it
            lines.append(f"{label.stem}.jpg,{size[0]},{size[1]},,,,,")
        for thing in tree.iter("object"):
            box = [
                int(str(thing.findtext(f"bndbox/{e}"))) for e in ("xmin", "ymin", "xmax", "ymax")
            ]
            edges = [box[0] - 1, box[1] - 1, box[2], box[3]]
            cells = [f"{label.stem}.jpg", *size, thing.findtext("name"), *map(str, edges)]
            lines.append(",".join(map(str, cells)))
    (root.parent / "table").mkdir()
    (root.parent / "table" / "labels.csv").write_text("\n".join(lines))
    return root.parent / "table"


@pytest.mark.parametrize(
    "drop", [only_labels_of_voc, a_split_of_voc, coco_without_pictures, table_without_pictures]
)
def test_detections_are_evaluated_without_pictures(
    command: Command,
    square_finder: Path,
    squares_set: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    drop: Drop,
) -> None:
    saved = tmp_path / "found.json"
    command("evaluate", square_finder, "--data", squares_set, "--json", "--save", saved)
    direct = json.loads(capsys.readouterr().out)
    root = drop(squares_set)
    if drop is coco_without_pictures:  # which numbers its pictures
        content = json.loads(next(root.rglob("*.json")).read_text())
        number = {Path(one["file_name"]).stem: one["id"] for one in content["images"]}
        category = {one["name"]: one["id"] for one in content["categories"]}
        rows = json.loads(saved.read_text())
        for row in rows:
            row["image_id"] = number[row["image_id"]]
            row["category_id"] = category[("green", "red")[row["category_id"] - 1]]
        saved.write_text(json.dumps(rows))
    assert command("evaluate", "--detections", saved, "--data", root, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    for key in ("map_voc07", "map_voc10", "coco", "at", "best", "pictures"):
        assert again[key] == direct[key], key
    assert command("evaluate", square_finder, "--data", root) == 2  # a network needs them


def test_without_pictures_labels_must_say_enough(
    command: Command, squares_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """YOLO's boxes are fractions of a picture of unknown size; one XML states no size."""
    found = tmp_path / "found.json"
    found.write_text("[]")
    convert(squares_set, tmp_path / "yolo", to="yolo")
    next((tmp_path / "yolo").rglob("*.jpg")).unlink()
    assert command("evaluate", "--detections", found, "--data", tmp_path / "yolo") == 2
    error = capsys.readouterr().err
    assert "boxes are fractions of the picture here, so its size is needed" in error
    assert "convert the set to COCO or VOC" in error

    root = only_labels_of_voc(squares_set)
    label = root / "Annotations" / "000002.xml"
    label.write_text(re.sub(r"<size>.*</size>", "", label.read_text(), flags=re.DOTALL))
    assert command("evaluate", "--detections", found, "--data", root) == 2
    error = capsys.readouterr().err
    assert "000002.jpg is not there and its label does not state its size" in error
    assert len(error.splitlines()) == 1


def test_scores_that_are_no_probabilities_are_refused_for_diagnosis_only(
    command: Command, squares_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps([{**GOOD, "score": 3.5}]))
    arguments = ("evaluate", "--detections", file, "--data", squares_set)
    assert command(*arguments) == 0
    assert command(*arguments, "--diagnose") == 2
    assert "a score of 3.5 is no probability" in capsys.readouterr().err
