"""The segmentation rule: pixels back to the picture, tiles that say what the whole would."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tatami.errors import TatamiError
from tatami.rules.picture import Placement, normalize, prepare
from tatami.rules.segmentation import (
    ForwardSegmenter,
    average_over_symmetries,
    reflect,
    tile_spans,
    to_picture,
)
from tatami.types import Float32, Forward, InputSpec, Picture, RawMaps, SegmentationSpec, Size

CLASSES = ("a", "b", "c", "d")


def noise(width: int, height: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def spec(size: Size, resize: str = "letterbox") -> SegmentationSpec:
    return SegmentationSpec(CLASSES, InputSpec(size, resize=resize, mean=(100.0, 120.0, 90.0)))


def of_colors(images: Float32) -> RawMaps:
    """Four logits a pixel, of whole numbers so that there are ties: of the colors, and 0."""
    whole = np.round(4 * images)
    return (np.concatenate([whole, np.zeros_like(whole[:, :1])], axis=1),)


def torch_forward(net: nn.Module) -> Forward:
    def forward(images: Float32) -> RawMaps:
        with torch.no_grad():
            return (net(torch.from_numpy(images).double()).numpy(),)

    return forward


def net(padding: int, dilation: int = 1, pool: bool = False) -> nn.Module:
    """Three convolutions that see 3 * dilation pixels to each side, perhaps at half resolution."""
    torch.manual_seed(0)

    def conv(inputs: int, outputs: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, padding=padding * dilation, dilation=dilation)

    layers: list[nn.Module] = [conv(3, 8), nn.ReLU(), conv(8, 8), nn.ReLU()]
    if pool:
        layers = [*layers, nn.MaxPool2d(2), nn.Upsample(scale_factor=2)]
    return nn.Sequential(*layers, conv(8, len(CLASSES))).double().eval()


@given(*[st.integers(1, 40)] * 4, st.integers(0, 9), st.integers(0, 9))
def test_each_pixel_has_the_label_where_its_center_lies(
    w: int, h: int, nw: int, nh: int, left: int, top: int
) -> None:
    labels = np.arange((nh + 20) * (nw + 20)).reshape(nh + 20, nw + 20)
    found = to_picture(labels, Placement(left, top, nw, nh), Size(w, h))
    for y in range(h):
        for x in range(w):
            column = left + floor(Fraction(2 * x + 1, 2) * Fraction(nw, w))
            row = top + floor(Fraction(2 * y + 1, 2) * Fraction(nh, h))
            assert found[y, x] == labels[row, column]


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(20, 12), (7, 31), (64, 3)])
def test_a_whole_picture_by_the_rule_in_loops(resize: str, width: int, height: int) -> None:
    picture, what = noise(width, height), spec(Size(20, 16), resize)
    found = ForwardSegmenter(what, of_colors).segment(picture)
    planes, place = prepare(picture, what.input)
    (logits,) = of_colors(planes[None])
    assert found.shape == (height, width)
    assert found.dtype == np.uint8
    ties = 0
    for y in range(height):
        for x in range(width):
            row = place.top + ((2 * y + 1) * place.height) // (2 * height)
            column = place.left + ((2 * x + 1) * place.width) // (2 * width)
            best = 0
            for k in range(1, 4):
                if logits[0, k, row, column] > logits[0, best, row, column]:
                    best = k
            ties += int((logits[0, :, row, column] == logits[0, best, row, column]).sum() > 1)
            assert found[y, x] == best
    assert ties  # the rule of the first of equal ones was needed


def test_mirrors_are_numpys() -> None:
    for length in (1, 2, 3, 7):
        line = np.arange(length)
        expected = np.pad(line, (9, 11), "reflect") if length > 1 else np.zeros(21, int)
        np.testing.assert_array_equal(line[reflect(np.arange(-9, length + 11), length)], expected)


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 19))
def test_tiles_take_every_pixel_once_and_away_from_their_edges(
    length: int, answer: int, overlap: int
) -> None:
    if 2 * overlap >= answer:
        return
    found = tile_spans(length, answer, overlap)
    assert [start for _, start, _ in found] == [0, *(stop for _, _, stop in found[:-1])]
    assert found[-1][2] == length
    for at, (begin, start, stop) in enumerate(found):
        assert start < stop
        assert start - begin >= (overlap if at else 0)
        assert begin + answer - stop >= (overlap if at < len(found) - 1 else 0) or length < answer
    if length >= answer:
        assert found[-1][0] == length - answer


@pytest.mark.parametrize(("width", "height"), [(48, 32), (17, 40), (33, 33), (5, 3)])
def test_tiles_of_valid_convolutions_say_what_the_mirrored_whole_says(
    width: int, height: int
) -> None:
    valid = net(padding=0, dilation=2)  # sees 6 pixels to each side
    picture, what = noise(width, height), spec(Size(28, 24))
    found = ForwardSegmenter(what, torch_forward(valid), overlap=0).segment(picture)
    around = ((6, 6), (6, 6), (0, 0))
    whole = normalize(np.pad(picture, around, "reflect"), what.input)
    (logits,) = torch_forward(valid)(whole[None])
    np.testing.assert_array_equal(found, logits[0].argmax(axis=0))


def test_padded_tiles_say_what_the_whole_says_where_they_overlap_enough() -> None:
    padded = net(padding=1, pool=True)  # sees 4 pixels to each side, at most, in cells of 2
    picture, what = noise(64, 52), spec(Size(24, 20))
    whole = normalize(picture, what.input)
    (logits,) = torch_forward(padded)(whole[None])
    expected = logits[0].argmax(axis=0)
    forward = torch_forward(padded)
    found = ForwardSegmenter(what, forward, overlap=4).segment(picture)
    np.testing.assert_array_equal(found, expected)
    short = ForwardSegmenter(what, forward, overlap=0).segment(picture)
    assert (short != expected).any()  # so the overlap was needed


def test_a_valid_network_answers_for_a_whole_resized_picture() -> None:
    valid = net(padding=0)
    picture, what = noise(50, 37), spec(Size(30, 22), "stretch")
    found = ForwardSegmenter(what, torch_forward(valid)).segment(picture)
    planes, place = prepare(picture, what.input)
    mirrored_planes = np.pad(planes, ((0, 0), (3, 3), (3, 3)), "reflect")
    (logits,) = torch_forward(valid)(mirrored_planes[None])
    expected = to_picture(logits[0].argmax(axis=0), place, Size(50, 37))
    np.testing.assert_array_equal(found, expected)
    told = ForwardSegmenter(what, torch_forward(valid), answer=Size(24, 16)).segment(picture)
    np.testing.assert_array_equal(told, expected)


@pytest.mark.parametrize("size", [Size(12, 12), Size(16, 12)], ids=str)
def test_over_turns_is_the_mean_of_what_is_said_of_every_turn(size: Size) -> None:
    forward = torch_forward(net(padding=1))
    images = np.random.default_rng(0).random((2, 3, size.height, size.width), np.float32)
    found = [torch.from_numpy(images).double()]
    if size.width == size.height:
        found.append(found[0].transpose(2, 3))
    found = [f.flip(axes) for f in found for axes in ((), (2,), (3,), (2, 3))]
    said = [torch.from_numpy(forward(f.numpy())[0]).softmax(1) for f in found]
    back = [s.flip(axes) for s, axes in zip(said, ((), (2,), (3,), (2, 3)) * 2, strict=False)]
    back = [b if at < 4 else b.transpose(2, 3) for at, b in enumerate(back)]
    (mean,) = average_over_symmetries(forward)(images)
    np.testing.assert_allclose(mean, torch.stack(back).mean(0), rtol=0, atol=1e-6)

    (again,) = average_over_symmetries(forward)(np.ascontiguousarray(images[..., ::-1]))
    np.testing.assert_allclose(again[..., ::-1], mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("overlap", [-1, 8])
def test_an_overlap_that_leaves_nothing(overlap: int) -> None:
    segmenter = ForwardSegmenter(spec(Size(20, 16)), of_colors, overlap=overlap)
    with pytest.raises(TatamiError, match="leaves nothing"):
        segmenter.segment(noise(30, 30))


def test_another_output_is_refused() -> None:
    segmenter = ForwardSegmenter(spec(Size(20, 16)), lambda images: (images,))
    with pytest.raises(TatamiError, match="one map for each of 4 classes"):
        segmenter.segment(noise(30, 30))
