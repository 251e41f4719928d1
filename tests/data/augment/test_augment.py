"""Augmentation: boxes go where the pixels go, and nothing varied is the picture rule."""

import colorsys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from tatami.data.augment import Augmentation, augmented
from tatami.data.augment import augmentation as augment
from tatami.data.augment.affine import quarter_turned
from tatami.errors import TatamiError
from tatami.rules.boxes import iou_xyxy
from tatami.rules.picture import letterbox, placement
from tatami.types import Boxes, Dataset, InputSpec, Picture, Sample, Size

GREY = (90, 90, 90)
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
NOTHING = Augmentation.none()
seeds = st.integers(0, 2**32 - 1)


def dataset_of(*samples: Sample) -> Dataset:
    return Dataset(Path("set"), "train", tuple("abcd"), samples)


def one_rectangle(number: int, size: Size, xyxy: tuple[int, int, int, int]) -> Sample:
    return Sample(str(number), Path(str(number)), size, Boxes.of([xyxy], [number]))


def painted(sample: Sample) -> Picture:
    """A gray picture with each box filled with its label's color."""
    picture: Picture = np.full((sample.size.height, sample.size.width, 3), GREY, np.uint8)
    for (x1, y1, x2, y2), label in zip(
        sample.boxes.xyxy.astype(int), sample.boxes.labels, strict=True
    ):
        picture[y1:y2, x1:x2] = COLORS[label]
    return picture


def noise(sample: Sample) -> Picture:
    rng = np.random.default_rng(int(sample.id))
    return rng.integers(0, 256, (sample.size.height, sample.size.width, 3), dtype=np.uint8)


FOUR = dataset_of(
    one_rectangle(0, Size(160, 120), (20, 30, 90, 100)),
    one_rectangle(1, Size(120, 160), (0, 0, 60, 50)),
    one_rectangle(2, Size(333, 77), (100, 10, 300, 70)),
    one_rectangle(3, Size(64, 64), (10, 5, 60, 60)),
)


def extent(canvas: Picture, label: int) -> tuple[float, float, float, float] | None:
    """Where a color is at least half of what is seen, to a fraction of a pixel by its blend."""
    color = np.array(COLORS[label], float)
    away = np.array(GREY, float)
    share = ((canvas - away) @ (color - away)) / ((color - away) @ (color - away))
    other = np.abs(canvas - (away + share[..., None] * (color - away))).max(axis=2) > 8
    solid = (share > 0.5) & ~other
    if not solid.any():
        return None
    x, y = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    return float(x[0]), float(y[0]), float(x[-1] + 1), float(y[-1] + 1)


GEOMETRY = {
    "flip": replace(NOTHING, flip=1.0),
    "scale": replace(NOTHING, scale=(0.5, 2.0)),
    "aspect": replace(NOTHING, aspect=1.8),
    "translate": replace(NOTHING, translate=0.4),
    "all": replace(NOTHING, flip=0.5, scale=(0.4, 2.5), aspect=1.5, translate=0.3),
    "mosaic": replace(NOTHING, mosaic=1.0),
    "mosaic-all": replace(NOTHING, mosaic=1.0, mosaic_scale=(0.4, 1.6), flip=0.5, aspect=1.5),
}


@pytest.mark.parametrize("options", GEOMETRY.values(), ids=GEOMETRY.keys())
@settings(max_examples=40)
@given(seed=seeds, index=st.integers(0, 3))
def test_a_box_still_bounds_its_rectangle(options: Augmentation, seed: int, index: int) -> None:
    """Every color seen is bounded by a box within a pixel, and every box bounds its color."""
    size = Size(192, 160)
    options = replace(options, pad=GREY[0], min_visible=0.0)
    read: list[int] = []

    def load(sample: Sample) -> Picture:
        read.append(int(sample.id))
        return painted(sample)

    canvas, boxes = augmented(FOUR, index, size, options, np.random.default_rng(seed), load)
    assert canvas.shape == (160, 192, 3)
    assert canvas.dtype == np.uint8
    assert set(boxes.labels.tolist()) <= set(read)
    for label in range(4):
        if read.count(label) > 1:
            continue  # a mosaic may draw a sample twice; its color then has two places
        found = extent(canvas, label)
        mine = boxes.xyxy[boxes.labels == label]
        if len(mine):
            assert found is not None
            assert np.abs(mine - np.array(found)).max() <= 1
        else:  # only what is under 2 pixels wide or high may be without a box
            assert found is None or min(found[2] - found[0], found[3] - found[1]) <= 3


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("size", [Size(96, 64), Size(64, 64), Size(160, 224)])
def test_none_is_the_picture_rule(index: int, size: Size) -> None:
    sample = FOUR.samples[index]
    canvas, boxes = augmented(
        FOUR, index, size, Augmentation.none(pad=3), np.random.default_rng(0), noise
    )
    spec = InputSpec(size, pad=3)
    assert_array_equal(canvas, letterbox(noise(sample), spec))
    expected = placement(sample.size, spec).to_canvas(sample.boxes.xyxy, sample.size)
    np.testing.assert_allclose(boxes.xyxy, expected, rtol=1e-12)
    assert_array_equal(boxes.labels, sample.boxes.labels)


@pytest.mark.parametrize("index", range(4))
def test_flip_alone_mirrors_pixels_and_boxes(index: int) -> None:
    sample, size = FOUR.samples[index], Size(96, 64)
    rng = np.random.default_rng(0)
    canvas, boxes = augmented(FOUR, index, size, GEOMETRY["flip"], rng, noise)
    spec = InputSpec(size)
    place = placement(sample.size, spec)
    straight = letterbox(noise(sample), spec)
    inside = slice(place.left, place.left + place.width)
    assert_array_equal(canvas[:, inside], straight[:, inside][:, ::-1])
    x1, _, x2, _ = place.to_canvas(sample.boxes.xyxy, sample.size)[0]
    middle = 2 * place.left + place.width
    np.testing.assert_allclose(boxes.xyxy[0, [0, 2]], [middle - x2, middle - x1])


@settings(max_examples=40)
@given(seed=seeds, index=st.integers(0, 3))
def test_pixels_are_those_of_the_whole_picture_resized(seed: int, index: int) -> None:
    """Only what is seen is computed; it must not differ from resizing all and cutting then."""
    size, options = Size(96, 64), GEOMETRY["all"]
    sample = FOUR.samples[index]
    canvas, boxes = augmented(
        FOUR, index, size, replace(options, min_visible=0), np.random.default_rng(seed), noise
    )
    # the box of the whole picture, sent through the same draws, says where it was placed
    whole = replace(sample, boxes=Boxes.of([[-9999, -9999, 9999, 9999]], [0]))
    seen = augmented(
        dataset_of(whole),
        0,
        size,
        replace(options, min_visible=0),
        np.random.default_rng(seed),
        noise,
    )[1].xyxy
    if not len(seen):
        assert (canvas == options.pad).all()
        return
    rng = np.random.default_rng(seed)
    rng.random()
    fit = placement(sample.size, InputSpec(size))
    factor = 0.4 * (2.5 / 0.4) ** rng.random()
    stretch = (1.5 ** (2 * rng.random() - 1)) ** 0.5
    width = max(1, round(fit.width * factor * stretch))
    height = max(1, round(fit.height * factor / stretch))
    shift = rng.uniform(-0.3, 0.3, 2)
    left = (size.width - width) // 2 + round(shift[0] * size.width)
    top = (size.height - height) // 2 + round(shift[1] * size.height)
    mirrored = rng.random() < 0.5
    resized = np.asarray(
        Image.fromarray(noise(sample)).resize((width, height), Image.Resampling.BILINEAR)
    )
    if mirrored:
        resized = resized[:, ::-1]
    expected = np.full((size.height, size.width, 3), options.pad, np.uint8)
    x1, y1, x2, y2 = seen[0].astype(int)
    expected[y1:y2, x1:x2] = resized[y1 - top : y2 - top, x1 - left : x2 - left]
    assert np.abs(canvas.astype(int) - expected).max() <= 2
    assert len(boxes) <= 1


def test_a_box_cut_away_is_dropped_and_marks_travel() -> None:
    marks = Boxes.of(
        [[0, 0, 40, 40], [80, 0, 100, 40], [0, 60, 100, 100]],
        [0, 1, 2],
        difficult=[True, False, False],
        crowd=[False, False, True],
        areas=[800, 600, 2000],  # half a box, three quarters, half
    )
    dataset = dataset_of(Sample("0", Path("0"), Size(100, 100), marks))
    options = replace(NOTHING, scale=(2.0, 2.0), min_visible=0.5)
    canvas, boxes = augmented(
        dataset, 0, Size(100, 100), options, np.random.default_rng(0), painted
    )
    # scaled by 2 about the center: the canvas shows the picture's 25 to 75
    assert_array_equal(boxes.xyxy, np.zeros((0, 4)))
    options = replace(options, min_visible=0.1)
    canvas, boxes = augmented(
        dataset, 0, Size(100, 100), options, np.random.default_rng(0), painted
    )
    assert_array_equal(boxes.xyxy, [[0, 0, 30, 30], [0, 70, 100, 100]])
    assert_array_equal(boxes.labels, [0, 2])
    assert_array_equal(boxes.difficult, [True, False])
    assert_array_equal(boxes.crowd, [False, True])
    np.testing.assert_allclose(boxes.areas, [450, 1500])  # the same share of the box as before
    assert canvas[:29, :29].tolist() == [[list(COLORS[0])] * 29] * 29


def test_a_box_under_two_pixels_is_dropped() -> None:
    dataset = dataset_of(one_rectangle(0, Size(640, 640), (0, 0, 60, 12)))
    rng = np.random.default_rng(0)
    assert len(augmented(dataset, 0, Size(64, 64), NOTHING, rng, painted)[1]) == 0
    assert len(augmented(dataset, 0, Size(128, 128), NOTHING, rng, painted)[1]) == 1


def test_a_sample_without_boxes() -> None:
    dataset = dataset_of(Sample("0", Path("0"), Size(50, 40), Boxes.of([], [])))
    for options in (NOTHING, Augmentation(mosaic=0), Augmentation(mosaic=1)):
        canvas, boxes = augmented(
            dataset, 0, Size(64, 64), options, np.random.default_rng(0), painted
        )
        assert boxes.xyxy.shape == (0, 4)
        assert canvas.shape == (64, 64, 3)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_the_same_rng_gives_the_same_bytes(mosaic: float) -> None:
    def draw(seed: int) -> tuple[Picture, Boxes]:
        options = Augmentation(mosaic=mosaic)
        return augmented(FOUR, 1, Size(96, 64), options, np.random.default_rng(seed), noise)

    (canvas, boxes), (again, boxes_again) = draw(5), draw(5)
    assert_array_equal(canvas, again)
    assert_array_equal(boxes.xyxy, boxes_again.xyxy)
    assert (draw(6)[0] != canvas).any()


def test_mosaic_shows_four_pictures_and_reads_each_once() -> None:
    read: list[str] = []

    def load(sample: Sample) -> Picture:
        read.append(sample.id)
        return painted(sample)

    options = replace(NOTHING, mosaic=1.0)
    augmented(FOUR, 2, Size(96, 64), options, np.random.default_rng(1), load)
    assert len(read) == 4
    assert read[0] == "2"


def test_a_shared_picture_is_not_written_to() -> None:
    """The caller may keep pictures in a cache and mark them read-only."""
    picture = noise(FOUR.samples[0])
    picture.flags.writeable = False
    for options in (NOTHING, Augmentation(mosaic=0), Augmentation(mosaic=1)):
        canvas, _ = augmented(
            dataset_of(FOUR.samples[0]),
            0,
            Size(160, 120),
            options,
            np.random.default_rng(0),
            lambda sample: picture,
        )
        canvas[:] = 0
    assert_array_equal(picture, noise(FOUR.samples[0]))


color = st.tuples(*[st.floats(0, 1, width=32)] * 3)


@given(
    st.lists(color, min_size=1, max_size=8),
    st.floats(-0.5, 0.5),
    st.floats(0.2, 4),
    st.floats(0.2, 4),
)
def test_colors_are_distorted_in_hsv(
    rgb: list[tuple[float, float, float]], hue: float, saturation: float, exposure: float
) -> None:
    distorted = augment._distorted(np.array(rgb, np.float32), hue, saturation, exposure)
    for before, after in zip(rgb, distorted, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb((h + hue) % 1, min(1, s * saturation), min(1, v * exposure))
        np.testing.assert_allclose(after, expected, atol=1e-4)


def test_color_keeps_the_padding_and_the_boxes() -> None:
    """The pad is a fixed gray at inference, so training must show that very gray."""
    sample = one_rectangle(0, Size(100, 50), (10, 10, 60, 40))
    rng = np.random.default_rng(0)
    options = replace(NOTHING, hue=0.3, saturation=2.0, exposure=2.0)
    canvas, boxes = augmented(dataset_of(sample), 0, Size(100, 100), options, rng, painted)
    assert (canvas[:25] == 128).all()
    assert (canvas[75:] == 128).all()
    assert_array_equal(boxes.xyxy, [[10, 35, 60, 65]])
    inside = canvas[36:64, 11:59].reshape(-1, 3)
    assert (inside == inside[0]).all()
    assert (inside[0] != COLORS[0]).any()


wrong: list[tuple[str, Callable[[], Augmentation]]] = [
    ("flip", lambda: Augmentation(flip=1.5)),
    ("translate", lambda: Augmentation(translate=float("nan"))),
    ("aspect", lambda: Augmentation(aspect=0.5)),
    ("scale", lambda: Augmentation(scale=(1.5, 0.5))),
    ("mosaic_scale", lambda: Augmentation(mosaic_scale=(0.0, 0.5))),
    ("pad", lambda: Augmentation(pad=256)),
    ("rotate", lambda: Augmentation(rotate=181)),
    ("quarter", lambda: Augmentation(quarter=1.5)),
    ("elastic", lambda: Augmentation(elastic=2)),
    ("noise", lambda: Augmentation(noise=-1)),
    ("occlusion", lambda: Augmentation(occlusion=2)),
    ("occlusion_size", lambda: Augmentation(occlusion_size=(0.0, 0.1))),
]


@pytest.mark.parametrize(("name", "build"), wrong, ids=[name for name, _ in wrong])
def test_impossible_options_are_refused(name: str, build: Callable[[], Augmentation]) -> None:
    with pytest.raises(TatamiError, match=name):
        build()


@pytest.mark.parametrize("seed", range(4))
def test_the_color_table_is_the_distortion_of_each_pixel(seed: int) -> None:
    """Between its nodes the table is interpolated, so a pixel may be off; most are hardly."""
    options = replace(NOTHING, hue=0.3, saturation=1.5, exposure=1.5)
    table = augment._color_table(options, np.random.default_rng(seed))
    assert table is not None
    rng = np.random.default_rng(seed)
    hue = rng.uniform(-0.3, 0.3)
    saturation, exposure = (1.5 ** (2 * rng.random() - 1) for _ in range(2))
    pixels = noise(one_rectangle(seed, Size(50, 40), (0, 0, 1, 1)))
    colors = (pixels.reshape(-1, 3) / 255).astype(np.float32)
    expected = 255 * augment._distorted(colors, hue, saturation, exposure)
    seen = np.asarray(Image.fromarray(pixels).filter(table)).reshape(-1, 3)
    assert np.abs(seen - expected).mean() < 2
    assert np.abs(seen - expected).max() < 40


PATCHES = {
    "crop": replace(NOTHING, crop=1.0),
    "expand": replace(NOTHING, expand=1.0),
    "both": replace(NOTHING, crop=1.0, expand=0.5, flip=0.5),
    "turned": replace(NOTHING, crop=1.0, expand=0.5, flip=0.5, rotate=20.0),
    "quarters": replace(NOTHING, crop=0.5, expand=0.5, flip=0.5, quarter=0.75),
}


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize("name", PATCHES)
@settings(max_examples=30)
@given(seed=seeds, index=st.integers(0, 3))
def test_a_patch_keeps_what_has_its_center_in_it(
    name: str, resize: augment.Resizing, seed: int, index: int
) -> None:
    """And a box that is kept bounds its color within a pixel."""
    size, sample = Size(192, 160), FOUR.samples[index]
    options = replace(PATCHES[name], pad=GREY[0])
    rng = np.random.default_rng(seed)
    canvas, boxes = augmented(FOUR, index, size, options, rng, painted, resize)
    assert canvas.shape == (160, 192, 3)
    if len(boxes) and not options.rotate:
        found = extent(canvas, index)
        assert found is not None
        assert np.abs(boxes.xyxy[0] - np.array(found)).max() <= 1

    rng = np.random.default_rng(seed)
    rng.random()  # whether it becomes a mosaic
    window = augment.Area(0, 0, size.width, size.height)
    move = augment._drawn_transform(sample.size, sample.boxes, size, window, options, resize, rng)
    x1, y1, x2, y2 = quarter_turned(sample.boxes, move.source, move.quarters).xyxy[0]
    x, y = move.matrix @ ((x1 + x2) / 2, (y1 + y2) / 2, 1)
    seen = move.visible
    if not (seen.left <= x < seen.right and seen.top <= y < seen.bottom):
        assert len(boxes) == 0
    elif not options.rotate:
        corners = move.matrix @ np.array([[x1, x2], [y1, y2], [1, 1]])
        across = np.ptp(np.clip(corners[0], seen.left, seen.right))
        down = np.ptp(np.clip(corners[1], seen.top, seen.bottom))
        assert len(boxes) == (min(across, down) >= 2)


def test_patches_are_as_large_and_overlap_as_much_as_the_paper_has_it() -> None:
    whole = np.array([-30.0, -10.0, 90.0, 50.0])
    boxes = Boxes.of([[0, 0, 20, 20], [-25, -8, 85, 47]], [0, 1])
    for least in augment.OVERLAPS[1:]:
        assert least is not None
        found = [
            augment._overlapping(whole, boxes, least, np.random.default_rng(seed))
            for seed in range(100)
        ]
        met = np.array([patch for patch in found if patch is not None])
        assert len(met) > (10 if least > 0.3 else 90)
        assert (met[:, :2] >= whole[:2] - 1e-9).all()
        assert (met[:, 2:] <= whole[2:] + 1e-9).all()
        shares = (met[:, 2:] - met[:, :2]) / (whole[2:] - whole[:2])
        scale = np.sqrt(shares.prod(axis=1))
        assert (scale >= 0.1).all()
        assert (scale <= 1 + 1e-9).all()
        ratio = shares[:, 0] / shares[:, 1]
        assert (ratio >= 0.5 - 1e-9).all()
        assert (ratio <= 2 + 1e-9).all()
        assert np.ptp(ratio) > 0.2
        assert (iou_xyxy(met, boxes.xyxy).max(axis=1) >= least).all()


def test_each_overlap_is_as_likely() -> None:
    whole, box = np.array([0.0, 0.0, 100.0, 100.0]), Boxes.of([[20, 20, 70, 80]], [0])
    patches = [augment._cropped(whole, box, np.random.default_rng(seed)) for seed in range(700)]
    overlaps = np.array([iou_xyxy(patch[None], box.xyxy)[0, 0] for patch in patches])
    alls = sum((patch == whole).all() for patch in patches)
    assert 70 < alls < 180  # a seventh, and more where 0.9 is not met
    assert 10 < (overlaps >= 0.7).sum() < 250
    assert (overlaps < 0.1).sum() < 100  # of any patch alone

    tiny = Boxes.of([[50, 50, 51, 51]], [0])  # which no patch overlaps by 0.1: all, or any
    patches = [augment._cropped(whole, tiny, np.random.default_rng(seed)) for seed in range(200)]
    assert 70 < sum((patch == whole).all() for patch in patches) < 130


def test_a_picture_without_objects_is_cropped_too() -> None:
    dataset = dataset_of(Sample("0", Path("0"), Size(50, 40), Boxes.of([], [])))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        canvas, boxes = augmented(dataset, 0, Size(64, 64), PATCHES["both"], rng, noise)
        assert canvas.shape == (64, 64, 3)
        assert len(boxes) == 0


def test_zooming_out_shows_all_of_the_picture_up_to_four_times_smaller() -> None:
    size, window = Size(400, 300), augment.Area(0, 0, 400, 300)
    shares = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        move = augment._drawn_transform(
            Size(80, 60), Boxes.of([], []), size, window, PATCHES["expand"], "stretch", rng
        )
        assert move.placed.cut(window) == move.placed
        shares.append(move.placed.width / size.width)
        assert move.placed.height / size.height == pytest.approx(shares[-1], abs=0.01)
    assert 0.24 < min(shares) < 0.27
    assert 0.9 < max(shares) <= 1


def test_a_stretched_picture_fills_the_canvas() -> None:
    for index, sample in enumerate(FOUR.samples):
        rng, size = np.random.default_rng(0), Size(96, 64)
        canvas, boxes = augmented(FOUR, index, size, NOTHING, rng, noise, "stretch")
        spec = InputSpec(size, resize="stretch")
        assert_array_equal(canvas, letterbox(noise(sample), spec))
        expected = placement(sample.size, spec).to_canvas(sample.boxes.xyxy, sample.size)
        np.testing.assert_allclose(boxes.xyxy, expected, rtol=1e-12)


def test_brightness_adds_to_every_pixel() -> None:
    sample, seen = FOUR.samples[0], set()
    for seed in range(20):
        rng, options = np.random.default_rng(seed), replace(NOTHING, brightness=40.0)
        canvas, _ = augmented(FOUR, 0, sample.size, options, rng, painted)
        added = canvas.astype(int) - painted(sample)
        inner = added[5:25, 5:]  # gray 90: nothing is cut off at 0 or 255
        assert np.ptp(inner) <= 1
        assert abs(inner).max() <= 41
        seen.add(int(inner.mean()))
    assert len(seen) > 10


def test_what_is_not_used_draws_nothing() -> None:
    rng, counted = np.random.default_rng(3), np.random.default_rng(3)
    augmented(FOUR, 0, Size(96, 64), NOTHING, rng, painted)
    counted.random(9)  # mosaic, scale, aspect, a shift of two, flip, three of color
    assert rng.random() == counted.random()
