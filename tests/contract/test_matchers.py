"""One suite over every matcher: it learns pairs, and every form gives one embedding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tatami.errors import TatamiError
from tatami.models.matcher import Matcher
from tatami.models.siamese import Siamese
from tatami.models.table import MODELS, MatcherModel
from tatami.rules.matching import EVEN, distance
from tatami.types import Size
from tests.contract.rows import names
from tests.contract.test_recognizers import WIDTH, Case, check_forms

SAME = ("same",)
SMALLEST = {"siamese": Size(65, 70)}
NAMES = names(MatcherModel)


def case_of(name: str) -> Case:
    return Case(SMALLEST.get(name, Size(16, 20)))


def build(name: str) -> Matcher:
    torch.manual_seed(0)
    found: Matcher = MODELS[name].build(MODELS[name].spec(SAME, case_of(name).size), WIDTH)
    return found


def batch(size: Size) -> tuple[Tensor, Tensor]:
    """Four pairs of stripes, of four widths, each picture with noise of its own."""
    torch.manual_seed(1)
    column = torch.arange(size.width)
    stripes = torch.stack([((column // wide) % 2).float() for wide in (1, 2, 3, 5)])
    pairs = stripes.repeat(2, 1)[:, None, None].expand(-1, 3, size.height, -1)
    return pairs + 0.2 * torch.randn(8, 3, size.height, size.width), torch.arange(4)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_every_form_gives_one_answer(name: str, tmp_path: Path) -> None:
    spec = MODELS[name].spec(SAME, case_of(name).size)
    check_forms(spec, build(name).train(), tmp_path, batch(spec.input.size))


def test_the_loss_is_the_cross_entropy_of_pairs() -> None:
    model = build("siamese-conv4")
    torch.manual_seed(2)
    raw, labels = torch.randn(6, 5), torch.tensor([4, 1, 4])
    found = model.loss(raw, labels)["pairs"]
    same, other = [], []
    for i in range(3):
        for j in range(3):
            apart = distance(raw[i].numpy(), raw[3 + j].numpy())
            sure = 1 / (1 + torch.tensor(apart - EVEN, dtype=torch.float64).exp())
            if labels[i] == labels[j]:
                same.append(-sure.log())
            else:
                other.append(-(1 - sure).log())
    expected = (torch.stack(same).mean() + torch.stack(other).mean()) / 2
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert model.loss(raw[:2], labels[:1])["pairs"].isfinite()  # one pair, and none of two classes


def test_koch_s_network_has_the_paper_s_layers() -> None:
    with torch.device("meta"):
        model = Siamese(Size(105, 105))
    assert model.sigmoids.weight.shape == (4096, 256 * 6 * 6)  # figure 4
    assert MODELS["siamese"].size == Size(105, 105)


@pytest.mark.parametrize("name", NAMES)
def test_another_size_and_one_that_is_too_small(name: str) -> None:
    with pytest.raises(TatamiError, match=r"images of 16x17 do not fit"):
        build(name)(torch.zeros(1, 3, 17, 16))
    with pytest.raises(TatamiError, match="an input of 90x15 is too small"):
        MODELS[name].build(MODELS[name].spec(SAME, Size(90, 15)), WIDTH)
