"""The lowered network: steps with static shapes, in order, and the lifetime of every value.

What a back end obeys. Batch 1 is gone: every value is (channels, rows, columns), float32. An
activation that alone reads a convolution's output is folded into that convolution's step, which
changes no bit of the result; an operator outside the closed set below is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import constant, integer, place, real, window_of
from tatami.graph.network import Network, shape_of
from tatami.ops.window import Window
from tatami.types import Float32, NetworkSpec

Shape = tuple[int, int, int]
"""(channels, rows, columns)."""


@dataclass(frozen=True)
class Leaky:
    """x where x >= 0, else alpha * x."""

    alpha: float


@dataclass(frozen=True)
class Clamp:
    """x held between two bounds: ReLU is (0, infinity), ReLU6 is (0, 6)."""

    low: float
    high: float


Activation = Leaky | Clamp


@dataclass(frozen=True, eq=False)
class Conv:
    """weights: (outputs, channels / groups, kernel rows, kernel columns).  bias: (outputs,)."""

    name: str
    inputs: tuple[str, ...]
    output: str
    weights: Float32
    bias: Float32
    window: Window
    groups: int
    activation: Activation | None = None


@dataclass(frozen=True)
class MaxPool:
    """The largest sample under each place of the window; padding never wins."""

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window


@dataclass(frozen=True)
class Activate:
    """An activation that could not be folded into a convolution."""

    name: str
    inputs: tuple[str, ...]
    output: str
    activation: Activation


@dataclass(frozen=True)
class Add:
    """The sum of two values of one shape."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Concat:
    """Values after one another along the channels."""

    name: str
    inputs: tuple[str, ...]
    output: str


Step = Conv | MaxPool | Activate | Add | Concat


@dataclass(frozen=True)
class Lifetime:
    """A value is written by step ``first`` (the input: -1) and last read by step ``last``.

    The output is read after the last step.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Program:
    """Steps in the order in which they run; shapes of all values by name."""

    steps: tuple[Step, ...]
    shapes: Mapping[str, Shape]
    input: str
    output: str
    spec: NetworkSpec

    def lifetimes(self) -> dict[str, Lifetime]:
        """When each value is alive, in the order in which they are born."""
        born = {self.input: -1} | {step.output: i for i, step in enumerate(self.steps)}
        died = dict(born)
        for index, step in enumerate(self.steps):
            for name in step.inputs:
                died[name] = index
        died[self.output] = len(self.steps)
        return {name: Lifetime(born[name], died[name]) for name in born}

    def multiply_adds(self, step: Step) -> int:
        """Multiplications that are added up: those of the convolutions; the rest count 0."""
        if not isinstance(step, Conv):
            return 0
        _, rows, columns = self.shapes[step.output]
        return step.weights.size * rows * columns


def parameters(step: Step) -> int:
    """Weights and biases of a step."""
    return step.weights.size + step.bias.size if isinstance(step, Conv) else 0


def lower(network: Network) -> Program:
    """The program of a network that ``graph.read`` has checked, with a batch of 1.

    Raises TatamiError, before anything is written, for what no back end could run: an operator
    outside the table below (named, with the mend), a map that is not (1, channels, rows, columns),
    a network without a spec.
    """
    if network.spec is None:
        raise TatamiError(
            "the network's file does not say how to use it (no tatami.* metadata)",
            mend="export it with tatami",
        )
    graph = network.graph
    for node in graph:
        if node.op_type == "BatchNormalization":
            raise TatamiError(
                f"{place(node)} is not folded", mend="run `tatami fold` first, then ship its file"
            )
        if node.op_type not in _LOWER and node.op_type != "Identity":
            raise TatamiError(
                f"{place(node)} cannot be shipped", mend=f"use only {', '.join(sorted(_LOWER))}"
            )

    name_of: dict[ir.Value, str] = {graph.inputs[0]: str(graph.inputs[0].name)}
    shapes = {str(graph.inputs[0].name): _shape(graph.inputs[0])}
    steps: list[Step] = []
    for node in graph:
        output = node.outputs[0]
        inputs = []
        for value in node.inputs[:1] if node.op_type in ("Conv", "Clip") else node.inputs:
            if value is None or value not in name_of:
                raise TatamiError(
                    f"{place(node)} takes a constant where only a value can be shipped",
                    mend="fold the constant into a convolution's bias",
                )
            inputs.append(name_of[value])
        if node.op_type == "Identity":  # a second name for a value is no step
            name_of[output] = inputs[0]
            continue
        name_of[output] = str(output.name)
        shapes[name_of[output]] = _shape(output)
        steps.append(_LOWER[node.op_type](node, tuple(inputs)))
        if isinstance(steps[-1], Add | Concat):
            _check_join(node, [shapes[name] for name in inputs])
    if not steps:
        raise TatamiError("the network has no layers", mend="export the network again")
    result = name_of[network.output()]
    return _fuse(Program(tuple(steps), shapes, str(graph.inputs[0].name), result, network.spec))


def _conv(node: ir.Node, inputs: tuple[str, ...]) -> Conv:
    weights, bias = constant(node, 1), constant(node, 2)
    assert weights is not None
    if bias is None:
        bias = np.zeros(len(weights), np.float32)
    groups = integer(node, "group", 1)
    return Conv(_label(node), inputs, _output(node), weights, bias, window_of(node), groups)


def _max_pool(node: ir.Node, inputs: tuple[str, ...]) -> MaxPool:
    return MaxPool(_label(node), inputs, _output(node), window_of(node))


def _leaky_relu(node: ir.Node, inputs: tuple[str, ...]) -> Activate:
    return Activate(_label(node), inputs, _output(node), Leaky(real(node, "alpha", 0.01)))


def _relu(node: ir.Node, inputs: tuple[str, ...]) -> Activate:
    return Activate(_label(node), inputs, _output(node), Clamp(0.0, math.inf))


def _clip(node: ir.Node, inputs: tuple[str, ...]) -> Activate:
    low, high = constant(node, 1), constant(node, 2)
    bounds = Clamp(
        -math.inf if low is None else float(low), math.inf if high is None else float(high)
    )
    return Activate(_label(node), inputs, _output(node), bounds)


def _add(node: ir.Node, inputs: tuple[str, ...]) -> Add:
    return Add(_label(node), inputs, _output(node))


def _concat(node: ir.Node, inputs: tuple[str, ...]) -> Concat:
    return Concat(_label(node), inputs, _output(node))


_LOWER: Mapping[str, Callable[[ir.Node, tuple[str, ...]], Step]] = {
    "Add": _add,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "LeakyRelu": _leaky_relu,
    "MaxPool": _max_pool,
    "Relu": _relu,
}


def _check_join(node: ir.Node, shapes: list[Shape]) -> None:
    """Maps that are added have one shape; maps that are joined differ in their channels alone."""
    text = " and ".join("x".join(map(str, shape)) for shape in shapes)
    if node.op_type == "Add" and len(set(shapes)) > 1:
        raise TatamiError(
            f"{place(node)} adds maps of {text}", mend="only maps of one shape can be shipped"
        )
    if node.op_type == "Concat" and integer(node, "axis", 0) not in (1, -3):
        raise TatamiError(
            f"{place(node)} joins maps of {text} along axis {integer(node, 'axis', 0)}",
            mend="only joining along the channels can be shipped",
        )


def _fuse(program: Program) -> Program:
    """Fold each activation into the convolution before it, where nothing else reads that."""
    readers: dict[str, int] = {program.output: 1}
    for step in program.steps:
        for name in step.inputs:
            readers[name] = readers.get(name, 0) + 1
    steps: list[Step] = []
    for step in program.steps:
        last = steps[-1] if steps else None
        if (
            isinstance(step, Activate)
            and isinstance(last, Conv)
            and last.activation is None
            and step.inputs == (last.output,)
            and readers[last.output] == 1
        ):
            steps[-1] = replace(last, output=step.output, activation=step.activation)
        else:
            steps.append(step)
    alive = {program.input, *(step.output for step in steps)}
    shapes = {name: shape for name, shape in program.shapes.items() if name in alive}
    return replace(program, steps=tuple(steps), shapes=shapes)


def _shape(value: ir.Value) -> Shape:
    shape = shape_of(value)
    if len(shape) != 4 or shape[0] != 1:
        raise TatamiError(
            f"value '{value.name}' has the shape {shape}, not (1, channels, rows, columns)",
            mend="export a convolutional network with a fixed batch of 1",
        )
    return shape[1], shape[2], shape[3]


def _output(node: ir.Node) -> str:
    return str(node.outputs[0].name)


def _label(node: ir.Node) -> str:
    """A layer's name: that of its weight without the last part, else that of its output."""
    for value in node.inputs[1:]:
        if value is not None and value.name and value.name.endswith(".weight"):
            return value.name.removesuffix(".weight")
    return _output(node)
