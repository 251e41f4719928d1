"""The neocognitron: each kind of cell against a loop, growth where all is silent, and digits."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.scratch.neocognitron import (
    QUIET,
    CCells,
    Named,
    Neocognitron,
    SCells,
    bell,
    contrast,
    edge_cells,
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def test_an_s_cell_answers_to_likeness_above_its_threshold() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((1, 2, 5, 6), np.float32)
    cells = SCells(3, 0.8, unit(rng.random((4, 18))))
    found = cells(maps)
    assert found.shape == (1, 4, 5, 6)
    padded = np.pad(maps[0], ((0, 0), (1, 1), (1, 1)))
    for row, column in ((0, 0), (2, 3), (4, 5)):
        seen = padded[:, row : row + 3, column : column + 3].ravel()
        length = float(np.linalg.norm(seen))
        for k, pattern in enumerate(cells.patterns):
            likeness = float(seen @ pattern) / length
            wanted = length * max(likeness - 0.8, 0) / 0.2
            assert found[0, k, row, column] == pytest.approx(wanted, abs=1e-5)


def test_c_cells_add_up_squares_nearby() -> None:
    maps = np.zeros((1, 1, 8, 8), np.float32)
    maps[0, 0, 4, 4] = 3
    found = CCells(5, 2)(maps)
    assert found.shape == (1, 1, 4, 4)
    weights = bell(5)
    assert found[0, 0, 2, 2] == pytest.approx(3 * weights[2])  # sqrt(9 w w)
    assert found[0, 0, 1, 2] == pytest.approx(3 * np.sqrt(weights[0] * weights[2]))
    assert found[0, 0, 0, 0] == 0


def test_cells_are_added_until_none_is_silent() -> None:
    rng = np.random.default_rng(1)
    maps = rng.random((3, 6, 6)).astype(np.float32) * (rng.random((3, 6, 6)) < 0.3)
    cells = SCells(3, 0.6)
    added = cells.add_if_silent(maps)
    assert added == len(cells.patterns) > 3
    assert np.linalg.norm(cells.patterns, axis=1) == pytest.approx(1)
    apart = cells.patterns @ cells.patterns.T - np.eye(added)
    assert apart.max() <= 0.6  # none was added where one answered already
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    strength = np.sqrt(np.square(seen).sum((0, 3, 4)))
    answers = cells(maps[None])[0].max(0)
    assert (answers[strength > QUIET * strength.max()] > 0).all()
    assert cells.add_if_silent(maps) == 0


def test_the_edge_cells_tell_sixteen_orientations() -> None:
    cells = edge_cells(5, 16, 0.4)
    columns = np.arange(21) - 10
    for turn, tilted in ((0, columns[None]), (4, columns[:, None]), (8, -columns[None])):
        picture = np.broadcast_to(np.clip(tilted + 0.5, 0, 1), (21, 21)).astype(np.float32)
        assert cells(contrast(picture[None]))[0, :, 10, 10].argmax() == turn


def test_between_two_vectors_of_a_class_is_the_class() -> None:
    rng = np.random.default_rng(2)
    names = Named(vectors=unit(rng.normal(size=(6, 5))), labels=np.array([0, 0, 0, 1, 1, 1]))
    shares = np.linspace(0, 1, 2001)[:, None]
    for vector in unit(rng.normal(size=(20, 5))):
        for label in (0, 1):
            own = names.vectors[names.labels == label]
            tried = [
                float((unit(shares * one + (1 - shares) * other) @ vector).max())
                for one in own
                for other in own
            ]
            found = names._likest(vector, label)
            assert found.cosine == pytest.approx(max(tried), abs=1e-5)
            mixed = sum(
                share * names.vectors[end]
                for share, end in zip(found.shares, found.ends, strict=True)
            )
            assert float(unit(np.asarray(mixed)) @ vector) == pytest.approx(found.cosine, abs=1e-5)


def test_it_learns_digits_in_one_pass() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    pictures = np.kron(digits.images / 16, np.ones((3, 3)))
    pictures = np.pad(pictures, ((0, 0), (4, 4), (4, 4))).astype(np.float32)
    network = Neocognitron()
    network.learn(pictures[:300], digits.target[:300])
    assert len(network.parts.patterns) > 10
    assert 10 < len(network.names.labels) < 300
    assert np.mean(network(pictures[300:500]) == digits.target[300:500]) > 0.75
