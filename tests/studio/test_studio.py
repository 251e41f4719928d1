"""The studio: whom it refuses, and what its pages show in Chromium."""

from __future__ import annotations

import io
import json
import urllib.error

import numpy as np
import pytest
from PIL import Image

import tatami
from tatami.errors import TatamiError
from tatami.pipeline.through import DIFFERENCE, Through
from tatami.pipeline.watch import watch
from tests.browser import check_reach

FORMS = ["network", "network-folded", "network-int8"]


# Through a network -------------------------------------------------------------------------------


def test_every_layer_of_every_form(run, picture):
    through = Through(run)
    assert list(through.forms) == FORMS
    assert [one.name for one in through.stages] == ["torch", *FORMS]
    first, *others = through.layers
    assert (first.reads, first.depth, first.filters) == ((), 1, True)
    assert all(set(one.reads) <= {each.name for each in through.layers} for one in others)
    with pytest.raises(TatamiError, match="no picture"):
        through.values(first.name, "network")
    pixels = np.asarray(Image.open(picture))
    through.give(pixels)
    plain, integer, difference = (
        through.values(first.name, form) for form in (*FORMS[1:], DIFFERENCE)
    )
    assert plain.shape == first.shape
    np.testing.assert_array_equal(difference, integer - plain)
    assert 0 < np.abs(difference).max() < np.abs(plain).max()
    signal, noise = (
        (plain.astype(np.float64) ** 2).sum(),
        (difference.astype(np.float64) ** 2).sum(),
    )
    assert through.losses()[first.name] == pytest.approx(10 * np.log10(signal / noise))
    spread = through.spread(first.name, "network")
    assert sum(spread.counts) == plain.size
    answers = through.answers()
    assert list(answers) == ["torch", *FORMS]
    assert through.answers() is answers
    assert through.activation().ndim == 3
    framed = through.receptive(first.name, 2, 3)
    assert np.abs(framed.astype(int) - through.receptive(first.name, 9, 9)).max() > 100
    drawn = tatami.explain(run, picture, layers=[first.name]).filters[0].drawn
    np.testing.assert_array_equal(through.filters(first.name), drawn)
    for layer, form, said in (("none", "network", "no layer"), (first.name, "none", "no form")):
        with pytest.raises(TatamiError, match=said):
            through.maps(layer, form)


def test_a_training_is_watched(run):
    found = watch(run)
    assert (found.epochs, found.finished, found.steps) == (3, True, 12)
    assert [row["step"] for row in watch(run, 5).rows] == list(range(5, 12))


# The server --------------------------------------------------------------------------------------


def test_strangers_are_refused(address, ask):
    assert ask("api/artifacts")[0] == 200
    for headers in (
        {"x_tatami_token": ""},
        {"x_tatami_token": address[1][:-1]},
        {"host": "tatami.example"},
        {"host": "127.0.0.1"},
        {"origin": "https://tatami.example"},
        {"origin": "null"},
    ):
        status, body, sent = ask("api/artifacts", **headers)
        assert status == 403, headers
        assert b"artifact" not in body
        assert "default-src 'none'" in sent["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in sent
    assert ask("", host="tatami.example")[0] == 403  # the page, too


def test_bad_requests_are_refused(ask, picture):
    content = picture.read_bytes()
    for path, body, expected in (
        ("api/picture", b"", 422),
        ("api/picture", b"GIF89a not a picture", 422),
        ("api/picture", content[:100], 422),
        ("api/picture", bytes(33 * 2**20), 413),
        ("api/network?artifact=7", None, 404),
        ("api/network?artifact=../etc", None, 404),
        ("api/maps?artifact=0", None, 400),
        ("api/answers?score=x", None, 400),
        ("api/answers?score=nan", None, 400),
        ("api/training?since=-1", None, 400),
        ("../pyproject.toml", None, 404),
        ("%2e%2e/server.py", None, 404),
        ("api/nothing", None, 404),
        ("report/nothing", None, 404),
    ):
        try:
            status, answer, _ = ask(path, body)
        except (BrokenPipeError, ConnectionResetError, urllib.error.URLError):
            assert expected == 413  # it hangs up on whoever sends on
            continue
        assert status == expected, (path, answer)
        assert b"Traceback" not in answer
        assert b"/tmp" not in answer
    assert ask("api/artifacts")[0] == 200


def test_it_says_what_the_command_line_says(ask, run, picture):
    status, body, _ = ask("api/picture", picture.read_bytes())
    assert (status, json.loads(body)) == (200, {"width": 48, "height": 40})
    found = {one["stage"]: one["line"] for one in json.loads(ask("api/answers")[1])}
    (expected,) = tatami.predict(run, picture).pictures
    assert found["torch"] == expected.line
    layers = json.loads(ask("api/network")[1])
    summary = tatami.summary(run / "network.onnx").parts[0].layers
    assert [(one["name"], one["multiply_adds"]) for one in layers] == [
        (one.name, one.multiply_adds) for one in summary
    ]
    name = layers[0]["name"]
    status, body, _ = ask(f"api/maps?layer={name}&form=difference")
    assert status == 200
    assert Image.open(io.BytesIO(body)).size[0] > 100


# In a browser ------------------------------------------------------------------------------------


def test_pages_show_layers_answers_and_the_training(tab, run, picture):
    names = [one.name for one in Through(run).layers]
    boxes = tab.locator("#graph g")
    assert [box.get_attribute("data-layer") for box in boxes.all()] == names
    tab.locator("nav a[data-page=picture]").click()
    tab.locator("#file").set_input_files(picture)
    tab.wait_for_selector("#drawn figure:nth-of-type(4)")
    cells = tab.locator("#answer-rows td:first-child")
    assert cells.all_inner_texts() == ["torch", *FORMS]
    tab.locator("nav a[data-page=network]").click()
    tab.wait_for_selector("#graph .loss")
    boxes.first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#layer figure:nth-of-type(6) img")  # three forms, spread, field, filters
    tab.wait_for_selector("#field[src]")
    seen = tab.locator("#field").get_attribute("src")
    tab.locator("#field").click(position={"x": 9, "y": 9})
    tab.wait_for_function("before => document.querySelector('#field').src !== before", arg=seen)
    assert tab.locator("#row").input_value() == "0"
    assert tab.locator("#form option").all_inner_texts() == [*FORMS, DIFFERENCE]
    tab.locator("nav a[data-page=errors]").click()
    tab.locator("#measure").click()
    frame = tab.frame_locator("#report")
    assert frame.locator("h1").inner_text() == "lenet5 on set"
    tab.locator("nav a[data-page=training]").click()
    tab.wait_for_selector("#curves polyline")
    assert "step 12 of 12, epoch 3.0 of 3, done" in tab.locator("#progressed").inner_text()
    tab.locator("#language").click()
    assert "学習済み" in tab.locator("#progressed").inner_text()
    tab.reload()
    tab.wait_for_selector("#pages a[aria-current]")


def test_a_drawing_and_the_camera_are_answered(tab):
    tab.locator("nav a[data-page=picture]").click()
    tab.locator("#pad").click()
    box = tab.locator("#canvas").bounding_box()
    tab.mouse.move(box["x"] + 50, box["y"] + 50)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 200, box["y"] + 200, steps=4)
    tab.mouse.up()
    tab.wait_for_selector("#answer-rows tr")
    tab.locator("#camera").click()
    tab.wait_for_selector("#canvas[width='640']")
    tab.locator("#camera").click()


def test_it_is_reachable_by_keyboard_and_by_screen_readers(tab, picture):
    tab.locator("#file").set_input_files(picture)
    tab.wait_for_selector("#drawn figure:nth-of-type(4)", state="attached")
    for page in ("network", "picture", "errors", "training"):
        tab.locator(f"nav a[data-page={page}]").click()
        tab.wait_for_selector(f"#{page}:not([hidden])")
        check_reach(tab)
