"""Evaluation from Python: options by name, results in a notebook."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest

import tatami
from tatami.cli.evaluate import evaluate as command
from tatami.pipeline.compare import compare
from tatami.pipeline.evaluate import evaluate
from tatami.tasks.detection_settings import DetectionOptions


def test_options_are_given_by_name_or_as_a_value(square_finder: Path, squares_set: Path) -> None:
    by_name = evaluate(square_finder, squares_set, options={"diagnose": True, "at": 0.5})
    as_value = evaluate(square_finder, squares_set, options=DetectionOptions(diagnose=True, at=0.5))
    for key, value in by_name.to_json().items():
        assert key == "pictures_per_second" or as_value.to_json()[key] == value
    assert by_name.to_json()["diagnostics"]["kinds"]["correct"] > 0
    assert by_name.figure == by_name.to_json()["map_voc07"]


def test_what_is_no_option_is_refused_by_name(square_finder: Path, squares_set: Path) -> None:
    with pytest.raises(tatami.TatamiError, match="magic: it is an option of no task"):
        evaluate(square_finder, squares_set, options={"magic": 1})
    with pytest.raises(tatami.TatamiError, match="data: no labeled set"):
        evaluate(square_finder)
    with pytest.raises(tatami.TatamiError, match="artifact: nothing to evaluate"):
        evaluate(data=squares_set)
    with pytest.raises(tatami.TatamiError, match="tta: only segmentation has it"):
        evaluate(square_finder, squares_set, tta=True)


def test_the_command_line_says_the_usual_values() -> None:
    """What is not typed is left to the task; its help says what that is."""
    typed = inspect.signature(command, eval_str=True).parameters
    for field in fields(DetectionOptions):
        assert not typed[field.name].default, field.name
        if field.default:
            assert str(field.default) in typed[field.name].annotation.__metadata__[0].help


def test_a_notebook_shows_the_figures(square_finder: Path, squares_set: Path) -> None:
    result = evaluate(square_finder, squares_set)
    page = result._repr_html_()
    assert page.count("<table>") == 1
    assert "VOC 2007" in page
    assert "pictures a second, from pixels to boxes" in page


def test_a_notebook_shows_the_chart(square_finder: Path, squares_set: Path) -> None:
    seen: list[str] = []
    result = compare(
        [square_finder],
        squares_set,
        time=False,
        progress=lambda stage, done, total, note="": seen.append(stage),
    )
    assert result.path is None
    assert result.to_json()["output"] is None
    page = result._repr_html_()
    assert page.startswith("<svg")
    assert "squares" in page
    assert set(seen) == {"Evaluating squares"}
