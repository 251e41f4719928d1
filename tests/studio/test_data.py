"""The studio's page of data: what `data show` counts, doubles, faults, variations, a map."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import tatami
from tatami.data.alike import from_afar, near_duplicates
from tatami.pipeline.inspect import inspect
from tatami.pipeline.survey import PLACES, Survey, principal
from tests.browser import check_reach


def test_pictures_that_look_alike_are_found():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 200, (60, 80, 3)).astype(np.uint8)
    picture[:30] += 50
    brighter = (picture * 0.8 + 30).astype(np.uint8)
    smaller = np.asarray(Image.fromarray(picture).resize((41, 33)))
    other = np.rot90(picture).copy()
    views = [from_afar(one) for one in (other, picture, brighter, smaller)]
    found = near_duplicates(views, 10)
    assert {pair[:2] for pair in found} == {(1, 2), (1, 3), (2, 3)}
    assert near_duplicates(views, 1) == found[:1]
    assert found[0][2] == max(alike for *_, alike in found)
    assert not from_afar(np.full((9, 9, 3), 7, np.uint8)).any()


def test_a_map_keeps_what_varies_most():
    rng = np.random.default_rng(1)
    along = rng.normal(size=(50, 1)) * 9 @ rng.normal(size=(1, 6))
    points, share = principal(along + 0.01 * rng.normal(size=(50, 6)))
    assert share[0] > 0.99 > 0.01 > share[1]
    apart = np.linalg.norm(along[0] - along[1])
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(apart, rel=0.05)


def test_a_survey_says_what_data_show_says(squares):
    found = Survey(squares)
    content = found.to_json()
    expected = inspect(squares.parent / "set").to_json()
    for key in ("format", "classes", "splits", "picture_sizes", "box_size", "box_aspect"):
        assert content[key] == expected[key]
    places = np.array(content["places"]["all"])
    boxes = np.concatenate([boxes.xyxy for _, _, boxes, *_ in found.looked])
    middle = 32 / 64
    inside = (boxes[:, :2] < middle * 64 + 64 / PLACES).all(1) & (boxes[:, 2:] > middle * 64).all(1)
    assert places[PLACES // 2, PLACES // 2] == inside.sum() > 0
    assert places.sum() == sum(np.array(one).sum() for one in content["places"]["classes"].values())
    as_is, *varied = (found.varied(3, draw) for draw in range(3))
    assert not any(np.array_equal(as_is, one) for one in varied)
    np.testing.assert_array_equal(varied[0], Survey(squares).varied(3, 1))


def test_a_fault_comes_with_its_picture(squares, tmp_path, monkeypatch):
    root = squares.parent / "set" / "test"
    label, kept = root / "labels" / "2.txt", (root / "labels" / "2.txt").read_text()
    monkeypatch.setattr(tatami.pipeline.survey, "LOOKED_AT", 4)
    try:
        label.write_text(f"{kept}7 0.5 0.5 0.1 0.1\n")
        found = Survey(squares)
        (fault,) = found.to_json()["problems"]
        assert (fault["file"], fault["line"], fault["drawn"]) == ("test/labels/2.txt", 2, True)
        drawn = Image.fromarray(found.fault(0)).resize((64, 64), Image.Resampling.NEAREST)
        picture = np.asarray(Image.open(root / "images" / "2.png"))
        assert np.abs(np.asarray(drawn).astype(int) - picture).mean() < 12
    finally:
        label.write_text(kept)


def test_the_page_of_data(tab, ask):
    tab.locator("#artifact").select_option(index=1)
    tab.locator("nav a[data-page=data]").click()
    tab.locator("#survey").click()
    tab.wait_for_selector("#misfits figure img")
    found = json.loads(ask("api/data?artifact=1", b"")[1])
    red = sum(split["classes"]["red"]["boxes"] for split in found["splits"].values())
    row = tab.locator("#charts table:first-child tr:first-child")
    assert row.locator("th, td.number").all_inner_texts() == ["red", str(red)]
    assert tab.locator("#places rect.bar").count() == PLACES**2
    assert tab.locator("#variations figure").count() == 7
    anchors = json.loads(ask("api/anchors?artifact=1")[1])
    assert (
        f"{anchors['fit']} of {anchors['truths']} truths"
        in tab.locator("#misfitcount").inner_text()
    )
    tab.locator("#embed").click()
    tab.wait_for_selector("#map .mark")
    assert tab.locator("#map [role=option]").count() == found["total"] == 18
    tab.locator("#map svg.scatter").focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector("#map .seen img")
    assert tab.locator("#map [aria-selected=true]").count() == 1
    tab.locator("#language").click()
    tab.wait_for_selector("text=よく似た画像")
    tab.wait_for_selector("#misfits figure img")
    check_reach(tab)


def test_a_classifier_has_no_anchors_and_hostile_numbers_are_refused(ask):
    assert json.loads(ask("api/data?artifact=0", b"")[1])["total"] == 30
    status, body, _ = ask("api/anchors?artifact=0")
    assert (status, b"no anchors" in body) == (422, True)
    for path in (
        "labeled?picture=30",
        "labeled?picture=-1",
        "fault?number=9",
        "misfit?number=x",
        "varied?picture=0&draw=99999999999",
        "varied?picture=999&draw=1",
    ):
        assert ask(f"api/{path}")[0] in (400, 404, 422), path
    assert ask("api/embedding?layer=../x", b"")[0] == 404
