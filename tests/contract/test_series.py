"""One suite over every classifier of series: it learns, and every form gives one answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tatami.errors import TatamiError
from tatami.models.classifier import Classifier
from tatami.models.table import MODELS, SeriesModel
from tatami.types import Size
from tests.contract.rows import names, without_dropout
from tests.contract.test_recognizers import CLASSES, WIDTH, Case, batch, check_forms

__all__ = ["batch"]
NAMES = names(SeriesModel)


def case_of(name: str) -> Case:
    """Channels and steps."""
    return Case()


def build(name: str, size: Size | None = None) -> Classifier:
    torch.manual_seed(0)
    spec = MODELS[name].spec(CLASSES, size or case_of(name).size)
    found: Classifier = MODELS[name].build(spec, WIDTH)
    without_dropout(found)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_every_form_gives_one_answer(name: str, tmp_path: Path) -> None:
    spec = MODELS[name].spec(CLASSES, case_of(name).size)
    check_forms(spec, build(name).train(), tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [Size(7, 1), Size(1, 40), Size(1, 1)])
def test_vectors_and_one_channel(name: str, size: Size) -> None:
    model = build(name, size).eval()
    assert model(torch.zeros(2, 1, size.height, size.width)).shape == (2, len(CLASSES))


@pytest.mark.parametrize("name", NAMES)
def test_too_few_channels(name: str) -> None:
    model = build(name)
    with pytest.raises(TatamiError, match=r"3 (channels|features) of 25 (steps|frames) do not fit"):
        model(torch.zeros(1, 1, 25, 3))
