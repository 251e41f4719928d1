"""The table of networks to choose from: a sample of it is measured again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import tatami
from tatami.models.table import MODELS
from tatami.pipeline.catalog import FOLDER, _rows, list_models
from tatami.types import Size

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "width", "size"),
    [
        ("lenet5", "1", "32x32"),
        ("yolov2-tiny", "0.25", "128x128"),
        ("faster-rcnn-vgg16-bn", "0.125", "128x128"),
    ],
)
def test_a_sample_of_what_networks_need_is_measured_again(name: str, width: str, size: str) -> None:
    pytest.importorskip("torch")
    from tatami.pipeline.needs import needs

    (row,) = (row for row in _rows("needs", name) if row[1:3] == [width, size])
    found = needs(name, Size.parse(size), float(width))
    planned = [found.parameters, found.multiply_adds, found.arena, found.weights]
    assert [int(number) for number in row[3:7]] == planned
    if shutil.which("arm-none-eabi-gcc"):  # another version of it makes other code
        ram, flash = map(int, row[7:])
        assert found.ram == pytest.approx(ram, rel=0.05)
        assert found.flash == pytest.approx(flash, rel=0.05)


def test_every_network_is_listed_with_what_was_measured() -> None:
    found = list_models()
    assert {model.name for model in found.models} == {*MODELS}
    for model in found.models:
        for form in model.forms:
            assert form.ram > 0
            assert 0 < form.parameters < form.flash * 1.1, model.name


def test_every_figure_was_measured() -> None:
    results = (PROJECT / "docs" / "results.md").read_text("utf-8")
    lines = (FOLDER / "measured.csv").read_text("utf-8").splitlines()[1:]
    for line in lines:
        name, width, size, data, _, *figures = line.split(",")
        assert name in MODELS
        assert data in results
        assert size in results
        for figure in filter(None, figures):
            assert re.search(rf"(?<!\d){re.escape(figure)}", results), line
        assert [row for row in _rows("needs", name) if row[1:3] == [width, size]], line


def test_what_fits_is_the_largest_form_that_does() -> None:
    found = list_models(fit="512K,2M")
    assert "yolov2-tiny" in {model.name for model in found.models}
    for model in found.models:
        first = model.forms[0]
        assert all(form.ram <= 512 * 1024 and form.flash <= 2 * 1024**2 for form in model.forms)
        assert all(form.multiply_adds <= first.multiply_adds for form in model.forms)
    assert list_models("classify", fit="16K,100K").models[0].name == "lenet5"
    nothing = list_models(fit="1K,1K")
    assert nothing.models == ()
    assert nothing.lines() == ["no form that was measured fits in 1K of RAM and 1K of flash"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"fit": "512K"}, "fit: 512K is not two sizes"),
        ({"fit": "512K,much"}, "fit: much is no"),
        ({"task": "dream"}, "task: no task 'dream'"),
    ],
)
def test_bad_requests(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(tatami.TatamiError, match=said):
        tatami.list_models(**arguments)


def test_it_is_printed_in_80_columns_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    from tatami.cli.models import models

    models()
    whole = capsys.readouterr().out
    models(fit="512K,2M")
    text = capsys.readouterr().out
    assert max(map(len, (whole + text).splitlines())) <= 82
    assert "yolov2-tiny" in text
    assert "vgg16" not in text.replace("vgg16-bn", "")
    models(task="classify", as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["lenet5"]["measured"][0]["float32"] == "99.00 %"
    assert answer["lenet5"]["forms"][0]["size"] == "32x32"
    assert "yolov2" not in answer
