"""The engine as RTL: random descriptors against NumPy, and the cycles that the model says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.ops.window import Window
from tatami.program import interpret
from tatami.program.steps import (
    Concat,
    MaxPool,
    Program,
    Quantization,
    QuantizedConv,
    QuantizedExtreme,
    QuantizedMultiply,
    Step,
    Value,
)
from tatami.ship.rtl.commands import LAYER
from tatami.ship.rtl.core import MODULES, TOP, Core, core_of, core_with
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.lower import Lowered, lower
from tatami.ship.rtl.model import frame_time
from tatami.ship.rtl.simulate import QUICK, Bench, Counters, has_verilator, verilator
from tests.ship.rtl_random import KINDS, Draft, random_program, yolov2_tiny

pytestmark = pytest.mark.skipif(not has_verilator(), reason="needs Verilator and a C++ compiler")
SMALL = core_with({"lanes": 4, "map": 8192, "ring": 11, "acc": 32})
"""The engine that the tests share: it is built once, and kept."""
SHAPES = (
    "LANES=4", "LANES=8,PIXELS=2,RQ=8,RQ_REGISTERS=5,ACC=25,PACK=18",
)  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(SMALL, level=QUICK) as made:
        yield made


@pytest.mark.parametrize("parameters", SHAPES)
def test_the_verilog_is_clean(parameters: str) -> None:
    tool = verilator()
    chosen = [f"-G{name}={value}" for name, value in core_of(parameters).verilog.items() if value]
    ran = subprocess.run(
        [
            tool.command, "--lint-only", "-Wall", "--language", "1364-2005", "--top-module", TOP,
            "-y", MODULES, *chosen, MODULES / f"{TOP}.v",
        ],
        capture_output=True, text=True, env={"VERILATOR_ROOT": str(tool.root)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "%Warning" not in ran.stderr


def test_the_fields_of_a_layer_are_the_same_in_verilog() -> None:
    """Each name stands there with the lowest bit that the command has it at."""
    text = (MODULES / f"{TOP}.v").read_text()
    found = {}
    for name, where in re.findall(r"(\w+) = d\[([^\]]+)\]", text):
        found[name] = eval(where.split("+:")[0])
    assert found == {name: word * 32 + lowest for name, (word, lowest, _) in LAYER.items()}


def counted(program: Program, lowered: Lowered) -> Counters:
    """What the model says that the counters will say."""
    made = frame_time(lowered)
    return Counters(
        made.cycles, made.run, made.weights, made.maps, made.out,
        made.constants, made.read, made.written, made.words,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_random_descriptors(bench: Bench, kind: str) -> None:
    """Every byte is NumPy's and every cycle the model's; with stalls every byte is, too."""
    compared = refused = 0
    for seed in range(40):
        program, inputs = random_program(seed, kind)
        try:
            lowered = lower(program, SMALL, observe=True)
        except TatamiError as error:
            if "lie in different ways" not in error.reason:
                raise
            refused += 1
            continue
        engine = Engine(lowered, bench)
        expected = interpret.values(lowered.program, inputs)
        found, counters = engine.values(inputs)
        assert counters == counted(program, lowered), seed
        stalled, _ = engine.values(inputs, stall=300, seed=seed) if seed % 5 == 0 else (found, None)
        if seed % 5 == 1:  # where nothing is looked at
            engine = Engine(lower(program, SMALL), bench)
            last, _ = engine.values(inputs)
            np.testing.assert_array_equal(last[program.outputs[0]], expected[program.outputs[0]])
        assert found.keys() == stalled.keys() >= {*program.outputs}
        for name in found:  # what only a table reads is not written
            for values in (found, stalled):
                np.testing.assert_array_equal(values[name], expected[name], str(seed))
            compared += 1
    assert compared > 40
    assert refused < 10


WIDE = {
    "long rows": ((4, 4, 2000), 2, (3, 1, 1)),
    "a large window": ((2, 40, 40), 3, (31, 3, 10)),
    "many channels": ((4000, 1, 1), 8, (1, 1, 0)),
    "many outputs": ((8, 1, 1), 4000, (1, 1, 0)),
    "wide strides": ((3, 61, 61), 2, (3, 29, 1)),
}


@pytest.mark.parametrize("case", WIDE)
def test_large_ones(bench: Bench, case: str) -> None:
    shape, outputs, (kernel, stride, pad) = WIDE[case]
    rng = np.random.default_rng(0)
    draft = Draft(rng)
    source = draft.value(shape)
    window = Window.square(kernel, stride, pad)
    made = draft.value(
        (outputs, window.rows.output(shape[1]), window.columns.output(shape[2]))
        if shape[1] > 1
        else (outputs, 1, 1)
    )
    weights = rng.integers(-127, 128, (outputs, shape[0], kernel, kernel)).astype(np.int8)
    result = draft.requantize(outputs, shape[0] * kernel**2 * 127 * 60)
    draft.steps.append(
        QuantizedConv("large", (source,), made, weights, np.zeros(outputs, np.int32), window, 1,
                      result)
    )  # fmt: skip
    program = Program(tuple(draft.steps), draft.values, (source,), (made,))
    picture = rng.integers(0, 256, shape).astype(np.uint8)
    lowered = lower(program, SMALL)
    found, counters = Engine(lowered, bench).values([picture])
    np.testing.assert_array_equal(found[made], interpret.values(program, [picture])[made])
    assert counters == counted(program, lowered)


def one_step(shape: tuple[int, int, int], step: Step) -> Program:
    """A program of one step on bytes."""
    value = Value(shape, Quantization(1.0, 0))
    return Program((step,), {"x": value, "y": value}, ("x",), ("y",))


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (MaxPool("p", ("x",), "y", Window.square(300, 1)), "MaxPool 'p': a window of 300 x 300"),
        (MaxPool("p", ("x",), "y", Window.square(2, 1, 0, 2)), "its window has gaps"),
        (QuantizedExtreme("e", ("x", "x"), "y", "minimum"), "the smaller of two"),
        (QuantizedMultiply("m", ("x", "x"), "y", 1, 1), "QuantizedMultiply 'm': there is no such"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(step: Step, why: str) -> None:
    with pytest.raises(TatamiError, match=re.escape(why)) as refused:
        lower(one_step((1, 300, 300), step), SMALL)
    assert "it would need" in str(refused.value)


@pytest.mark.parametrize("joined", [False, True])
def test_the_next_picture_comes_in_meanwhile(bench: Bench, joined: bool) -> None:
    """Frame after frame: the picture that a frame loads is the next one's."""
    draft = Draft(np.random.default_rng(3))
    first = draft.value((3, 12, 15))
    now = draft.max_pool(draft.concat(first) or first) if joined else draft.max_pool(first)
    for _ in range(3):
        assert now is not None
        now = draft.conv_like(now, outputs=24)
    assert now is not None
    program = Program(tuple(draft.steps), draft.values, (first,), (now,))
    lowered = lower(program, SMALL, ahead=True)
    together = lower(program, SMALL)
    pictures = [draft.rng.integers(0, 256, (3, 12, 15)).astype(np.uint8) for _ in range(3)]
    engine = Engine(lowered, bench)
    ((_, planes),) = lowered.inputs.items()
    bench.write(planes.address, planes.pack(pictures[0]))
    bench.go(lowered.first_at)
    for index, picture in enumerate(pictures):
        following = pictures[(index + 1) % len(pictures)]
        bench.write(planes.address, planes.pack(following))
        counters = bench.go(lowered.program_at)
        assert counters == counted(program, lowered)
        (out,) = lowered.streams[now]
        found = out.unpack(bench.read(out.address, out.size))
        np.testing.assert_array_equal(found, interpret.values(program, [picture])[now])
    assert counters.maps == 0 < frame_time(together).maps
    values, _ = engine.values([pictures[0]])
    np.testing.assert_array_equal(values[now], interpret.values(program, [pictures[0]])[now])


def test_inputs_that_are_only_joined(bench: Bench) -> None:
    """They are loaded where their concatenation lies, also beside one that is made there."""
    draft = Draft(np.random.default_rng(5))
    first = draft.value((5, 7, 8), 0)
    second, third = draft.like(first, (6, 7, 8)), draft.like(first, (2, 7, 8))
    joined = draft.like(first, (14, 7, 8))
    inputs = (first, second, draft.conv_like(third, 3))
    draft.steps.append(Concat("join", inputs, joined))
    made = draft.like(first, (14, 3, 4))
    window = Window.square(2, 2)
    draft.steps.append(MaxPool("pool", (joined,), made, window))
    program = Program(tuple(draft.steps), draft.values, (first, second, third), (made,))
    lowered = lower(program, SMALL, observe=True)
    assert [*lowered.inputs] == [first, second, third]
    given = [
        draft.rng.integers(0, 256, draft.values[name].shape).astype(np.uint8)
        for name in program.inputs
    ]
    found, counters = Engine(lowered, bench).values(given)
    expected = interpret.values(program, given)
    assert {*found} == {step.output for step in program.steps}
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])
    assert counters == counted(program, lowered)


def test_a_wrong_weight_is_seen(bench: Bench) -> None:
    """The comparison above would pass for a bench that answers what it is asked to."""
    program, inputs = random_program(1, "conv")
    lowered = lower(program, SMALL, observe=True)
    engine = Engine(lowered, bench)
    first, _ = engine.values(inputs)
    wrong = bytearray(lowered.constants)
    wrong[SMALL.row :] = bytes(len(wrong) - SMALL.row)
    bench.write(lowered.constants_at, bytes(wrong))
    second, _ = engine.values(inputs)
    assert any(not np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("LANES=5", "LANES=5"), ("LANE=4", "LANE=4"), ("RQ=x", "RQ=x"), ("BUS=8,LANES=4", "BUS=8")],
)
def test_no_such_engine(text: str, wrong: str) -> None:
    with pytest.raises(TatamiError, match=wrong):
        core_of(text)


def test_parameters_are_written_as_they_are_read() -> None:
    for text in SHAPES:
        assert core_of(str(core_of(text))) == core_of(text)
    assert core_of("").products == 576
    assert Core(lanes=32, bus=8).products == 1152


@pytest.mark.slow  # simulated cycle by cycle; maps of every kind stand above
def test_a_whole_frame() -> None:
    """YOLOv2-tiny at 352x288, random weights: simulated on 576 multipliers; counted on more."""
    rng = np.random.default_rng(0)
    program = yolov2_tiny(rng, (288, 352))
    for parameters, used in (("LANES=16,PIXELS=2", 0.97), ("LANES=32,PIXELS=2", 0.94)):
        time = frame_time(lower(program, core_of(parameters), ahead=True))
        assert time.products > used * time.core.products * time.cycles
    lowered = lower(program, core_of("LANES=16"), ahead=True)
    time = frame_time(lowered)
    assert time.products == 2_033_197_056
    assert time.products > 0.98 * time.core.products * time.cycles
    assert time.bytes < 1.02 * (4 * 352 * 288 + 15_771_592 + 4 * 40 * 99)
    picture = rng.integers(0, 256, (3, 288, 352)).astype(np.uint8)
    with Bench(lowered.core, level=QUICK) as bench:
        found, counters = Engine(lowered, bench).values([picture])
    assert counters == counted(program, lowered)
    expected = interpret.values(program, [picture])
    assert {*found} == {*program.outputs}
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])
