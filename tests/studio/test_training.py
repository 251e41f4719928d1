"""The studio's page of a training: what it finds by now, and an end after this epoch."""

from __future__ import annotations

import json

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


def test_the_page_of_a_training(tab, ask, going):
    assert json.loads(ask("api/improving?artifact=2")[1]) == {"steps": [60], "pictures": 4}
    tab.locator("nav a[data-page=training]").click()
    tab.locator("#artifact").select_option(index=2)
    tab.wait_for_selector("#improving img:nth-of-type(4)")
    assert "still training" in tab.locator("#progressed").inner_text()
    check_reach(tab)
    with held(going):
        tab.locator("#end").click()
        tab.wait_for_selector("#progressed:has-text('ends with this epoch')")
    assert (going / "end").exists()
    assert tab.locator("#end").is_hidden()
    tab.locator("#language").click()
    tab.wait_for_selector("text=このエポックで終了")
    (going / "end").unlink()
