"""What a network costs before it has weights: counted on torch's meta device, without a file.

The module runs once on tensors without memory. Each operator that torch runs becomes the node that
an exported file would hold, so that the rows are those of ``graph.costs`` for that file. Neither
the exporter nor ONNX is imported. A test holds the two to each other for every network of the
table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tatami.errors import TatamiError
from tatami.models.stand_ins import replaced
from tatami.models.table import Model, Part
from tatami.models.torch_operators import ALIASES, ROWS, Row, tensors
from tatami.ops.counting import Cost, Node, Value, count
from tatami.ops.naming import value_names
from tatami.types import Size, Spec


@dataclass(frozen=True)
class Counted:
    """Hold what one network of a model costs.

    Args:
        part: Its name among the model's networks, "" for the only one.
        shape: Of its input: (1, channels, rows, columns).
        layers: Its layers, in the order in which they run.
        learned: The parameters that training changes, which papers count: a file holds the running
            statistics of normalizations besides, and leaves out biases of zeros.
    """

    part: str
    shape: tuple[int, ...]
    layers: tuple[Cost, ...]
    learned: int


def count_model(model: Model[Any], spec: Spec, width: float = 1.0) -> tuple[Counted, ...]:
    """Count the networks of a model that is not built yet.

    Args:
        model: A row of the table.
        spec: What the network would be for.
        width: Multiplies every layer's channels.

    Raises:
        TatamiError: For what the model refuses, and for an operator that is not known here.
    """
    if model.several_inputs:
        raise TatamiError(
            f"a {model.noun} is not counted before it is trained",
            hint="train it, and give its run folder",
        )
    with _WithoutMemory():
        module = model.build(spec, width)
    parts = model.parts(module, spec)
    several = any(part.name for part in parts)
    return tuple(_count_part(part, spec, keep_zeros=several) for part in parts)


def _count_part(part: Part, spec: Spec, keep_zeros: bool) -> Counted:
    outputs = ("classes", "offsets") if part.name == "head" else spec.output_names
    layers, learned = count_module(
        part.module, part.size, outputs, part.channels, keep_zeros=keep_zeros
    )
    shape = (1, part.channels, part.size.height, part.size.width)
    return Counted(part.name, shape, layers, learned)


def count_module(
    module: nn.Module,
    size: Size,
    outputs: Sequence[str] = ("map",),
    channels: int = 3,
    *,
    keep_zeros: bool = False,
) -> tuple[tuple[Cost, ...], int]:
    """Count a module's layers as those of its exported network, and what it learns.

    Args:
        module: Takes images (1, channels, height, width); it is moved to the meta device.
        size: Of its input.
        outputs: The names of its outputs.
        channels: Of its input.
        keep_zeros: Whether a convolution's bias of zeros, which a file leaves out, is counted.

    Raises:
        TatamiError: For an input that the module refuses, and for an operator not known here.
    """
    silent = set() if keep_zeros else _zero_biases(module)
    module.eval().to("meta")
    images = torch.empty(1, channels, size.height, size.width, device="meta")
    record = _Record(module, images, silent)
    stand_ins: dict[str, Callable[..., Any]] = {
        "max_pool_with_places": record.pool_with_places,
        "max_unpool": record.unpool,
    }
    with torch.no_grad(), replaced(stand_ins), record.scopes(), record:
        answer = module(images)
    nodes = record.nodes((answer,) if isinstance(answer, Tensor) else answer, outputs)
    learned = sum(one.numel() for one in module.parameters() if id(one) in record.read)
    return count(nodes), learned


def _zero_biases(module: nn.Module) -> set[str]:
    return {
        name
        for name, one in module.named_parameters()
        if name.endswith(".bias") and not one.is_meta and not one.any()
    }


class _WithoutMemory(TorchFunctionMode):
    """Builds modules whose weights have shapes alone; vectors, as biases, are really there."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        first = args[0] if args else given.get("tensor")
        if func.__name__ in _RANDOM and isinstance(first, Tensor) and first.is_meta:
            return first  # on the meta device torch would import its compiler to draw nothing
        if func in _MAKERS and given.get("device") is None:
            sides = args[0] if isinstance(args[0], (tuple, list)) else args
            if len(sides) > 1:
                return torch.empty(sides, device="meta")
        filled: Any = args[0] if args else given.get("tensor")
        if func in _VALUES and filled.is_meta:  # torch would load its compiler to do nothing
            return filled
        return func(*args, **given)


_RANDOM = (
    *("normal_", "uniform_", "trunc_normal_", "xavier_normal_", "xavier_uniform_"),
    *("kaiming_normal_", "kaiming_uniform_"),
)
"""What gives weights their first values."""
_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
_VALUES = (
    *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, Tensor.mul),
    *(nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_),
)
"""What initializing does to values, whose shape stays."""


# What torch runs, as nodes -----------------------------------------------------------------------


@dataclass(eq=False)
class _Made:
    """A value: ``name`` is a weight's; of others it is found at the end.

    in_place: whether what made it wrote over its input.  waits: the view of such a value that made
    it, while nobody has read it.
    """

    shape: tuple[int, ...]
    name: str = ""
    stored: bool = False
    item: int = 4
    in_place: bool = False
    waits: _Operator | None = None


@dataclass(eq=False)
class _Operator:
    kind: str
    module: str
    inputs: list[_Made]
    outputs: list[_Made]
    detail: Any = None


class _Record(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down the operators that run while it is on."""

    def __init__(self, module: nn.Module, images: Tensor, silent: set[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.module, self.silent = module, silent
        self.operators: list[_Operator] = []
        self.stack = [""]
        self.kept: list[Tensor] = [images]  # alive, so that no two have one identity
        self.made: dict[int, _Made] = {}
        self.read: set[int] = set()
        for name, weight in (*module.named_parameters(), *module.named_buffers()):
            self.made[id(weight)] = _Made(tuple(weight.shape), name, stored=True)
        self.image = self.made[id(images)] = _Made(tuple(images.shape))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that torch need not load its compiler, to keep it away from what runs here."""
        return False

    @contextmanager
    def scopes(self) -> Iterator[None]:
        """Know which module each operator runs in."""

        def enter(name: str) -> Callable[..., None]:
            return lambda *_: self.stack.append(name)

        def leave(*_: Any) -> None:
            self.stack.pop()

        handles = []
        for name, part in self.module.named_modules():
            handles.append(part.register_forward_pre_hook(enter(name)))
            handles.append(part.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        self.read.update(map(id, tensors(args)))
        row = ROWS.get(name.rstrip("_"))
        if row is None or row.shape is None:  # a view of its input, or no picture changes it
            answer = func(*args, **(kwargs or {}))
            first = answer[0] if isinstance(answer, (tuple, list)) else answer
        else:
            first = args[0] if name.endswith("_") else torch.empty(row.shape(args), device="meta")
            answer = first if row.outputs == 1 else (first,) * row.outputs
        if isinstance(first, Tensor):
            self.keep(name, row, args, first)
        return answer

    def keep(self, name: str, row: Row | None, args: Any, made: Tensor) -> None:
        """Write an operator down that has run, where a file would hold it."""
        read = [self.value(one) for one in tensors(args)]
        self.kept.append(made)
        if all(value.stored for value in read):  # no picture changes it
            same = name in ("t", "detach", "alias") and read
            self.made[id(made)] = read[0] if same else _Made(tuple(made.shape), stored=True)
        elif name in ALIASES:
            self.made[id(made)] = read[0]
        elif row is None:
            raise TatamiError(
                f"torch's operator {name} is not counted",
                hint="give it a row in models/torch_operators.py",
            )
        else:
            kind = row.kind if isinstance(row.kind, str) else row.kind(args)
            self.write(kind, [self.operand(one) for one in row.reads(args)], [made], args)
            self.made[id(made)].in_place = name.endswith("_")
            if name == "view" and read[0].in_place:
                self.made[id(made)].waits = self.operators[-1]

    def operand(self, given: Tensor | float) -> _Made:
        """Give a tensor's value, or a number as a file holds it: a constant without sides."""
        return self.value(given) if isinstance(given, Tensor) else _Made((), stored=True)

    def value(self, tensor: Tensor) -> _Made:
        if id(tensor) not in self.made:
            self.kept.append(tensor)
            self.made[id(tensor)] = _Made(tuple(tensor.shape), stored=True)
        return self.made[id(tensor)]

    def write(
        self, kind: str, inputs: list[_Made], outputs: Sequence[Tensor], detail: Any = None
    ) -> None:
        if kind == "Conv" and len(inputs) > 2 and inputs[2].name in self.silent:
            inputs = inputs[:2]
        for value in inputs:
            if value.waits is not None:  # torch's exporter looks at what was written over anew
                value.waits.module, value.waits = self.stack[-1], None
        made = []
        for tensor in outputs:
            self.kept.append(tensor)
            item = 1 if tensor.dtype == torch.int64 else 4  # the number of a pool's tap
            self.made[id(tensor)] = _Made(tuple(tensor.shape), item=item)
            made.append(self.made[id(tensor)])
        self.operators.append(_Operator(kind, self.stack[-1], inputs, made, detail))

    # What stands for functions of blocks.py ------------------------------------------------------

    def pool_with_places(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n, c, h, w = x.shape
        y = torch.empty(n, c, h // 2, w // 2, device="meta")
        places = torch.empty(n, c, h // 2, w // 2, device="meta", dtype=torch.int64)
        self.write("MaxPool", [self.value(x)], [y, places])
        return y, places

    def unpool(self, x: Tensor, places: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = torch.empty(n, c, 2 * h, 2 * w, device="meta")
        self.write("MaxUnpool", [self.value(x), self.value(places)], [y])
        return y

    # At the end ----------------------------------------------------------------------------------

    def nodes(self, answers: Sequence[Tensor], outputs: Sequence[str]) -> list[Node]:
        """Give the nodes as a file has them: named, without those that others stand for."""
        answered = [self.value(one) for one in answers]
        operators = _merged(self.operators, answered)
        names = value_names([(one.module, one.kind) for one in operators])
        for one, name in zip(operators, names, strict=True):
            one.outputs[0].name = name
        for value, name in zip(answered, outputs, strict=True):
            value.name = name
        plain: dict[_Made, Value] = {}

        def of(value: _Made) -> Value:
            if value not in plain:
                plain[value] = Value(
                    value.name,
                    value.shape,
                    value.item,
                    stored=value.stored,
                    is_input=value is self.image,
                    is_output=value in answered,
                )
            return plain[value]

        return [
            Node(
                one.kind,
                tuple(of(value) for value in one.inputs),
                tuple(of(value) for value in one.outputs),
                label=_label(one),
            )
            for one in operators
        ]


_UNARY = ("relu", "leaky_relu", "tanh", "sigmoid", "exp", "hardtanh", "clamp")
"""Operators whose result is of their input's shape: torch would import its compiler to say so."""


_OWN_PADDING = {"MaxPool": float("-inf"), "Conv": 0.0}
"""What pads the beginning and the end where an operator does it itself."""


def _merged(operators: list[_Operator], answered: Sequence[_Made]) -> list[_Operator]:
    """Merge as the passes of graph/ do.

    A pad goes into its pool or convolution, three nodes become SpaceToDepth, and what nobody reads
    is dropped.
    """
    readers: dict[_Made, list[_Operator]] = defaultdict(list)
    maker: dict[_Made, _Operator] = {}
    for one in operators:
        for value in one.inputs:
            readers[value].append(one)
        for value in one.outputs:
            maker[value] = one
    gone: set[_Operator] = set()
    for one in operators:
        before = maker.get(one.inputs[0])
        if before is None or len(readers[one.inputs[0]]) != 1 or one.inputs[0] in answered:
            continue
        own = _OWN_PADDING.get(one.kind)
        if own is not None and before.kind == "Pad" and (*before.detail, 0.0)[2] == own:
            one.inputs[0] = before.inputs[0]
            gone.add(before)
        first = maker.get(before.inputs[0])
        kinds = (first.kind if first else "", before.kind, one.kind)
        laid_out = kinds == ("Reshape", "Transpose", "Reshape") and len(one.outputs[0].shape) == 4
        if first and laid_out and tuple(before.detail[1]) == (0, 3, 5, 1, 2, 4):
            one.kind, one.inputs = "SpaceToDepth", first.inputs
            gone |= {before, first}
    kept, needed = [], set(answered)
    for one in reversed(operators):
        if one not in gone and not needed.isdisjoint(one.outputs):
            kept.append(one)
            needed.update(one.inputs)
    return kept[::-1]


def _label(one: _Operator) -> str:
    """As graph/attributes.py has it: after the weight, else after the value."""
    for value in one.inputs[1:]:
        if value.name.endswith(".weight"):
            return value.name.removesuffix(".weight")
    return one.outputs[0].name
