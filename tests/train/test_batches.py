"""Batches: functions of the step alone, whole epochs, even shares, the picture rule's numbers."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tatami.errors import TatamiError
from tatami.rules.picture import normalize
from tatami.train.batches import Batch, Batches, Examples, stacked
from tatami.train.distributed import Team
from tatami.train.recipe import Recipe
from tatami.types import Boxes, InputSpec, Picture, Size

SIZE = Size(128, 96)
RECIPE = Recipe(SIZE, epochs=12, batch=4, closing_epochs=2, multi_scale=0.5, warmup_epochs=1)


def draw(index: int, size: Size, closing: bool, rng: np.random.Generator) -> tuple[Picture, Boxes]:
    """Noise, and one box that says what was asked for."""
    time.sleep(float(rng.uniform(0, 0.001)))
    canvas = rng.integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)
    return canvas, Boxes.of([[index, closing, size.width, size.height]], [0])


def batches(count: int = 12, recipe: Recipe = RECIPE, team: Team | None = None) -> Batches:
    return Batches(Examples(count, draw), InputSpec(SIZE), recipe, team or Team())


def asked(batch: Batch) -> list[list[int]]:
    """(index, closing, width, height) of each picture."""
    return [boxes.xyxy[0].astype(int).tolist() for boxes in batch.targets]


def assert_same(one: Batch, other: Batch) -> None:
    assert torch.equal(one.images, other.images)
    assert asked(one) == asked(other)


def test_a_batch_depends_on_its_step_alone() -> None:
    whole = list(batches().from_step(0))
    assert [step for step, _ in whole] == list(range(36))
    for start in (1, 17, 35):
        for (step, batch), expected in zip(batches().from_step(start), whole[start:], strict=True):
            assert step == expected[0]
            assert_same(batch, expected[1])
    for step in (35, 3, 20):  # in any order
        assert_same(batches().batch(step), whole[step][1])
    assert list(batches().from_step(36)) == []


def test_another_seed_is_another_order_and_other_noise() -> None:
    one, other = batches().batch(0), batches(recipe=replace(RECIPE, seed=1)).batch(0)
    assert asked(one) != asked(other)
    # and each picture of one batch has noise of its own, in each epoch
    seen = [image for step in (0, 1, 2, 30, 31, 32) for image in batches().batch(step).images]
    assert len({image.numpy().tobytes() for image in seen}) == 24


def test_each_epoch_shows_every_picture_once() -> None:
    orders = []
    for epoch in range(12):
        steps = range(3 * epoch, 3 * epoch + 3)
        shown = [index for step in steps for index, *_ in asked(batches().batch(step))]
        assert sorted(shown) == list(range(12))
        orders.append(tuple(shown))
    assert len(set(orders)) > 10


def test_pictures_that_a_batch_does_not_divide_take_turns() -> None:
    ten = batches(10)
    assert (ten.steps_an_epoch, ten.steps) == (2, 24)
    shown = [index for step in range(5) for index, *_ in asked(ten.batch(step))]
    assert sorted(shown) == sorted([*range(10)] * 2)


def test_fewer_pictures_than_a_batch() -> None:
    few = batches(3)
    assert (few.steps_an_epoch, few.steps) == (1, 12)
    shown = [index for step in range(3) for index, *_ in asked(few.batch(step))]
    assert sorted(shown) == sorted([0, 1, 2] * 4)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_the_batch_of_one_process(world: int) -> None:
    for step in (0, 12, 35):
        alone = batches().batch(step)
        shares = [batches(team=Team(rank, world)).batch(step) for rank in range(world)]
        for rank, share in enumerate(shares):
            assert torch.equal(share.images, alone.images[rank::world])
            assert asked(share) == asked(alone)[rank::world]


def test_a_batch_that_cannot_be_shared_evenly() -> None:
    with pytest.raises(TatamiError, match="a batch of 4 cannot be shared evenly by 3") as refused:
        batches(team=Team(0, 3))
    assert "as 3" in refused.value.hint
    with pytest.raises(TatamiError) as refused:
        batches(recipe=replace(RECIPE, batch=1), team=Team(0, 2))
    assert "as 2" in refused.value.hint


def test_sizes_vary_every_ten_steps_until_the_closing_epochs() -> None:
    many = batches(recipe=replace(RECIPE, epochs=100))  # 300 steps, 6 of them closing
    sizes = [many.size_at(step) for step in range(300)]
    for first in range(0, 290, 10):
        assert len(set(sizes[first : first + 10])) == 1
    varied = set(sizes[:290])
    assert min(varied) == Size(64, 64)  # half, rounded to 32
    assert max(varied) == Size(192, 128) or max(varied) == Size(192, 160)
    assert len(varied) > 4
    assert all(size.width % 32 == size.height % 32 == 0 for size in varied)
    assert set(sizes[294:]) == {Size(128, 96)}
    for step in (293, 294):
        batch = many.batch(step)
        wanted = sizes[step]
        assert batch.images.shape == (4, 3, wanted.height, wanted.width)
        assert {tuple(row[1:]) for row in asked(batch)} == {
            (int(step >= 294), wanted.width, wanted.height)
        }


def test_one_scale() -> None:
    one = batches(recipe=replace(RECIPE, multi_scale=0.0))
    assert {one.size_at(step) for step in range(36)} == {SIZE}
    usual = batches(recipe=replace(RECIPE, multi_scale=None))
    assert {usual.size_at(step) for step in range(36)} == {SIZE}


def test_closing_epochs_may_be_none_or_all() -> None:
    none = batches(recipe=replace(RECIPE, closing_epochs=0))
    assert asked(none.batch(35))[0][1] == 0
    every = batches(recipe=replace(RECIPE, closing_epochs=99))
    assert asked(every.batch(0))[0][1:] == [1, 128, 96]


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_numbers_are_those_of_the_picture_rule(channels: str) -> None:
    spec = InputSpec(
        Size(32, 64),
        channels=channels,  # type: ignore[arg-type]
        mean=(123.675, 116.28, 103.53),
        scale=(1 / 58.395, 1 / 57.12, 1 / 57.375),
    )
    canvases = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3), dtype=np.uint8)

    def given(index: int, *_: object) -> tuple[Picture, Boxes]:
        return canvases[index], Boxes.of([], [])

    recipe = replace(RECIPE, size=spec.size, batch=2, multi_scale=0)
    batch = Batches(Examples(2, given), spec, recipe, Team()).batch(0)
    found = sorted(image.numpy().tobytes() for image in batch.images)
    assert found == sorted(normalize(canvas, spec).tobytes() for canvas in canvases)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_an_error_while_drawing_reaches_the_loop() -> None:
    def fail(index: int, *_: object) -> tuple[Picture, Boxes]:
        raise TatamiError("cannot be decoded", hint="remove it", file="a.png")

    failing = Batches(Examples(12, fail), InputSpec(SIZE), RECIPE, Team())
    with pytest.raises(TatamiError, match=r"a\.png"):
        next(failing.from_step(0))


def test_leaving_early_ends_the_threads() -> None:
    import threading

    before = threading.active_count()
    for step, _ in (rows := batches().from_step(0)):
        if step == 2:
            break
    rows.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_sizes_vary_in_cells_of_a_larger_stride() -> None:
    recipe = replace(RECIPE, epochs=100)
    many = Batches(Examples(12, draw), InputSpec(Size(256, 192)), recipe, Team(), cell=64)
    sizes = {many.size_at(step) for step in range(290)}
    assert len(sizes) > 2
    assert all(size.width % 64 == size.height % 64 == 0 for size in sizes)


def test_targets_that_are_numbers_become_one_tensor() -> None:
    def numbered(index: int, size: Size, *_: object) -> tuple[Picture, int]:
        return np.zeros((size.height, size.width, 3), np.uint8), index

    of_numbers = Batches(Examples(12, numbered, stacked), InputSpec(SIZE), RECIPE, Team())
    targets = of_numbers.batch(0).targets
    assert isinstance(targets, torch.Tensor)
    assert (targets.dtype, targets.shape) == (torch.int64, (4,))
