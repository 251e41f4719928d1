"""k-means anchors: planted clusters are found again, and more anchors fit better."""

from pathlib import Path

import numpy as np
import pytest

from tatami.data.anchors import kmeans_anchors
from tatami.data.open import open_dataset
from tatami.errors import TatamiError
from tatami.types import Boxes, Dataset, Sample, Size


def dataset_of(sides: np.ndarray, size: Size = Size(320, 320), crowd: bool = False) -> Dataset:
    """One picture a box, each box at another place."""
    samples = []
    for number, (width, height) in enumerate(sides):
        x, y = number % 7, number % 11
        boxes = Boxes.of([[x, y, x + width, y + height]], [0], crowd=[crowd])
        samples.append(Sample(str(number), Path(str(number)), size, boxes))
    return Dataset(Path("set"), "train", ("thing",), tuple(samples))


PLANTED = ((0.5, 1.0), (2.0, 0.75), (8.0, 2.0), (4.0, 5.0))  # smallest area first


@pytest.mark.parametrize("seed", range(5))
def test_planted_clusters_are_recovered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = np.repeat(np.array(PLANTED), (200, 20, 5, 60), axis=0)
    sides = sizes * 32 * rng.uniform(0.95, 1.05, sizes.shape)
    anchors = kmeans_anchors(dataset_of(sides), Size(320, 320), 4, seed)
    np.testing.assert_allclose(anchors.pairs, PLANTED, rtol=0.03)
    assert anchors.mean_iou > 0.93


def test_mean_iou_is_that_of_the_best_anchor_of_each_box() -> None:
    sides = np.random.default_rng(0).uniform(8, 300, (60, 2))
    anchors = kmeans_anchors(dataset_of(sides), Size(320, 320), 3, 0)
    best = []
    for width, height in sides / 32:
        ious = []
        for w, h in anchors.pairs:
            shared = min(width, w) * min(height, h)
            ious.append(shared / (width * height + w * h - shared))
        best.append(max(ious))
    assert anchors.mean_iou == pytest.approx(np.mean(best), abs=1e-6)


def test_mean_iou_rises_with_the_number_of_anchors() -> None:
    sides = np.random.default_rng(1).uniform(8, 300, (200, 2))
    dataset = dataset_of(sides)
    fits = [kmeans_anchors(dataset, Size(320, 320), k, 0).mean_iou for k in (1, 2, 3, 5, 9)]
    assert fits == sorted(set(fits))


def test_one_anchor_for_each_box_fits_perfectly() -> None:
    sides = np.array([(32, 64), (64, 32), (96, 96)])
    anchors = kmeans_anchors(dataset_of(sides), Size(320, 320), 3, 0)
    np.testing.assert_allclose(anchors.pairs, [(1, 2), (2, 1), (3, 3)])
    assert anchors.mean_iou == pytest.approx(1)


def test_boxes_are_measured_after_letterboxing_in_cells_of_the_stride() -> None:
    dataset = dataset_of(np.array([(64, 32)]), size=Size(640, 320))
    assert kmeans_anchors(dataset, Size(320, 320), 1, 0).pairs == ((1.0, 0.5),)
    assert kmeans_anchors(dataset, Size(320, 320), 1, 0, stride=16).pairs == ((2.0, 1.0),)


def test_the_same_seed_gives_the_same_anchors_smallest_first() -> None:
    sides = np.random.default_rng(2).uniform(8, 300, (100, 2))
    dataset = dataset_of(sides)
    first = kmeans_anchors(dataset, Size(320, 320), 5, 7)
    assert kmeans_anchors(dataset, Size(320, 320), 5, 7) == first
    areas = [width * height for width, height in first.pairs]
    assert areas == sorted(areas)


@pytest.mark.parametrize(
    ("dataset", "count", "reason"),
    [
        (dataset_of(np.array([(32, 64)] * 9)), 2, "1 different box sizes"),
        (dataset_of(np.zeros((0, 2))), 1, "0 different box sizes"),
        (dataset_of(np.array([(32, 64)]), crowd=True), 1, "0 different box sizes"),
        (dataset_of(np.array([(32, 64)])), 0, "0 anchors"),
    ],
)
def test_more_anchors_than_boxes_is_refused(dataset: Dataset, count: int, reason: str) -> None:
    with pytest.raises(TatamiError, match=reason):
        kmeans_anchors(dataset, Size(320, 320), count, 0)


def test_anchors_of_blood_cells(shared_data: Path) -> None:
    """Red cells are round and of one size, platelets small, white cells large."""
    root = shared_data / "detect" / "bccd"
    dataset = open_dataset(root, split="trainval", skip=("degenerate-box",)).dataset
    three = kmeans_anchors(dataset, Size(416, 320), 3, 0)
    assert three.mean_iou > 0.8
    np.testing.assert_allclose(three.pairs, [(0.84, 0.81), (2.16, 2.07), (4.43, 4.0)], atol=0.1)
    assert kmeans_anchors(dataset, Size(416, 320), 5, 0).mean_iou > three.mean_iou
