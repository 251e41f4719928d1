"""Where each buffer of a program lies in one arena, planned by lifetime.

A buffer is alive from the step that writes it to the last step that reads it. Two buffers that are
alive at the same step must not overlap; all others may share their bytes. The smallest arena is an
NP-hard question (dynamic storage allocation), and the largest sum of buffers alive at one step is a
lower bound that no plan can beat; both are printed, so that a bad plan shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register of today."""
ATTEMPTS = 100
"""Plans more that are tried from each order, fewer where there are more than this many buffers: the
time of one plan grows with their square."""


@dataclass(frozen=True)
class Buffer:
    """Bytes that must stay untouched for some steps.

    Args:
        name: Of the value that lies in it.
        size: In bytes.
        first: The first step that needs it.
        last: The last step that needs it.
    """

    name: str
    size: int
    first: int
    last: int

    def alive_with(self, other: Buffer) -> bool:
        """Tell whether some step needs both."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """Where buffers lie in one arena.

    Args:
        offsets: Of each buffer, in bytes, by name.
        size: Of the arena, in bytes.
        lower_bound: No plan can need fewer bytes.
    """

    offsets: Mapping[str, int]
    size: int
    lower_bound: int


def plan(
    buffers: Sequence[Buffer],
    alignment: int = ALIGNMENT,
    fixed: Mapping[str, int] | None = None,
) -> Plan:
    """Plan an arena by greedy best fit: each buffer goes into the smallest gap that takes it.

    Sizes count rounded up to ``alignment`` bytes, in the lower bound too. Which order is best
    differs from net to net, so the three usual ones are tried: large first, long-lived first, and
    in the order of time. Where none reaches the lower bound, the buffer that ends highest is placed
    earlier, again and again, and the best plan is kept.

    Args:
        buffers: What lies in the arena.
        alignment: Of every offset, in bytes.
        fixed: Where some of them must lie, by name.
    """
    fixed = fixed or {}
    rounded = [Buffer(b.name, _aligned(b.size, alignment), b.first, b.last) for b in buffers]
    bound = _lower_bound(rounded)
    orders = (
        sorted(rounded, key=lambda b: (-b.size, b.first)),
        sorted(rounded, key=lambda b: (b.first - b.last, -b.size)),
        sorted(rounded, key=lambda b: (b.first, -b.size)),
    )
    plans = [_place(order, fixed) for order in orders]
    for order in orders:
        if min(size for _, size in plans) > bound:
            plans += _promoted(order, bound, fixed)
    offsets, size = min(plans, key=lambda placed: placed[1])
    return Plan(offsets, size, bound)


def _promoted(
    order: Sequence[Buffer], bound: int, fixed: Mapping[str, int]
) -> Iterator[tuple[dict[str, int], int]]:
    """Move the highest buffer of an order up, first, half way, or by one, and yield the plans."""
    current = list(order)
    for attempt in range(min(ATTEMPTS, ATTEMPTS**3 // len(current) ** 2 + 1)):
        offsets, size = _place(current, fixed)
        yield offsets, size
        if size == bound:
            return
        at = next(i for i, b in enumerate(current) if offsets[b.name] + b.size == size)
        current.insert((0, at // 2, max(0, at - 1))[attempt % 3], current.pop(at))


def overlaps(buffers: Sequence[Buffer], offsets: Mapping[str, int]) -> list[tuple[str, str]]:
    """List every pair of buffers that a plan lets destroy one another; a right plan has none."""
    return [
        (a.name, b.name)
        for i, a in enumerate(buffers)
        for b in buffers[i + 1 :]
        if a.alive_with(b)
        and a.size > 0 < b.size  # an empty buffer destroys nothing
        and offsets[a.name] < offsets[b.name] + b.size
        and offsets[b.name] < offsets[a.name] + a.size
    ]


def _place(
    order: Sequence[Buffer], fixed: Mapping[str, int] | None = None
) -> tuple[dict[str, int], int]:
    """Place buffers in this order; give their offsets and the size of the arena."""
    offsets = dict(fixed or {})
    placed = [buffer for buffer in order if buffer.name in offsets]
    for buffer in order:
        if buffer.name in offsets:
            continue
        taken = sorted(
            (offsets[other.name], offsets[other.name] + other.size)
            for other in placed
            if other.alive_with(buffer)
        )
        best_offset, best_room, end = -1, -1, 0
        for start, stop in taken:
            room = start - end
            if room >= buffer.size and (best_offset < 0 or room < best_room):
                best_offset, best_room = end, room
            end = max(end, stop)
        offsets[buffer.name] = best_offset if best_offset >= 0 else end
        placed.append(buffer)
    size = max((offsets[buffer.name] + buffer.size for buffer in placed), default=0)
    return offsets, size


def _lower_bound(buffers: Sequence[Buffer]) -> int:
    """Compute the largest sum of buffers alive at one step.

    Some buffer begins where the sum peaks.
    """
    return max(
        (sum(b.size for b in buffers if b.first <= step <= b.last))
        for step in {b.first for b in buffers} | {0}
    )


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
