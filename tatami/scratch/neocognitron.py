"""The neocognitron: layers of cells that grow where nothing answers, without backpropagation.

Pictures pass an extraction of contrast, then S-cells, which answer to a pattern, and C-cells, which
answer wherever nearby S-cells do, twice in turn, and at last the nearest of known vectors. The
first S-cells know straight edges; those of the second layer are added where all that are there are
silent; the last ones are the ends of segments between which they interpolate.

    picture    (n, rows, columns), 0 to 1
    contrast   (n, 2, rows, columns)              brighter and darker than around
    edges      S (n, 16, rows, columns)           C (n, 16, rows / 2, columns / 2)
    parts      S (n, k, rows / 2, columns / 2)    C (n, k, rows / 4, columns / 4)
    names      the last C-cells as a vector of length 1, and the class that is likest

Source:
    K. Fukushima, "Neocognitron", Biological Cybernetics 36, 1980; "Neocognitron for handwritten
    digit recognition", Neurocomputing 51, 2003; "Training multi-layered neural network
    neocognitron", Neural Networks 40, 2013: add-if-silent and interpolating vectors. The sizes of
    layers are ours, and there is one layer of added cells where the papers have two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tatami.types import Float32, Int64

QUIET = 0.1
"""A window whose strength is less than this share of its map's largest is taken as empty."""
BATCH = 100
"""Pictures that pass the layers at once."""
PULL = 0.1
"""How far a vector is drawn towards what it named rightly, as a part of its share in the answer."""


# S-cells and C-cells -----------------------------------------------------------------------------


def windows(maps: Float32, side: int) -> Float32:
    """Lay out what each place of maps sees.

    Args:
        maps: (n, c, rows, columns).
        side: Of the square window, odd; beyond the edge there is nothing.

    Returns:
        (n, rows, columns, c * side * side).
    """
    n, channels, rows, columns = maps.shape
    edge = side // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    seen = sliding_window_view(padded, (side, side), axis=(2, 3))
    return seen.transpose(0, 2, 3, 1, 4, 5).reshape(n, rows, columns, channels * side * side)


@dataclass
class SCells:
    """Planes of S-cells: each plane answers to one pattern, wherever it stands.

    Args:
        side: Of the window that a cell sees.
        threshold: The least likeness, a cosine, that a cell answers to.
        patterns: (k, c * side * side), each of length 1.
    """

    side: int
    threshold: float
    patterns: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __call__(self, maps: Float32) -> Float32:
        """Answer to maps (n, c, rows, columns): (n, k, rows, columns).

        A cell's answer is the strength of what it sees times the likeness to its pattern above the
        threshold: what excites it, less what inhibits it.
        """
        seen = windows(maps, self.side)
        excited = seen @ self.patterns.T
        strength = np.linalg.norm(seen, axis=-1, keepdims=True)
        found = np.maximum(excited - self.threshold * strength, 0) / (1 - self.threshold)
        return np.ascontiguousarray(found.transpose(0, 3, 1, 2), np.float32)

    def add_if_silent(self, maps: Float32) -> int:
        """Add a plane wherever something is seen and every cell is silent, the strongest first.

        Args:
            maps: Of one picture, (c, rows, columns).

        Returns:
            How many planes were added.
        """
        seen = windows(maps[None], self.side).reshape(-1, len(maps) * self.side**2)
        strength = np.linalg.norm(seen, axis=1)
        patterns = seen / np.maximum(strength, 1e-12)[:, None]
        waiting = strength > QUIET * max(float(strength.max()), 1e-12)
        if len(self.patterns):
            waiting &= (patterns @ self.patterns.T).max(1) <= self.threshold
        added: list[Float32] = []
        while waiting.any():
            new = patterns[np.where(waiting, strength, -1).argmax()]
            added.append(new)
            waiting &= patterns @ new <= self.threshold
        if added:
            known = [self.patterns] if len(self.patterns) else []
            self.patterns = np.concatenate([*known, np.stack(added)])
        return len(added)


@dataclass(frozen=True)
class CCells:
    """C-cells: the root of the weighted mean square of S-cells nearby, each ``stride`` places.

    Args:
        side: Of the window that a cell sees.
        stride: Places from cell to cell.
    """

    side: int
    stride: int

    def __call__(self, maps: Float32) -> Float32:
        """Answer to maps (n, k, rows, columns): (n, k, rows / stride, columns / stride)."""
        kept = blurred(np.square(maps), self.side)[..., :: self.stride, :: self.stride]
        return np.asarray(np.sqrt(kept), np.float32)


def bell(side: int) -> Float32:
    """Give the weights of a Gaussian window (side,), whose sum is 1."""
    places = np.arange(side) - side // 2
    weights = np.exp(-0.5 * np.square(places / (side / 4)))
    return np.asarray(weights / weights.sum(), np.float32)


# The first layers, which nobody teaches ----------------------------------------------------------


def contrast(pictures: Float32) -> Float32:
    """Tell what is brighter and what is darker than around: (n, rows, columns) to (n, 2, ...)."""
    difference = blurred(pictures, 3) - blurred(pictures, 7)
    both = np.stack([np.maximum(difference, 0), np.maximum(-difference, 0)], axis=1)
    return both.astype(np.float32)


def blurred(maps: Float32, side: int) -> Float32:
    """Blur maps (..., rows, columns) by a Gaussian window."""
    found = maps
    for axis in (-2, -1):
        around = [(0, 0)] * maps.ndim
        around[axis] = (side // 2, side // 2)
        found = sliding_window_view(np.pad(found, around), side, axis=axis) @ bell(side)
    return found


def edge_cells(side: int, orientations: int, threshold: float) -> SCells:
    """Make the S-cells of straight edges, by showing them one edge of each orientation.

    Args:
        side: Of the window.
        orientations: Of them; opposite ones differ in which side is bright.
        threshold: The least likeness.
    """
    rows, columns = np.mgrid[-10:11, -10:11]
    patterns = []
    for turn in 2 * math.pi * np.arange(orientations) / orientations:
        across = columns * math.cos(turn) + rows * math.sin(turn)
        picture = np.clip(across + 0.5, 0, 1).astype(np.float32)
        seen = windows(contrast(picture[None]), side)[0, 10, 10]
        patterns.append(seen / np.linalg.norm(seen))
    return SCells(side, threshold, np.stack(patterns).astype(np.float32))


# The last layer: vectors with names --------------------------------------------------------------


@dataclass
class Named:
    """Vectors, each of a class; what lies between two of one class is of it, too.

    Args:
        interpolating: Whether it is; otherwise the nearest vector alone decides.
        margin: A vector is taken in where its class is not likelier than all others by this much.
        vectors: (m, d), each of length 1.
        labels: (m,).
    """

    interpolating: bool = True
    margin: float = 0.04
    vectors: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    labels: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def __call__(self, vectors: Float32) -> Int64:
        """Name vectors (n, d): labels (n,)."""
        classes = np.unique(self.labels)
        found = [[self._likest(vector, label).cosine for label in classes] for vector in vectors]
        return np.asarray(classes[np.argmax(found, axis=1)], np.int64)

    def learn(self, vectors: Float32, labels: Int64) -> None:
        """Take in what is not named rightly by a margin; draw towards the rest what names it.

        Args:
            vectors: (n, d), each of length 1, shown once in this order.
            labels: (n,).
        """
        for vector, label in zip(vectors, labels.tolist(), strict=True):
            found = {one: self._likest(vector, one) for one in np.unique(self.labels).tolist()}
            own = found.pop(label, None)
            rivals = [one.cosine for one in found.values()]
            if own is not None and own.cosine > max(rivals, default=-1.0) + self.margin:
                for place, share in zip(own.ends, own.shares, strict=True):
                    moved = self.vectors[place] + PULL * share * vector
                    self.vectors[place] = moved / np.linalg.norm(moved)
                continue
            known = [self.vectors] if len(self.vectors) else []
            self.vectors = np.concatenate([*known, vector[None]])
            self.labels = np.append(self.labels, label)

    def _likest(self, vector: Float32, label: int) -> _Point:
        """Find the point of a class that is likest to a vector (d,), on a segment or at an end.

        The likest mixture p X + q Y of two ends is the vector's projection on their plane, which
        lies between them where p and q are positive.
        """
        places = np.flatnonzero(self.labels == label)
        own = self.vectors[places]
        s = own @ vector
        best = int(s.argmax())
        nearest = _Point(float(s[best]), (int(places[best]),), (1.0,))
        if not self.interpolating or len(own) == 1:
            return nearest
        between = own @ own.T
        p = (s[:, None] - between * s) / np.maximum(1 - np.square(between), 1e-6)
        squared = np.where((p > 0) & (p.T > 0), p * s[:, None] + p.T * s, 0)
        i, j = divmod(int(squared.argmax()), len(own))
        cosine = math.sqrt(squared[i, j])
        if not squared[i, j] or cosine <= nearest.cosine:
            return nearest
        ends = int(places[i]), int(places[j])
        return _Point(cosine, ends, (float(p[i, j]), float(p[j, i])))


@dataclass(frozen=True)
class _Point:
    """A point of a class: its likeness to a vector, its ends among all vectors, their shares."""

    cosine: float
    ends: tuple[int, ...]
    shares: tuple[float, ...]


# The whole ---------------------------------------------------------------------------------------


class Neocognitron:
    """Name pictures of one size, after being shown some.

    Args:
        edges: The first S-cells.
        parts: The second, which are added.
        names: The last layer.

    Attributes:
        pools: The C-cells behind each.
    """

    def __init__(
        self,
        edges: SCells | None = None,
        parts: SCells | None = None,
        names: Named | None = None,
    ) -> None:
        self.edges = edges or edge_cells(side=5, orientations=16, threshold=0.4)
        self.parts = parts or SCells(side=3, threshold=0.68)
        self.names = names or Named()
        self.pools = CCells(5, 2), CCells(5, 2)

    def learn(self, pictures: Float32, labels: Int64) -> None:
        """Learn layer by layer, each from what the one before answers, each picture shown once.

        Args:
            pictures: (n, rows, columns), 0 to 1.
            labels: (n,).
        """
        for batch in _batches(pictures):
            for maps in self._edges(batch):
                self.parts.add_if_silent(maps)
        self.names.learn(self.vectors(pictures), labels)

    def vectors(self, pictures: Float32) -> Float32:
        """Describe pictures (n, rows, columns) by the last C-cells: (n, d), each of length 1."""
        found = []
        for batch in _batches(pictures):
            maps = self.pools[1](self.parts(self._edges(batch)))
            found.append(maps.reshape(len(maps), -1))
        flat = np.concatenate(found)
        return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))

    def __call__(self, pictures: Float32) -> Int64:
        """Name pictures (n, rows, columns): labels (n,)."""
        return self.names(self.vectors(pictures))

    def _edges(self, pictures: Float32) -> Float32:
        return self.pools[0](self.edges(contrast(pictures)))


def _batches(pictures: Float32) -> Iterator[Float32]:
    for start in range(0, len(pictures), BATCH):
        yield pictures[start : start + BATCH]
