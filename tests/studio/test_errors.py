"""The studio's page of errors: two forms picture by picture, with the command line's numbers."""

from __future__ import annotations

import io
import json
from urllib.parse import quote

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


def test_two_forms_are_compared(tab, ask):
    tab.locator("#artifact").select_option(index=1)
    tab.locator("nav a[data-page=errors]").click()
    tab.locator("#compare").click()
    tab.wait_for_selector("#points tbody tr:nth-child(2)")
    path = f"artifact=1&stage={INTEGERS}"
    judged = json.loads(ask(f"api/judge?{path}", b"")[1])
    tab.locator("#above").fill("0.4")  # moving it recounts, letting go judges again
    expected = ["-" if value is None else f"{value:.4f}" for value in at(judged, 0.4)]
    cells = tab.locator("#points tbody tr:nth-child(2) td").all_inner_texts()
    assert cells[0] == f"run: {INTEGERS}"
    assert cells[2:] == expected
    tab.locator("#above").dispatch_event("change")
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
    tab.wait_for_selector("#pairs article:nth-of-type(1) figure:nth-of-type(3) img")
    titles = tab.locator("#pairs h3").all_inner_texts()
    assert wrong[judged["pictures"].index(titles[0])] == max(wrong)
    tab.locator("#size").select_option("large")
    tab.wait_for_function("() => document.querySelector('#counted').textContent[0] === '0'")
    tab.locator("#language").click()
    assert "適合率" in tab.locator("#points").inner_text()
    check_reach(tab)


def at(judged, threshold):
    """Give what the page's table has at a threshold; None where it does not exist."""
    try:
        return point(judged["curves"][0], threshold)
    except ZeroDivisionError:
        return None, 0.0, 0.0
