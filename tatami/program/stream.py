"""A program that looks back in time, one place after another: from whole sounds to a sample a call.

A causal network's columns are moments, and no value depends on a later one. Then a call may be
given one column, and give one: a convolution over several moments finds the earlier ones in rings,
each as long as it is dilated. Every step computes for a column what it computes in the whole, of
the same numbers in the same order: integers are equal bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tatami.errors import TatamiError
from tatami.ops.window import Axis, Window
from tatami.program.steps import (
    Activate,
    Arithmetic,
    Concat,
    Conv,
    Delay,
    Dequantize,
    L2Norm,
    Program,
    Quantize,
    QuantizedAdd,
    QuantizedConv,
    QuantizedExtreme,
    QuantizedMultiply,
    QuantizedSoftmax,
    Slice,
    Softmax,
    Step,
    Table,
    Value,
)

_EACH_BY_ITSELF = (
    *(Activate, Table, Arithmetic, QuantizedAdd, QuantizedMultiply, QuantizedExtreme),
    *(Quantize, Dequantize),
)
"""Steps that look at every sample by itself, or at two of one place."""
_ALONG_AN_AXIS = Concat | Softmax | QuantizedSoftmax | L2Norm


@dataclass
class _Streaming:
    """A streamed program in the making: its steps, what its values are, and what it remembers."""

    values: dict[str, Value]
    steps: list[Step] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    delayed: dict[tuple[str, int], str] = field(default_factory=dict)

    def delay(self, source: str, calls: int) -> str:
        """Give what a value was so many calls ago; a ring serves all who ask for it."""
        if calls == 0:
            return source
        if (source, calls) not in self.delayed:
            name = f"{source} {calls} ago"
            ring, place = f"{name}, ring", f"{name}, place"
            value = self.values[source]
            channels, rows, _ = value.shape
            self.values[name] = value
            self.values[ring] = replace(value, shape=(channels, rows, calls))
            self.values[place] = Value((1, 1, 1), dtype="int32")
            self.states |= {ring: ring, place: place}
            self.steps.append(Delay(name, (source, ring, place), name, calls))
            self.delayed[source, calls] = name
        return self.delayed[source, calls]


def streamed(program: Program) -> Program:
    """Give the program that takes one column a call and gives one, as the whole one would.

    Args:
        program: Its input has a column for each moment, and no step looks ahead. A value of one
            column is the same at all moments.

    Returns:
        A program whose rings live from call to call. Every value of the whole program is there
        under its name; at call t it is column t.

    Raises:
        TatamiError: For a step that looks at later columns, or mixes columns otherwise than a
            convolution does.
    """
    (first,) = (program.values[name] for name in program.inputs)
    moments = first.shape[2]
    if program.states:
        raise TatamiError(
            "the network has a memory of its own", hint="ship it as it is, without streaming"
        )
    made = _Streaming({name: _narrow(value, moments) for name, value in program.values.items()})
    for step in program.steps:
        if not _adds_columns(program, step, moments, made):
            made.steps.append(_checked(program, step, moments))
    moving = {name for name, value in program.values.items() if value.shape[2] == moments}
    return replace(
        program,
        steps=tuple(made.steps),
        values=made.values,
        states=made.states,
        moments=frozenset(moving),
    )


def memory_of_rings(program: Program) -> int:
    """Count the samples that the rings of a streamed program hold."""
    return sum(
        step.calls * program.values[step.output].shape[0] * program.values[step.output].shape[1]
        for step in program.steps
        if isinstance(step, Delay)
    )


def receptive_field(program: Program) -> int:
    """Count the newest columns of the input that a column of the outputs depends on.

    Args:
        program: A streamed program.

    Source:
        A. van den Oord et al., "WaveNet", 2016, section 2.1.
    """
    reach: dict[str, int] = dict.fromkeys(program.inputs, 1)
    for step in program.steps:
        seen = [reach[name] for name in step.inputs if name in reach]
        back = step.calls if isinstance(step, Delay) else 0
        if seen:
            reach[step.output] = max(seen) + back
    return max(reach.get(name, 0) for name in program.outputs)


def _narrow(value: Value, moments: int) -> Value:
    channels, rows, columns = value.shape
    return replace(value, shape=(channels, rows, 1)) if columns == moments else value


def _adds_columns(program: Program, step: Step, moments: int, made: _Streaming) -> bool:
    """Make the steps of a convolution over several moments; say whether the step is one."""
    if not isinstance(step, Conv | QuantizedConv) or step.window.columns.kernel == 1:
        return False
    columns = step.window.columns
    (source,) = step.inputs
    if (
        columns.stride != 1
        or columns.after
        or columns.before != columns.span - 1
        or step.pool is not None
        or program.values[source].shape[2] != moments
    ):
        raise _refused(step, "looks at more than what was before")
    parts = [made.delay(source, tap * columns.dilation) for tap in reversed(range(columns.kernel))]
    taps = f"{step.output}, taps"
    channels, rows, _ = program.values[source].shape
    made.values[taps] = replace(program.values[source], shape=(channels, rows, columns.kernel))
    made.steps.append(Concat(taps, tuple(parts), taps, axis=2))
    window = Window(step.window.rows, Axis(columns.kernel))
    made.steps.append(replace(step, inputs=(taps,), window=window))
    return True


def _checked(program: Program, step: Step, moments: int) -> Step:
    """Give a step that does for a column what it does for each of the whole.

    Raises:
        TatamiError: For any other.
    """
    lengths = {program.values[name].shape[2] for name in (*step.inputs, step.output)}
    fits = lengths <= {1, moments}
    if isinstance(step, Conv | QuantizedConv):
        columns = step.window.columns
        fits = fits and (columns.stride, columns.before, columns.after) == (1, 0, 0)
        fits = fits and step.pool is None
    elif isinstance(step, Slice):
        fits = fits and step.starts[2] == 0 and step.steps[2] == 1
    elif isinstance(step, _ALONG_AN_AXIS):
        fits = fits and step.axis != 2
    elif not isinstance(step, _EACH_BY_ITSELF):
        fits = False
    if not fits:
        raise _refused(step, "is no step of a network that only looks back")
    return step


def _refused(step: Step, why: str) -> TatamiError:
    return TatamiError(
        f"{type(step).__name__} '{step.name}' {why}",
        hint="give a network of causal convolutions, whose columns are moments",
    )
