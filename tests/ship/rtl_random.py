"""Random programs of what the engine does: descriptors that no network would think of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tatami.ops.window import Axis, Window
from tatami.program.steps import (
    Concat,
    MaxPool,
    Program,
    Quantization,
    QuantizedAdd,
    QuantizedAveragePool,
    QuantizedConv,
    QuantizedConvTranspose,
    QuantizedExtreme,
    Requantize,
    Resize,
    Sampling,
    Slice,
    SpaceToDepth,
    Step,
    Table,
    ToFloat,
    Value,
)

WORK = 60_000
"""Multiply-adds of a step, about: the engine of the tests has 144 multipliers."""


@dataclass
class Draft:
    """A program that grows step by step."""

    rng: np.random.Generator
    values: dict[str, Value] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def one_of(self, *choices: int) -> int:
        return int(self.rng.choice(choices))

    def value(self, shape: tuple[int, int, int], zero: int | None = None) -> str:
        """A new value of bytes."""
        name = f"v{len(self.values)}"
        zero = self.one_of(0, 1, 127, 128, 255, self.number(0, 255)) if zero is None else zero
        self.values[name] = Value(shape, Quantization(1.0, zero))
        return name

    def like(self, name: str, shape: tuple[int, int, int] | None = None) -> str:
        """A new value with the quantization of another."""
        value = self.values[name]
        assert value.quantization is not None
        return self.value(shape or value.shape, value.quantization.zero_point)

    def zero(self, name: str) -> int:
        found = self.values[name].quantization
        assert found is not None
        return found.zero_point

    def name(self) -> str:
        return f"step {len(self.steps)}"

    def axis(self, length: int, kernel: int, stride: int, dilation: int = 1) -> Axis:
        """An axis on which the window fits; padding of all kinds."""
        span = (kernel - 1) * dilation + 1
        least = max(0, span - length)
        before = self.number(0, span - 1)
        after = max(self.number(0, span - 1), least - before)
        return Axis(kernel, stride, before, after, dilation)

    def bounds(self) -> tuple[int, int]:
        """What is held: nothing, a ReLU's, a ReLU6's."""
        low, high = sorted((self.number(0, 255), self.number(0, 255)))
        return ((0, 255), (low, 255), (low, high))[self.number(0, 2)]

    def requantize(self, outputs: int, size: int) -> Requantize:
        """Multipliers and shifts: some at the ends of what there is, some that fill the byte."""
        if self.rng.random() < 0.3:
            shift = self.rng.integers(1, 63, outputs)
            multiplier = self.rng.choice((0, 1, 2**30, 2**31 - 1, 12345), outputs)
        else:
            wide = size * self.rng.uniform(0.2, 2, outputs)
            shift = np.clip(30 + np.ceil(np.log2(wide / 256)), 1, 62).astype(np.int64)
            multiplier = self.rng.integers(2**29, 2**31, outputs)
        negative = multiplier if self.rng.random() < 0.5 else multiplier // self.number(2, 20)
        low, high = self.bounds()
        as32 = [each.astype(np.int32) for each in (multiplier, negative, shift)]
        return Requantize(as32[0], as32[1], as32[2], 0, low, high)

    # Steps ------------------------------------------------------------------------------------

    def conv(self, source: str, *, by_channel: bool = False, raw: bool = False) -> str | None:
        channels, height, width = self.values[source].shape
        kernel = [self.one_of(1, 1, 3, 3, 3, 2, self.number(1, 7)) for _ in range(2)]
        if self.rng.random() < 0.6:
            kernel[1] = kernel[0]
        stride = self.one_of(1, 1, 2, self.number(1, 5)), self.one_of(1, 1, 2, self.number(1, 5))
        dilation = self.one_of(1, 1, 1, 2, 3, 6), 1
        if kernel[0] == 1 or by_channel:
            dilation = 1, 1
        window = Window(self.axis(height, kernel[0], stride[0], dilation[0]),
                        self.axis(width, kernel[1], stride[1], dilation[1]))  # fmt: skip
        rows, columns = window.rows.output(height), window.columns.output(width)
        each = rows * columns * kernel[0] * kernel[1] * channels
        outputs = channels if by_channel else self.number(1, max(1, min(80, WORK // each)))
        size = kernel[0] * kernel[1] * (1 if by_channel else channels)
        weights = self.rng.integers(-127, 128, (outputs, 1 if by_channel else channels, *kernel))
        if self.rng.random() < 0.1:
            weights = np.sign(weights) * 127
        bias = self.rng.integers(-(2**16), 2**16, outputs) * self.one_of(0, 1, 2**10)
        result = self.requantize(outputs, size * 127 * 60)
        pool = None
        if min(rows, columns) > 1 and not raw and self.rng.random() < 0.4:
            pool = Window.square(2, 2)
            if self.rng.random() < 0.2:
                pool = Window(self.axis(rows, 3, 2), self.axis(columns, 3, 2))
            rows, columns = pool.rows.output(rows), pool.columns.output(columns)
        shape = (outputs, rows, columns)
        made = self.value(shape)
        if raw:
            self.values[made] = Value(shape)
        result = Requantize(result.multiplier, result.negative_multiplier, result.shift,
                            0 if raw else self.zero(made), result.low, result.high)  # fmt: skip
        scale = ToFloat(self.rng.uniform(1e-6, 1e-2, outputs).astype(np.float32))
        self.steps.append(
            QuantizedConv(
                self.name(), (source,), made, weights.astype(np.int8), bias.astype(np.int32),
                window, channels if by_channel else 1, scale if raw else result, pool,
            )
        )  # fmt: skip
        return made

    def depthwise(self, source: str) -> str | None:
        return self.conv(source, by_channel=True)

    def conv_transpose(self, source: str) -> str | None:
        channels, height, width = self.values[source].shape
        if channels * height * width > 2000:
            return None
        kernel = self.one_of(2, 3, 4, self.number(1, 6)), self.one_of(2, 2, 3, self.number(1, 6))
        strides = self.one_of(2, 2, self.number(1, 4)), self.one_of(2, 2, self.number(1, 4))
        outputs = self.number(1, 20)
        axes, sides = [], []
        for length, k, stride in zip((height, width), kernel, strides, strict=True):
            before, after = self.number(0, k - 1), self.number(0, k - 1)
            side = (length - 1) * stride + k - before - after + self.number(0, stride - 1)
            if side < 1:
                return None
            axes.append(Axis(k, stride, before, after))
            sides.append(side)
        weights = self.rng.integers(-127, 128, (channels, outputs, *kernel)).astype(np.int8)
        made = self.value((outputs, sides[0], sides[1]))
        result = self.requantize(outputs, channels * 127 * 60)
        bias = self.rng.integers(-(2**16), 2**16, outputs).astype(np.int32)
        self.steps.append(
            QuantizedConvTranspose(
                self.name(), (source,), made, weights, bias, Window(*axes), 1, result
            )
        )
        return made

    def max_pool(self, source: str) -> str | None:
        channels, height, width = self.values[source].shape
        kind = self.one_of(22, 21, 32, 31, 0)
        kernel, stride = divmod(kind, 10) if kind else (self.number(1, 9), self.number(1, 4))
        window = Window(self.axis(height, kernel, stride), self.axis(width, kernel, stride))
        shape = channels, window.rows.output(height), window.columns.output(width)
        made = self.like(source, shape)
        self.steps.append(MaxPool(self.name(), (source,), made, window))
        return made

    def add(self, source: str) -> str | None:
        other = self.conv_like(source)
        made = self.like(source)
        multipliers = self.number(0, 2**21), self.number(-(2**21), 2**21)
        low, high = self.bounds()
        inputs = (source, other) if self.rng.random() < 0.5 else (other, source)
        self.steps.append(
            QuantizedAdd(self.name(), inputs, made, multipliers, self.number(1, 30), low, high)
        )
        return made

    def larger(self, source: str) -> str | None:
        made = self.like(source)
        self.steps.append(
            QuantizedExtreme(self.name(), (source, self.conv_like(source)), made, "maximum")
        )
        return made

    def conv_like(self, source: str, outputs: int | None = None) -> str:
        """A 1 x 1 convolution, with as many channels where nothing is said: two maps of a shape."""
        channels, rows, columns = self.values[source].shape
        outputs = outputs or channels
        made = self.value((outputs, rows, columns))
        weights = self.rng.integers(-127, 128, (outputs, channels, 1, 1)).astype(np.int8)
        result = self.requantize(outputs, channels * 127 * 60)
        self.steps.append(
            QuantizedConv(
                self.name(), (source,), made, weights, np.zeros(outputs, np.int32),
                Window.square(1), 1, result,
            )
        )  # fmt: skip
        return made

    def concat(self, source: str) -> str | None:
        parts = [source, self.conv_like(source)]
        if self.rng.random() < 0.4:
            parts.insert(self.number(0, 2), self.rng.choice([source, self.conv_like(source)]))
        parts = [str(part) for part in parts]
        shape = self.values[source].shape
        joined = sum(self.values[part].shape[0] for part in parts)
        made = self.like(source, (joined, shape[1], shape[2]))
        self.steps.append(Concat(self.name(), tuple(parts), made))
        return made

    def resize(self, source: str) -> str | None:
        channels, height, width = self.values[source].shape
        down, across = self.number(1, 3), self.number(1, 3)
        if height * width * down * across > 1600:
            return None
        samplings = []
        for length, factor in ((height, down), (width, across)):
            first = (np.arange(length * factor) // factor).astype(np.int32)
            samplings.append(Sampling(first, first, np.zeros(length * factor, np.int32)))
        made = self.like(source, (channels, height * down, width * across))
        self.steps.append(Resize(self.name(), (source,), made, *samplings))
        return made

    def reorg(self, source: str) -> str | None:
        channels, height, width = self.values[source].shape
        fitting = [b for b in (2, 3) if height % b == 0 and width % b == 0]
        if not fitting or channels % 4:
            return None
        block = self.one_of(*fitting)
        shape = channels * block * block, height // block, width // block
        made = self.like(source, shape)
        self.steps.append(SpaceToDepth(self.name(), (source,), made, block))
        return made

    def crop(self, source: str) -> str | None:
        channels, height, width = self.values[source].shape
        top, left = self.number(0, height - 1), self.number(0, width - 1)
        down, across = self.one_of(1, 1, self.number(1, 3)), self.one_of(1, 1, self.number(1, 3))
        rows = self.number(1, (height - 1 - top) // down + 1)
        columns = self.number(1, (width - 1 - left) // across + 1)
        made = self.like(source, (channels, rows, columns))
        self.steps.append(Slice(self.name(), (source,), made, (0, top, left), (1, down, across)))
        return made

    def average(self, source: str) -> str | None:
        channels, height, width = self.values[source].shape
        whole = self.rng.random() < 0.7
        kernel = (height, width) if whole else (self.number(1, min(5, height)),
                                                self.number(1, min(5, width)))  # fmt: skip
        stride = 1 if whole else self.number(1, 3)
        window = Window(Axis(kernel[0], stride), Axis(kernel[1], stride))
        area = kernel[0] * kernel[1]
        multiplier = np.zeros(area + 1, np.int32)
        shift = self.number(1, 40)
        multiplier[area] = self.number(1, 2**31 - 1)
        shape = channels, window.rows.output(height), window.columns.output(width)
        made = self.value(shape)
        self.steps.append(
            QuantizedAveragePool(self.name(), (source,), made, window, False, multiplier, shift)
        )
        return made

    def table(self, source: str) -> str | None:
        made = self.value(self.values[source].shape)
        self.steps.append(
            Table(self.name(), (source,), made, self.rng.integers(0, 256, 256).astype(np.uint8))
        )
        return made


KINDS: dict[str, Callable[[Draft, str], str | None]] = {
    "conv": Draft.conv,
    "depthwise": Draft.depthwise,
    "transposed": Draft.conv_transpose,
    "max pool": Draft.max_pool,
    "add": Draft.add,
    "larger": Draft.larger,
    "concat": Draft.concat,
    "resize": Draft.resize,
    "reorg": Draft.reorg,
    "crop": Draft.crop,
    "average": Draft.average,
    "table": Draft.table,
}
"""What each kind of step adds to a draft."""


def random_program(seed: int, first: str, more: int = 1) -> tuple[Program, list[np.ndarray]]:
    """Draw a program that begins with a kind of step, and its input."""
    rng = np.random.default_rng(seed)
    while True:
        draft = Draft(rng)
        small = rng.random() < 0.5
        shape = (draft.number(1, 80), draft.number(1, 40), draft.number(1, 40))
        if small:
            shape = (draft.number(1, 12), draft.number(1, 9), draft.number(1, 9))
        if shape[0] * shape[1] * shape[2] > 8000:
            continue
        source = now = draft.value(shape)
        made = KINDS[first](draft, now)
        if made is None:
            continue
        now = made
        for _ in range(draft.number(0, more)):
            channels, rows, columns = draft.values[now].shape
            if channels * rows * columns > 6000 or channels > 160:
                break
            now = KINDS[str(rng.choice([*KINDS]))](draft, now) or now
        if rng.random() < 0.2:
            now = draft.conv(now, raw=True) or now
        outputs = (now,)
        program = Program(tuple(draft.steps), draft.values, (source,), outputs)
        x = rng.integers(0, 256, shape)
        if rng.random() < 0.1:
            x = rng.choice([0, 255], shape)
        return program, [x.astype(np.uint8)]


def yolov2_tiny(rng: np.random.Generator, size: tuple[int, int]) -> Program:
    """Draw a program of YOLOv2-tiny's steps, for three classes; size is (rows, columns)."""
    draft = Draft(rng)
    source = now = draft.value((3, *size))
    for outputs, kernel, after in (
        *((16 << index, 3, Window.square(2, 2)) for index in range(5)),
        (512, 3, None), (1024, 3, None), (1024, 3, None), (40, 1, None),
    ):  # fmt: skip
        channels, height, width = draft.values[now].shape
        if outputs == 512:
            pooled = draft.like(now)
            axis = Axis(2, 1, 0, 1)
            draft.steps.append(MaxPool(draft.name(), (now,), pooled, Window(axis, axis)))
            now = pooled
        weights = rng.integers(-127, 128, (outputs, channels, kernel, kernel)).astype(np.int8)
        bias = rng.integers(-(2**16), 2**16, outputs).astype(np.int32)
        scale = 2 if after else 1
        made = draft.value((outputs, height // scale, width // scale))
        result: Requantize | ToFloat = draft.requantize(outputs, channels * kernel**2 * 127 * 60)
        if kernel == 1:
            draft.values[made] = Value(draft.values[made].shape)
            result = ToFloat(rng.uniform(1e-6, 1e-2, outputs).astype(np.float32))
        window = Window.square(kernel, 1, kernel // 2)
        draft.steps.append(
            QuantizedConv(draft.name(), (now,), made, weights, bias, window, 1, result, after)
        )
        now = made
    return Program(tuple(draft.steps), draft.values, (source,), (now,))
