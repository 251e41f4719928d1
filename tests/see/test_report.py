"""The report: whole, well-formed, closed to the outside, and deaf to hostile names."""

from __future__ import annotations

import base64
import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.see.plots import Curve, Layer, Panel, RocCurve
from tatami.see.report import (
    PICTURE_SIZE,
    Drawing,
    Mistakes,
    Report,
    Shown,
    render,
    shown_boxes,
    shown_masks,
    write_report,
)
from tatami.see.rows import ClassResult, LedgerRow, Stage
from tatami.types import Boxes, Detections
from tatami.types.colors import class_color

HOSTILE = (
    "</td></style><script>alert(1)</script><img src=x onerror='alert(2)'>\"\x00\ud800\u202e&amp;"
)
VOID = {"meta", "img", "br", "link", "input", "hr"}
SAMPLE = Report(
    title="Digits",
    lead="One sentence.",
    summary={"mAP@0.5": "0.912"},
    stages=[Stage("trained", "run", 0.9123, 1_000_000, 12.34), Stage("C99", "net.c", 0.9123)],
    ledger=[LedgerRow("onnx", "torch", 1.1e-6, 1e-4, True, "relative")],
    classes=("0", "1"),
    pictures=[
        shown_boxes(
            "a.png",
            np.zeros((30, 40, 3), np.uint8),
            Boxes.of([[8, 6, 32, 24]], [0]),
            Detections.of([], [], []),
            ("0", "1"),
        )
    ],
    pictures_note="Above 0.25.",
    drawings=[Drawing("conv1, 16 maps", np.full((50, 60, 3), 200, np.uint8))],
    drawings_note="Inside net.onnx.",
    log=[{"step": float(step), "loss": 1 / (step + 1)} for step in range(9)],
    panels=[Panel("Loss", ("loss",))],
    curves=[Curve("0", np.array([0.0, 1.0]), np.array([1.0, 0.5]), 0.75)],
    rocs=[RocCurve("0", np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.9, 1.0]), 0.8531)],
    curves_note="The worst class.",
    per_class=[ClassResult("0", 1234, 0.75, 0.8, 0.7, 0.747, 0.8532)],
    layers=[Layer("conv1", "Conv", (1, 16, 32, 32), 442_368, 448, 1792)],
    provenance={"seed": "0"},
)


class Page(HTMLParser):
    """Every start tag with its attributes, and the text; fails on a tag that does not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_closed(page: str) -> None:
    outside = re.findall(r"(?:https?:)?//[\w.]+[^\s\"<]*", re.sub(r"base64,[^\"]*", "", page))
    assert set(outside) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    parsed = Page(page)
    assert not parsed.named("script")
    assert not parsed.named("link")
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), value


def test_well_formed_and_closed() -> None:
    page = render(SAMPLE)
    assert_closed(page)
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in page


def test_it_says_what_it_was_given() -> None:
    text = Page(render(SAMPLE)).text
    for told in ("Digits", "One sentence.", "0.912", "977 KiB", "12.3", "1.1e-06", "1.0e-04"):
        assert told in text
    for told in (
        "held",
        "Above 0.25.",
        "What it sees",
        "conv1, 16 maps",
        "Inside net.onnx.",
        "1,234",
        "442,368",
        "1x16x32x32",
        "labeled: 1",
        "found: 0",
    ):
        assert told in text


def test_links_lead_to_parts_and_ids_are_unique() -> None:
    parsed = Page(render(SAMPLE))
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in parsed.named("a")]
    assert len(links) == 8
    assert {str(link)[1:] for link in links} <= set(ids)


def test_empty_parts_are_left_out() -> None:
    page = render(Report(title="Nothing yet"))
    assert_closed(page)
    assert not Page(page).named("section")
    assert not Page(page).named("svg")


def test_columns_with_nothing_are_left_out() -> None:
    page = render(Report(title="t", stages=[Stage("trained", "run", map=0.5)]))
    assert "mAP@0.5" in page
    assert "ms a picture" not in page


def test_hostile_names_are_only_text() -> None:
    picture = replace(SAMPLE.pictures[0], caption=HOSTILE)
    page = render(
        Report(
            title=HOSTILE,
            lead=HOSTILE,
            summary={HOSTILE: HOSTILE},
            stages=[Stage(HOSTILE, HOSTILE)],
            ledger=[LedgerRow(HOSTILE, HOSTILE, 1, 0, False, HOSTILE, HOSTILE)],
            classes=(HOSTILE,),
            pictures=[picture],
            pictures_note=HOSTILE,
            drawings=[Drawing(HOSTILE, np.zeros((30, 40, 3), np.uint8))],
            drawings_note=HOSTILE,
            log=[{"step": 0.0, HOSTILE: 1.0, "b": 2.0}],
            panels=[Panel(HOSTILE, (HOSTILE, "b"))],
            curves=[Curve(HOSTILE, np.array([0.5]), np.array([0.5]), 0.5)],
            per_class=[ClassResult(HOSTILE, 1, 0.5)],
            layers=[Layer(HOSTILE, HOSTILE, (1,), 1, 1, 1)],
            provenance={HOSTILE: HOSTILE},
        )
    )
    assert_closed(page)
    parsed = Page(page)
    assert len(parsed.named("img")) == 3
    assert parsed.text.count("<script>alert(1)</script>") >= 16
    assert "\x00" not in page
    page.encode("utf-8")  # no lone surrogate


def test_a_failed_row_is_loud() -> None:
    ledger = [LedgerRow("C99", "folded", 0.5, 1e-4, False, first_differing="conv4")]
    text = Page(render(Report(title="t", ledger=ledger))).text
    assert "1 of 1 rows outside" in text
    assert "✗ outside" in text
    assert "conv4" in text


def test_pictures_are_bounded_jpegs_with_their_boxes() -> None:
    truths = Boxes.of([[100, 100, 900, 700]], [0])
    picture = np.full((800, 1000, 3), 90, np.uint8)
    large = shown_boxes("b", picture, truths, Detections.of([], [], []), ("x",))
    images = Page(render(Report(title="t", classes=("x",), pictures=[large]))).named("img")
    drawn, plain = (
        Image.open(io.BytesIO(base64.b64decode(str(image["src"]).partition(",")[2])))
        for image in images
    )
    assert drawn.format == "JPEG"
    assert drawn.size == (PICTURE_SIZE.width, 512)
    assert (images[0]["width"], images[0]["height"]) == ("640", "512")
    color = np.asarray(drawn)[270, 66].astype(int)  # the left edge: 100 * 640 / 1000
    assert np.abs(color - class_color(0)).max() < 40
    assert np.abs(np.asarray(plain)[270, 66].astype(int) - 90).max() < 5


def test_what_is_seen_is_shrunk_where_it_is_large() -> None:
    sizes = ((3000, 1500), (20, 30))
    seen = [Drawing("x", np.zeros((height, width, 3), np.uint8)) for width, height in sizes]
    images = Page(render(Report(title="t", drawings=seen))).named("img")
    assert [(one["width"], one["height"]) for one in images] == [("800", "400"), ("20", "30")]


def test_no_number_is_left_blank() -> None:
    page = render(Report(title="t", per_class=[ClassResult("a", 0, float("nan"), 0.5)]))
    assert "nan" not in Page(page).text


def test_the_same_report_twice() -> None:
    assert render(SAMPLE) == render(SAMPLE)


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_report(SAMPLE, path)
    assert path.read_text("utf-8") == render(SAMPLE)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_report(replace(SAMPLE, title="second"), path)
    monkeypatch.undo()
    assert path.read_text("utf-8") == render(SAMPLE)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_masks_are_laid_over_their_picture_in_the_sets_colors() -> None:
    truth = np.zeros((30, 40), np.uint8)
    truth[:, 20:] = 1
    truth[0] = 255
    found = np.where(np.arange(40) < 30, 0, 1).astype(np.uint8)[None].repeat(30, axis=0)
    colors = ((10, 20, 30), (200, 0, 0))
    shown = shown_masks("b", np.full((30, 40, 3), 100, np.uint8), truth, found, colors)
    page = render(Report("t", classes=("a", "b"), colors=colors, pictures=[shown]))
    assert "found: 75.0% right" in page  # void is not counted
    assert "rgb(200, 0, 0)" in page
    first, second, wrong = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
        for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    )
    for drawn, column in ((first, 0.5), (second, 0.75)):
        right = drawn[drawn.shape[0] // 2, int(drawn.shape[1] * (column + 0.05))]
        assert np.abs(right - (150, 50, 50)).max() < 8
        left = drawn[drawn.shape[0] // 2, int(drawn.shape[1] * (column - 0.05))]
        assert np.abs(left - (55, 60, 65)).max() < 8
    height, width = wrong.shape[:2]
    for column, color in ((0.4, (178, 178, 178)), (0.6, (213, 94, 0)), (0.9, (178, 178, 178))):
        assert np.abs(wrong[height // 2, int(width * column)] - color).max() < 8
    assert np.abs(wrong[1, int(width * 0.6)] - (178, 178, 178)).max() < 8  # void is not wrong


def test_the_confusion_matrix_is_in_shares_of_its_rows() -> None:
    counts = [[3, 1, 0], [0, 0, 0], [0, 5, 5]]
    page = render(Report("t", classes=("a", "<b>", "c"), confusion=counts))
    text = Page(page).text
    for share in ("75.0", "25.0", "50.0"):
        assert share in text
    assert "<b>" not in page.split("</header>")[1].replace("&lt;b&gt;", "")
    assert 'title="5"' in page
    assert "Confusion" not in Page(render(Report("t", classes=("a",)))).text


def test_the_roc_of_classes_stands_beside_the_table() -> None:
    text = Page(render(SAMPLE)).text
    for part in (
        "ROC of each class against the rest",
        "0.853  0",
        "AUC, class",
        "The worst class.",
    ):
        assert part in text
    without = Page(render(replace(SAMPLE, rocs=(), curves_note=""))).text
    assert "ROC" not in without
    assert "AUC" in without  # the table still tells it


def test_a_row_in_db_is_a_ratio_whose_figure_is_bounded() -> None:
    rows = [
        LedgerRow("int8", "folded", 29.1, None, True, "dB", "conv7", loss=0.01),
        LedgerRow("C", "onnx", 4e-7, 3e-5, True, "relative"),
        LedgerRow("C boxes", "NumPy", 0.0, 0.0, True, "pixels"),
        LedgerRow("odd", "none", None, None, True),
    ]
    page = Page(render(Report(title="t", ledger=rows)))
    for part in ("29.1 dB", "-0.01 mAP@0.5", "4.0e-07 relative", "The row in dB is"):
        assert part in page.text
    assert "0 relative" not in page.text
    assert "0 pixels" not in page.text  # equal is equal in any unit
    assert "The row in dB" not in Page(render(Report(title="t", ledger=rows[1:]))).text


def wrong(name: str, **kinds: int) -> Shown:
    nothing = Detections.of([], [], [])
    picture = np.full((64, 64, 3), 90, np.uint8)
    mistakes = {kind.replace("_", " "): count for kind, count in kinds.items()}
    return shown_boxes(name, picture, Boxes.of([], []), nothing, ("x",), mistakes=mistakes)


def test_pictures_can_be_chosen_by_their_kind_of_mistake() -> None:
    report = Report(
        title="t",
        classes=("x",),
        pictures=[
            wrong("a", missed=2, false=0, wrong_class=1),
            wrong("b", missed=0, false=0, wrong_class=1),
            wrong("c", missed=0, false=0, wrong_class=0),
        ],
        mistakes=Mistakes(9, 7, {"missed": 2, "false": 0, "wrong class": 2}),
    )
    page = render(report)
    assert_closed(page)
    parsed = Page(page)
    radios = [one for one in parsed.named("input") if one["type"] == "radio"]
    assert [one["id"] for one in radios] == ["kind-0", "kind-1", "kind-2"]  # none for "false"
    assert [one.get("class") for one in parsed.named("figure")] == ["k1 k2", "k2", None]
    for place in (1, 2):
        assert f"#kind-{place}:checked ~ .pictures > figure:not(.k{place})" in page
    for part in ("missed (2 in all)", "2 missed, 1 wrong class", "7 of 9 pictures", "right"):
        assert part in parsed.text


def test_one_kind_of_mistake_needs_no_choice() -> None:
    report = Report(
        title="t",
        classes=("x",),
        pictures=[wrong("a", wrong_class=1)],
        mistakes=Mistakes(9, 8, {"wrong class": 1}),
    )
    parsed = Page(render(report))
    assert not [one for one in parsed.named("input") if one["type"] == "radio"]
    assert "1 wrong class" not in parsed.text
    assert "wrong class" in parsed.text


def test_a_click_enlarges_every_picture_without_a_script() -> None:
    page = render(SAMPLE)
    parsed = Page(page)
    buttons, pictures = parsed.named("button"), parsed.named("img")
    assert len(buttons) == 2 * len(pictures) == 6
    # A popover, which a button opens, and which the picture itself and Escape close.
    popovers = [one["id"] for one in parsed.named("div") if "popover" in one]
    assert len(set(popovers)) == 3
    for which, popover in zip(range(0, 6, 2), popovers, strict=True):
        closing, opening = buttons[which : which + 2]
        assert closing["popovertarget"] == opening["popovertarget"] == popover
        assert closing["popovertargetaction"] == "hide"
        assert opening["aria-label"]


def test_confusions_of_boxes_have_a_background() -> None:
    counts = [[8, 1, 1], [0, 3, 1], [2, 0, 0]]
    text = Page(render(Report("t", classes=("cat", "dog"), confusion=counts))).text
    assert text.count("background") == 2
    assert "Most often mistaken is cat for dog, in 10.0 % of what is cat" in text
    assert "most often not found is dog, 25.0 % of it" in text


def test_a_label_can_be_read_on_a_small_picture() -> None:
    small = shown_boxes(
        "a",
        np.full((128, 128, 3), 90, np.uint8),
        Boxes.of([[30, 40, 90, 100]], [0]),
        Detections.of([], [], []),
        ("x",),
        notes=(("missed",), ()),
    )
    drawn = small.sides[0][2]
    assert drawn.shape == (640, 640, 3)
    rows, _ = np.nonzero((drawn[:190, 150:] == class_color(0)).all(axis=2))
    assert rows.max() - rows.min() > 20  # the label above its box, of 640


def test_hostile_names_in_sentences_are_only_text() -> None:
    other = f"other {HOSTILE}"
    page = render(
        Report(
            title="t",
            stages=[Stage(HOSTILE, "a", 0.5), Stage(other, "b", 0.4)],
            classes=(HOSTILE, other),
            per_class=[ClassResult(HOSTILE, 1, 0.5), ClassResult(other, 1, 0.6)],
            confusion=[[1, 2, 1], [0, 3, 0], [1, 0, 0]],
            pictures=[wrong("a", **{HOSTILE: 1, "b": 1})],
            mistakes=Mistakes(2, 1, {HOSTILE: 1, "b": 1}),
        )
    )
    assert_closed(page)
    said = [part.split("</p>")[0] for part in page.split('<p class="said">')[1:]]
    assert len(said) == 4
    assert not [part for part in said if "<" in part or "\u202e" in part or "\x00" in part]
