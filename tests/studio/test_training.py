"""The studio's page of a training: what it finds by now, and an end after this epoch."""

from __future__ import annotations

import json
import os
import re
import time

import numpy as np
import pytest

import tatami
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.pipeline.watch import Improving, end_with_epoch, watch
from tatami.train.run import held
from tests.browser import check_reach


def test_what_the_newest_weights_find(squares, going):
    (step,) = Improving(going).look()
    drawn = Improving(going, 2).look()[step]
    assert step == watch(squares).steps == 60
    first = squares.parent / "set" / "test" / "images" / "0.png"
    network = tatami.open(squares)
    expected = network.task.answer(network.predictor, read_picture(first)).drawn
    np.testing.assert_array_equal(drawn[0], expected)  # the last checkpoint is what was kept


def test_only_a_training_that_goes_on_is_ended(squares, going, ask):
    for folder in (squares, going, squares.parent / "set"):
        with pytest.raises(TatamiError, match="nothing is being trained"):
            end_with_epoch(folder)
    assert ask("api/end?artifact=2", b"")[0] == 422
    assert ask("api/end?artifact=2", b"", x_tatami_token="")[0] == 403
    assert ask("api/end?artifact=2")[0] == 404  # not by a link
    for path in ("improved?step=1&picture=0", "improved?step=x&picture=0", "improved?step=60"):
        assert ask(f"api/{path}&artifact=2")[0] in (400, 404)
    assert not (going / "end").exists()


def test_how_long_it_will_take(squares, going):
    done = watch(squares)
    assert (done.total, done.steps, done.going, done.seconds_left) == (60, 60, False, None)
    (state,) = squares.glob("checkpoints/*/state.json")
    took = state.stat().st_mtime - (squares / "run.json").stat().st_mtime
    assert 0 < 60 * done.seconds_a_step < took + 1  # measured, not made up
    assert watch(going).seconds_left is None  # nobody trains
    (state,) = going.glob("checkpoints/*/state.json")
    with held(going):
        os.utime(state, (time.time() - 100, time.time() - 100))
        assert watch(going).seconds_left == pytest.approx(60 * 30 - 100, abs=20)
        kept = (going / "log.jsonl").read_bytes()
        (going / "log.jsonl").write_bytes(b"".join(kept.splitlines(keepends=True)[:-2]))
        (going / "end").touch()
        found = watch(going).seconds_left  # to the end of the epoch, of 3 steps: 2 more
        (going / "end").unlink()
        (going / "log.jsonl").write_bytes(kept)
        os.utime(state, (time.time() - 7200, time.time() - 7200))
        assert (found, watch(going).seconds_left) == (0, 0)
    damaged = state.read_bytes()
    state.write_bytes(b"[1")
    assert watch(going).seconds_a_step is None
    state.write_bytes(damaged)


def test_the_page_of_a_training(tab, ask, squares, going):
    assert json.loads(ask("api/improving?artifact=2")[1]) == {"steps": [60], "pictures": 4}
    tab.locator("nav a[data-page=training]").click()
    tab.locator("#artifact").select_option(index=2)
    tab.wait_for_selector("#improving img:nth-of-type(4)")
    assert (
        "step 60 of 120, epoch 20.0 of 40, nothing trains"
        in tab.locator("#progressed").inner_text()
    )
    assert tab.locator("#end").is_hidden()
    (state,) = going.glob("checkpoints/*/state.json")
    os.utime(state)
    with held(going):
        tab.wait_for_selector("#progressed:has-text('still training')")
        assert re.search(r"2\d min \d+ s left at 30.0 s", tab.locator("#progressed").inner_text())
        # Another run beside it, chosen by the keyboard: the figures are those of the files.
        tab.locator("#runs input").first.focus()
        tab.keyboard.press("Tab")
        tab.keyboard.press("Space")
        tab.wait_for_selector("#curves .wide .name.of-1")
        assert tab.locator("#progressed p").count() == 2
        rows = [
            json.loads(line) for line in (squares / "evaluations.jsonl").read_text().splitlines()
        ]
        titles = [one.text_content() for one in tab.locator("#curves .wide path.of-1 title").all()]
        name = f"{squares.parent.name}/run"
        assert titles == [f"{name}, {row['step']:.0f}: {row['mAP']:.4f}" for row in rows]
        log = [json.loads(line) for line in (squares / "log.jsonl").read_text().splitlines()]
        line = tab.locator("#curves .wide polyline.curve.of-1").first.get_attribute("points")
        assert len(line.split()) == len(log) == 60
        columns = tab.locator("#curves figcaption").all_inner_texts()
        assert [text.split(":")[0] for text in columns[:1]] == ["loss"]
        assert {text.split(":")[0] for text in columns} == {*log[0]} - {"step"}
        tab.wait_for_timeout(5500)  # the next look leaves the keyboard where it is
        assert tab.evaluate("document.activeElement.checked") is True
        check_reach(tab)
        tab.locator("#end").click()
        tab.wait_for_selector("#progressed:has-text('ends with this epoch')")
    assert (going / "end").exists()
    assert tab.locator("#end").is_hidden()
    tab.locator("#language").click()
    tab.wait_for_selector("text=このエポックで終了")
    (going / "end").unlink()
