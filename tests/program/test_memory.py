"""The memory plan: no two live buffers overlap, and the arena is near what no plan can beat."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tatami.program import memory
from tatami.program.memory import Buffer, overlaps, plan


@st.composite
def buffer_lists(draw):
    count = draw(st.integers(0, 25))
    buffers = []
    for index in range(count):
        first = draw(st.integers(-1, 15))
        last = first + draw(st.integers(0, 8))
        buffers.append(Buffer(str(index), draw(st.integers(0, 5000)), first, last))
    return buffers


@given(buffer_lists(), st.sampled_from([1, 16, 64]))
def test_no_live_buffers_overlap_and_the_bound_holds(buffers, alignment):
    planned = plan(buffers, alignment)
    assert overlaps(buffers, planned.offsets) == []
    assert all(offset % alignment == 0 for offset in planned.offsets.values())
    assert all(planned.offsets[b.name] + b.size <= planned.size for b in buffers)
    assert planned.lower_bound <= planned.size
    for step in range(-1, 25):
        assert sum(b.size for b in buffers if b.first <= step <= b.last) <= planned.lower_bound


@given(buffer_lists())
def test_overlaps_finds_what_painting_the_bytes_finds(buffers):
    buffers = [Buffer(b.name, b.size % 40, b.first, b.last) for b in buffers]
    offsets = {b.name: 7 * (int(b.name) % 5) for b in buffers}
    clash = set()
    for step in range(-1, 25):
        painted = np.full(200, -1)
        for index, b in enumerate(buffers):
            if b.first <= step <= b.last:
                span = slice(offsets[b.name], offsets[b.name] + b.size)
                clash |= {(buffers[i].name, b.name) for i in set(painted[span]) if i >= 0}
                painted[span] = index
    found = set(overlaps(buffers, offsets))
    assert clash <= found
    assert bool(clash) == bool(found)


def test_a_chain_needs_no_more_than_its_two_largest_neighbors():
    sizes = [64, 6400, 1600, 3200, 640, 64]
    chain = [Buffer(str(i), size, i - 1, i) for i, size in enumerate(sizes)]
    planned = plan(chain)
    assert planned.size == planned.lower_bound == 6400 + 1600


def test_a_small_buffer_takes_the_smallest_gap_that_holds_it():
    # Long-lived walls leave one gap of 256 and one of 128; the last buffer belongs in the second.
    buffers = [
        Buffer("a", 256, 0, 1),
        Buffer("wall1", 64, 0, 9),
        Buffer("b", 128, 0, 1),
        Buffer("wall2", 64, 0, 9),
        Buffer("late", 128, 2, 3),
    ]
    planned = plan(buffers)
    assert planned.size == planned.lower_bound == 512


def network_buffers(seed):
    """The values of a random network: some are skipped over, some are small, some need scratch."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(5, 60))
    size = int(rng.integers(1_000, 100_000))
    buffers = []
    for step in range(-1, steps):
        size = max(10, int(size * rng.choice([0.25, 0.5, 1, 1, 1, 2, 4])))
        skip = int(rng.integers(2, 12)) if rng.random() < 0.3 else 1
        buffers.append(Buffer(f"v{step}", size, step, min(steps, step + skip)))
        if rng.random() < 0.5:
            buffers.append(Buffer(f"s{step}", int(rng.integers(64, 20_000)), step, step))
    return buffers


def test_the_arena_of_random_networks_is_within_a_tenth_of_the_bound():
    plans = [plan(network_buffers(seed)) for seed in range(300)]
    ratios = np.array([planned.size / planned.lower_bound for planned in plans])
    assert ratios.max() <= 1.10
    assert (ratios == 1).mean() > 0.9


def test_a_plan_is_the_same_every_time():
    first, second = plan(network_buffers(7)), plan(network_buffers(7))
    assert first == second


def test_where_the_usual_orders_fail_a_buffer_moves_up():
    """Large first, long-lived first and in the order of time each leave a hole too many."""
    seeds = [seed for seed in range(300) if usual(network_buffers(seed)) > 1.05]
    assert seeds  # such networks are not rare
    for seed in seeds:
        planned = plan(network_buffers(seed))
        assert planned.size < usual(network_buffers(seed)) * planned.lower_bound


def usual(buffers):
    """The best of the three usual orders, over the lower bound."""
    rounded = [Buffer(b.name, -(-b.size // 64) * 64, b.first, b.last) for b in buffers]
    orders = (
        sorted(rounded, key=lambda b: (-b.size, b.first)),
        sorted(rounded, key=lambda b: (b.first - b.last, -b.size)),
        sorted(rounded, key=lambda b: (b.first, -b.size)),
    )
    return min(memory._place(order)[1] for order in orders) / plan(buffers).lower_bound


def test_what_must_lie_somewhere_does():
    buffers = [Buffer("in", 64, -1, 0), Buffer("again", 64, 2, 3), Buffer("a", 192, 0, 1),
               Buffer("b", 64, 1, 3)]  # fmt: skip
    made = plan(buffers, alignment=1, fixed={"in": 0, "again": 0})
    assert (made.offsets["in"], made.offsets["again"]) == (0, 0)
    assert not overlaps(buffers, made.offsets)
    assert made.size == 320
