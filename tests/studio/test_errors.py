"""The studio's page of errors: two forms picture by picture, with the command line's numbers."""

from __future__ import annotations

import io
import json
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import tatami
from tatami.evaluate.mistakes import KINDS
from tests.browser import check_reach

INTEGERS = "network-int8"


def point(curve, threshold):
    """Precision, recall and F1 as the page computes them."""
    count = sum(score > threshold for score in curve["scores"])
    hits = curve["true_positives"][count - 1] if count else 0
    return hits / count, hits / curve["truths"], 2 * hits / (count + curve["truths"])


@pytest.mark.parametrize(("artifact", "at"), [(0, 0.0), (1, 0.1)])
def test_its_numbers_are_those_of_evaluate(ask, run, squares, artifact, at):
    path = f"artifact={artifact}&stage={INTEGERS}"
    judged = json.loads(ask(f"api/judge?{path}", b"")[1])
    options = {"at": at} if artifact else {}
    expected = tatami.evaluate([run, squares][artifact] / f"{INTEGERS}.onnx", options=options)
    content = expected.to_json()
    wanted = content["classes"] if artifact == 0 else [content["at"]]
    curves = judged["curves"][1:] if artifact == 0 else judged["curves"][:1]
    for curve, row in zip(curves, wanted, strict=True):
        if row["precision"] is not None:
            found = point(curve, at)
            assert found == pytest.approx([row[key] for key in ("precision", "recall", "f1")])
    assert judged["figure"] == expected.figure
    if artifact:
        assert judged["result"]["coco"] == content["coco"]
    mistakes = json.loads(ask(f"api/mistakes?{path}&score={at}")[1])
    assert len(mistakes) == len(judged["pictures"]) == 6
    assert {one["kind"] for row in mistakes for one in row} <= set(KINDS)
    if artifact == 0:
        assert sum(not row for row in mistakes) == round(6 * content["top1"])
    for side in ("labeled", "found"):
        status, body, _ = ask(f"api/judged?{path}&score={at}&picture=2&side={side}")
        assert status == 200
        assert Image.open(io.BytesIO(body)).size[0] > 100
    for bad, expected in (
        (f"{path}&picture=6&side=found", 404),
        (f"{path}&picture=0&side=x", 404),
        (f"artifact=0&stage={quote('../x')}&picture=0&side=found", 422),
    ):
        assert ask(f"api/judged?{bad}")[0] == expected


def rows_of(table):
    """The texts of a table's cells."""
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_two_forms_are_compared(tab, ask, squares):
    tab.locator("#artifact").select_option(index=1)
    tab.locator("nav a[data-page=errors]").click()
    tab.locator("#compare").click()
    tab.wait_for_selector("#confusions table:nth-of-type(1) td")
    path = f"artifact=1&stage={INTEGERS}"
    judged = json.loads(ask(f"api/judge?{path}", b"")[1])
    tab.locator("#above").fill("0.4")  # moving it recounts, letting go judges again
    expected = ["-" if value is None else f"{value:.4f}" for value in at(judged, 0.4)]
    table = tab.locator("#points table").first
    cells = table.locator("tbody tr:nth-child(2) td").all_inner_texts()
    assert cells[0] == f"{squares.parent.name}/run: {INTEGERS}"
    assert cells[2:] == expected
    tab.locator("#above").dispatch_event("change")
    confusion = json.loads(ask(f"api/confusion?{path}&score=0.4")[1])
    counted = [str(count) for row in confusion for count in row]
    tab.wait_for_function(  # judged at the new score, and drawn
        "wanted => JSON.stringify([...document.querySelectorAll('#confusions table')[1]"
        ".querySelectorAll('td')].map(one => one.title)) === wanted",
        arg=json.dumps(counted, separators=(",", ":")),
    )
    tab.locator("#which").select_option("anyWrong")
    mistakes = [
        json.loads(ask(f"api/mistakes?artifact=1&stage={stage}&score=0.4")[1])
        for stage in ("torch", INTEGERS)
    ]
    wrong = [sum(map(len, pair)) for pair in zip(*mistakes, strict=True)]
    tab.wait_for_function(
        "n => document.querySelector('#counted').textContent === n",
        arg=f"{sum(map(bool, wrong))} of 6 pictures",
    )
    told = {name: counts for name, *counts in rows_of(tab.locator("#kinds table"))}
    for kind, word in (("missed", "missed"), ("false", "found where nothing is")):
        counts = [sum(one["kind"] == kind for row in each for one in row) for each in mistakes]
        assert told.get(word, ["0", "0"]) == list(map(str, counts))
    # The diagnosis and the confusion are those of the command line and of the report.
    form = squares / f"{INTEGERS}.onnx"
    expected = tatami.evaluate(form, options={"diagnose": True}).to_json()
    best = dict(row[::2] for row in rows_of(tab.locator("#points table").nth(1)))
    share = expected["diagnostics"]["kinds"]["background"]
    assert best["background"] == f"{100 * share:.1f} %"
    truths = [sum(row) for row in confusion[:-1]]
    assert truths == [one["truths"] for one in expected["classes"]]
    tab.wait_for_selector("#pairs article:nth-of-type(1) figure:nth-of-type(3) img")
    titles = tab.locator("#pairs h3").all_inner_texts()
    assert wrong[judged["pictures"].index(titles[0])] == max(wrong)
    tab.locator("#size").select_option("large")
    tab.wait_for_function("() => document.querySelector('#counted').textContent[0] === '0'")
    tab.locator("#language").click()
    assert "適合率" in tab.locator("#points").inner_text()
    check_reach(tab)


def test_masks_are_compared_by_their_iou(tab, ask, regions, tmp_path):
    torch, integer = (f"artifact=3&stage={stage}" for stage in ("torch", INTEGERS))
    judged = json.loads(ask(f"api/judge?{integer}", b"")[1])
    expected = tatami.evaluate(regions / f"{INTEGERS}.onnx").to_json()
    assert judged["result"].items() <= expected.items()
    assert judged["figure"] == expected["mean_iou"]
    assert json.loads(ask(f"api/confusion?{integer}")[1]) == expected["confusion"]
    # Each picture's IoU, of the masks that `tatami predict` writes.
    pictures = regions.parent / "set" / "test" / "pictures"
    tatami.predict(regions / f"{INTEGERS}.onnx", pictures, tmp_path / "found")
    own = []
    for name in judged["pictures"]:
        truth = np.asarray(Image.open(regions.parent / "set" / "test" / "masks" / f"{name}.png"))
        found = np.asarray(Image.open(next((tmp_path / "found").rglob(f"{name}*mask*.png"))))
        stated = truth != 255
        own.append([])
        for label in range(3):
            (a, b) = (stated & (mask == label) for mask in (truth, found))
            own[-1].append((a & b).sum() / (a | b).sum() if (a | b).any() else None)
    assert judged["agreement"] == own
    for side in ("labeled", "found", "wrong"):
        status, body, _ = ask(f"api/judged?{integer}&picture=1&side={side}")
        assert (status, Image.open(io.BytesIO(body)).size) == (200, (640, 427))
    assert ask(f"api/mistakes?{integer}")[0] == 422

    tab.locator("#artifact").select_option(index=3)
    tab.locator("nav a[data-page=errors]").click()
    tab.locator("#compare").click()
    tab.wait_for_selector("#pairs article:nth-of-type(5) figure:nth-of-type(5) img")
    assert tab.locator("#above").is_hidden()
    cells = rows_of(tab.locator("#points table"))[1]
    assert cells[1:] == [
        f"{expected[key]:.4f}" for key in ("mean_iou", "pixel_accuracy", "mean_dice", "boundary_f1")
    ]
    tab.locator("#which").select_option("worstSecond")
    means = [np.mean([one for one in row if one is not None]) for row in own]
    order = [judged["pictures"][i] for i in np.argsort(means, kind="stable")]
    tab.wait_for_function("name => document.querySelector('#pairs h3').textContent === name",
                          arg=order[0])  # fmt: skip
    assert tab.locator("#pairs h3").all_inner_texts() == order
    captions = tab.locator("#pairs article >> nth=0").locator("figcaption").all_inner_texts()
    assert captions[3].endswith(f"IoU {min(means):.4f}")
    tab.locator("#class").select_option("square")
    with_square = sum(row[2] is not None for row in own)
    tab.wait_for_selector("#pairs article")
    first = json.loads(ask(f"api/judge?{torch}", b"")[1])["agreement"]
    both = sum(a[2] is not None and b[2] is not None for a, b in zip(first, own, strict=True))
    assert 0 < both <= with_square
    assert tab.locator("#counted").inner_text() == f"{both} of 5 pictures"
    assert rows_of(tab.locator("#points table"))[1][1] == f"{expected['classes'][2]['iou']:.4f}"
    tab.locator("#traded svg").focus()
    tab.keyboard.press("ArrowRight")
    name = tab.locator("#told-iou").inner_text().split(":")[0]
    tab.keyboard.press("Enter")
    tab.wait_for_function("name => document.querySelector('#pairs h3').textContent === name",
                          arg=name)  # fmt: skip
    tab.locator("#language").click()
    tab.wait_for_selector("#points:has-text('境界F1')")
    check_reach(tab)


def test_what_is_not_judged_says_so(tab, ask):
    status, body, _ = ask("api/judge?artifact=4&stage=torch", b"")
    assert (status, b"are not judged one by one" in body) == (422, True)
    tab.locator("#artifact").select_option(index=4)
    tab.locator("nav a[data-page=errors]").click()
    tab.wait_for_selector("#unjudged:visible")
    assert tab.locator("#comparing").is_hidden()
    assert tab.locator("#measure").is_visible()
    check_reach(tab)


def at(judged, threshold):
    """Give what the page's table has at a threshold; None where it does not exist."""
    try:
        return point(judged["curves"][0], threshold)
    except ZeroDivisionError:
        return None, 0.0, 0.0
