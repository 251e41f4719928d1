"""What a TFLite file holds, as plain values: version 3 of TFLite's schema.fbs, by field indices.

Only what an importer of convolutional networks needs is read. The options of an operator stay a
table, whose fields the importer asks for where it uses them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.form import MAX_ELEMENTS
from tatami.importers.flatbuffer import Table, root
from tatami.importers.tflite_sparse import dense
from tatami.types import Float32

MAX_ENTRIES = 20_000
"""The largest number of tensors, operators or buffers that is read."""
MAX_INPUTS = 1000
MAX_DEPTH = 4
"""Branches within branches."""
MAX_RANK = 8

TYPES = {
    **{0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool"},
    **{7: "int16", 8: "complex64", 9: "int8", 10: "float64", 15: "uint32", 16: "uint16"},
    **{13: "resource", 14: "variant", 17: "int4", 18: "bfloat16"},
}
"""TensorType."""
_NUMBERS = ("float32", "float16", "int32", "uint8", "int64", "int8", "bool", "int16")

FUSED = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
"""ActivationFunctionType."""

_NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6
RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM
EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX
MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV
SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT
REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU
REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM
MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN
"""
BUILTIN = tuple(_NAMES.split())
"""BuiltinOperator, by number, as far as files of convolutional networks have them."""


@dataclass(frozen=True, eq=False)
class Quantization:
    """How stored integers stand for numbers: real = scale * (stored - zero_point).

    Args:
        scale: (n,) float32; n is 1, or the length of the tensor's axis ``axis``.
        zero_point: (n,) int64.
        axis: Of the scales.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file.

    Args:
        name: Its name.
        shape: Channels last; empty where the file says none.
        kind: One of TYPES.
        quantization: None for floats.
        data: The constant in that shape, a view of the file; None for what an operator makes.
        variable: Whether it lives from call to call.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    quantization: Quantization | None
    data: NDArray[Any] | None
    variable: bool = False

    @property
    def is_bytes(self) -> bool:
        """Whether it is quantized to 8 bits."""
        return self.quantization is not None

    def real(self) -> Float32:
        """Compute the numbers that a constant of floats or quantized integers stands for."""
        assert self.data is not None
        if self.quantization is None:
            with np.errstate(invalid="ignore"):  # a NaN of float16 may be one that signals
                return np.asarray(self.data, np.float32)
        along = [-1 if i == self.quantization.axis else 1 for i in range(self.data.ndim)]
        scale, zero = self.quantization.scale.astype(np.float64), self.quantization.zero_point
        if len(scale) > 1:
            scale, zero = scale.reshape(along), zero.reshape(along)
        return np.asarray((self.data.astype(np.int64) - zero) * scale, np.float32)


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator of the file.

    Args:
        kind: Its name in the schema; a custom one's own name.
        inputs: Indices of tensors; -1 for one left out.
        outputs: Indices of tensors.
        options: Its settings.
        custom: The settings of a custom one.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: NDArray[np.uint8]


_NONE = np.zeros(0, np.uint8)
_AGAIN = "convert the network again"


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    Args:
        tensors: All of them.
        operators: In the order in which they run: what one reads is there before it.
        inputs: Indices of tensors.
        outputs: Indices of tensors.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def content_of(data: bytes) -> Content:
    """Read what a file holds.

    Raises:
        TatamiError: For what is no TFLite file, or is damaged, or has loops. A graph that is called
            once may only set variables to zero, before the first call.
    """
    model = root(data, b"TFL3")
    version = model.integer(0, "uint32")
    if version != 3:
        raise TatamiError(
            f"the file follows version {version} of TFLite's schema", hint="convert it again"
        )
    graphs = model.tables(2, MAX_ENTRIES)
    if not graphs:
        raise TatamiError("the file holds no graph", hint="copy the file again")
    codes = [_code(table) for table in model.tables(1, MAX_ENTRIES)]
    buffers = model.tables(4, MAX_ENTRIES)
    whole = _Whole(graphs, codes, buffers)
    inputs, outputs = whole.add(0, None)
    if len(whole.used) != len(graphs):
        raise TatamiError(
            f"the file holds {len(graphs)} graphs", hint="convert a network without loops"
        )
    tensors, operators = tuple(whole.tensors), tuple(whole.operators)
    _check_order(tensors, operators, inputs, outputs)
    return Content(tensors, operators, inputs, outputs)


class _Whole:
    """The graphs of a file as one: a branch is computed in any case, and chosen from behind.

    Args:
        graphs: Of the file.
        codes: Names of operators.
        buffers: Of constants.
    """

    def __init__(self, graphs: list[Table], codes: list[str], buffers: list[Table]) -> None:
        self.graphs = graphs
        self.codes = codes
        self.buffers = buffers
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.used: set[int] = set()

    def add(
        self, number: int, given: tuple[int, ...] | None, depth: int = 0
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Add a graph's tensors and operators.

        Args:
            number: Of the graph.
            given: What its inputs are among the tensors so far; None: tensors of its own.
            depth: How many branches are around it.

        Returns:
            What its inputs and outputs are among all tensors.
        """
        if not 0 <= number < len(self.graphs) or depth > MAX_DEPTH:
            raise TatamiError("a branch has no graph: damaged", hint="copy the file again")
        graph = self.graphs[number]
        self.used.add(number)
        own = [_tensor(table, self.buffers) for table in graph.tables(0, MAX_ENTRIES)]
        places = [len(self.tensors) + index for index in range(len(own))]
        self.tensors += own
        inputs, outputs = (_indices(graph, field, len(own)) for field in (1, 2))
        if given is not None:
            if len(given) != len(inputs) or min((*inputs, *outputs, *given, 0)) < 0:
                raise TatamiError("a branch has other inputs than it is given", hint=_AGAIN)
            for inner, outer in zip(inputs, given, strict=True):
                places[inner] = outer
        placed = (*places, -1)  # the last for what is left out
        for table in graph.tables(3, MAX_ENTRIES):
            operator = _operator(table, self.codes, len(own))
            operator = replace(
                operator,
                inputs=tuple(placed[index] for index in operator.inputs),
                outputs=tuple(placed[index] for index in operator.outputs),
            )
            if len(self.tensors) > MAX_ENTRIES or len(self.operators) > MAX_ENTRIES:
                raise TatamiError("the file has too many tensors", hint="give a smaller network")
            if operator.kind == "CALL_ONCE":
                self.used.add(
                    0 if operator.options is None else operator.options.integer(0, "int32")
                )
            elif operator.kind == "IF":
                self._branch(operator, depth)
            else:
                self.operators.append(operator)
        return tuple(placed[index] for index in inputs), tuple(placed[index] for index in outputs)

    def _branch(self, operator: Operator, depth: int) -> None:
        """Add both branches, and what chooses between what they make."""
        options = operator.options
        if options is None or not operator.inputs:
            raise TatamiError("a branch has no graph: damaged", hint="copy the file again")
        condition, *given = operator.inputs
        then, other = (
            self.add(options.integer(field, "int32"), tuple(given), depth + 1)[1]
            for field in (0, 1)
        )
        if not len(then) == len(other) == len(operator.outputs):
            raise TatamiError("branches make different outputs", hint=_AGAIN)
        for yes, no, made in zip(then, other, operator.outputs, strict=True):
            if self.tensors[yes].shape != self.tensors[no].shape:
                raise TatamiError("branches make outputs of different shapes", hint=_AGAIN)
            self.operators.append(Operator("SELECT_V2", (condition, yes, no), (made,), None, _NONE))


def _code(table: Table) -> str:
    # Numbers above 127 have a field of their own; the old one is then 127.
    number = max(table.integer(0, "int8"), table.integer(3, "int32"))
    if not 0 <= number < len(BUILTIN):
        return f"operator number {number}"
    return table.text(1) or "CUSTOM" if BUILTIN[number] == "CUSTOM" else BUILTIN[number]


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    name = table.text(3)
    shape = tuple(int(side) for side in table.numbers(0, "int32")[: MAX_RANK + 1])
    number = table.integer(1, "int8")
    kind = TYPES.get(number, f"type {number}")
    if len(shape) > MAX_RANK or min(shape, default=1) < 0:
        raise TatamiError(
            f"tensor '{name}' has the shape {shape}", hint="convert the network again"
        )
    buffer = table.integer(2, "uint32")
    if buffer >= len(buffers):
        raise TatamiError(f"tensor '{name}' has no buffer: damaged", hint="copy the file again")
    stored = buffers[buffer].numbers(0, "uint8")
    if buffers[buffer].integer(1, "uint64") > 1:
        raise TatamiError(
            f"tensor '{name}' lies behind the flatbuffer", hint="give a network below 2 GB"
        )
    sparse = table.table(6)
    if sparse is not None and len(stored) and kind in _NUMBERS:
        if math.prod(shape) > MAX_ELEMENTS:
            raise TatamiError(
                f"tensor '{name}' has the shape {shape}", hint="give a smaller network"
            )
        dtype = np.dtype(kind)
        held = _constant(name, stored, (len(stored) // dtype.itemsize,), kind)
        data = None if held is None else dense(name, sparse, held, shape)
    else:
        data = _constant(name, stored, shape, kind) if len(stored) else None
    if data is None and buffer and 0 in shape and kind in _NUMBERS:
        data = np.zeros(shape, kind)  # a shape of no axes, say
    bytes_ = kind in ("uint8", "int8") or (kind in ("int16", "int64") and data is not None)
    steps = _steps(name, table.table(4), shape, kind) if bytes_ else None
    return Tensor(name, shape, kind, steps, data, table.flag(5))


def _constant(
    name: str, stored: NDArray[Any], shape: tuple[int, ...], kind: str
) -> NDArray[Any] | None:
    if kind not in _NUMBERS:
        return None
    dtype = np.dtype(kind).newbyteorder("<")
    count = 1
    for side in shape:
        count *= side
    if not count:
        return None
    if len(stored) != count * dtype.itemsize:
        raise TatamiError(
            f"tensor '{name}' of {kind} {shape} holds {len(stored)} bytes", hint="copy it again"
        )
    return stored.view(dtype).reshape(shape)


def _steps(
    name: str, table: Table | None, shape: tuple[int, ...], kind: str
) -> Quantization | None:
    scale = np.zeros(0, np.float32) if table is None else table.numbers(2, "float32")
    if table is None or not len(scale):
        return None
    zero = table.numbers(3, "int64")
    axis = table.integer(6, "int32")
    if not len(zero):
        zero = np.zeros(len(scale), np.int64)
    fits = len(scale) == 1 or (0 <= axis < len(shape) and len(scale) == shape[axis])
    # So that no product of two scales leaves float32.
    least = 0.0 if kind == "int64" else 1e-15  # of a bias, whose scale is a product already
    sound = fits and bool(((scale >= least) & (scale <= 1e15)).all())
    limits = np.iinfo(kind)
    held = bool(((zero >= limits.min) & (zero <= limits.max)).all())
    if not sound or not held or len(zero) not in (1, len(scale)):
        raise TatamiError(
            f"tensor '{name}' has scales or zero points that do not fit it",
            hint="convert the network again",
        )
    return Quantization(scale, np.broadcast_to(zero, scale.shape), axis)


def _operator(table: Table, codes: list[str], tensors: int) -> Operator:
    code = table.integer(0, "uint32")
    if code >= len(codes):
        raise TatamiError("an operator has no code: damaged", hint="copy the file again")
    return Operator(
        codes[code],
        _indices(table, 1, tensors),
        _indices(table, 2, tensors),
        table.table(4),
        table.numbers(5, "uint8"),
    )


def _indices(table: Table, field: int, tensors: int) -> tuple[int, ...]:
    numbers = table.numbers(field, "int32")
    if len(numbers) > MAX_INPUTS or not ((numbers >= -1) & (numbers < tensors)).all():
        raise TatamiError("an operator names a tensor that is not there", hint="copy it again")
    return tuple(int(number) for number in numbers)


def _check_order(
    tensors: tuple[Tensor, ...],
    operators: tuple[Operator, ...],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
) -> None:
    """Check that an operator reads an input, a constant, or what one before it made, only once."""
    made = set(inputs)
    for operator in operators:
        for index in operator.inputs:
            known = index < 0 or index in made or tensors[index].variable
            if not known and tensors[index].data is None:
                raise TatamiError(
                    f"{operator.kind} reads '{tensors[index].name}', which nothing made",
                    hint="convert the network again",
                )
        for index in operator.outputs:
            if index < 0 or index in made or tensors[index].data is not None:
                raise TatamiError(
                    f"{operator.kind} makes a tensor that is there already",
                    hint="convert the network again",
                )
            made.add(index)
    if not outputs or not set(outputs) <= made - set(inputs):
        raise TatamiError("no operator makes the outputs", hint="convert the network again")
