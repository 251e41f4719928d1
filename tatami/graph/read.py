"""Read an ONNX file into a Network, or say in one line why not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx.inliner
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx.external_data_helper import load_external_data_for_model

from tatami.errors import TatamiError
from tatami.graph.check import check_graph, check_operators, check_spec
from tatami.graph.form import check_form
from tatami.graph.metadata import from_metadata
from tatami.graph.network import Network
from tatami.graph.operators.table import OPERATORS
from tatami.graph.passes.expand_functions import expand_functions
from tatami.graph.passes.lift_constants import lift_constants
from tatami.graph.passes.qoperators_to_qdq import qoperators_to_qdq
from tatami.graph.passes.upgrade import FIRST, upgrade
from tatami.graph.passes.widen_halves import widen_halves
from tatami.graph.shapes import REFUSALS, first_line, infer_shapes
from tatami.graph.weights import put_back, read_weights, show_as_inputs, without_weights
from tatami.types import Float32

MAX_BYTES = 1 << 30
"""The largest file, and the largest sum of external data, that is read."""
CURRENT = 18
"""The operator set from which on no pass looks at weights before shapes are known."""
OPSETS = range(13, 29)
"""Versions of the ONNX operator set whose meaning of the table's operators is the same."""

AGAIN = "export the network again"

_KINDS = {
    onnx.TensorProto.FLOAT: (32, "float_data"),
    onnx.TensorProto.INT64: (64, "int64_data"),
    onnx.TensorProto.DOUBLE: (64, "double_data"),
    onnx.TensorProto.UINT64: (64, "uint64_data"),
    onnx.TensorProto.UINT32: (32, "uint64_data"),
    onnx.TensorProto.INT32: (32, "int32_data"),
    **dict.fromkeys(
        (
            onnx.TensorProto.INT16,
            onnx.TensorProto.UINT16,
            onnx.TensorProto.FLOAT16,
            onnx.TensorProto.BFLOAT16,
        ),
        (16, "int32_data"),
    ),
    **dict.fromkeys(
        (
            onnx.TensorProto.INT8,
            onnx.TensorProto.UINT8,
            onnx.TensorProto.BOOL,
            onnx.TensorProto.FLOAT8E4M3FN,
            onnx.TensorProto.FLOAT8E4M3FNUZ,
            onnx.TensorProto.FLOAT8E5M2,
            onnx.TensorProto.FLOAT8E5M2FNUZ,
            onnx.TensorProto.FLOAT8E8M0,
        ),
        (8, "int32_data"),
    ),
    **dict.fromkeys(
        (onnx.TensorProto.INT4, onnx.TensorProto.UINT4, onnx.TensorProto.FLOAT4E2M1),
        (4, "int32_data"),
    ),
    **dict.fromkeys((onnx.TensorProto.INT2, onnx.TensorProto.UINT2), (2, "int32_data")),
}
"""What a weight may be: bits of a number, and the field that holds plain ones."""

_PLAIN = ("value_float", "value_floats", "value_int", "value_ints")


def read(path: Path) -> Network:
    """Read and check an ONNX file; shapes are inferred and constants become initializers.

    A file that another program wrote has no Tatami metadata: its spec is None.

    Raises:
        TatamiError: For a file that is not ONNX, is cut short or too large, uses an operator
            outside the table (named first of all), has no fixed shapes, has weights that do not fit
            or are not finite, lacks its external data, or has metadata that make no sense.
        OSError: Where it cannot be opened.
    """
    try:
        apart = _parse_apart(path)
        if apart is not None:
            return network_of(*apart)
        proto = _parse(path)
        # What is unknown is told before gigabytes of external data are read.
        _check_kinds(proto)
        _load_external_data(proto, path.parent)
        return network_of(proto)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=path, line=error.line) from error


def load(path: Path) -> onnx.ModelProto:
    """Load an ONNX model, its external data within, of any operators and version.

    Raises:
        TatamiError: For a file that is not ONNX, or is cut short or too large.
    """
    try:
        proto = _parse(path)
        _load_external_data(proto, path.parent)
        return proto
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=path, line=error.line) from error


def _check_kinds(proto: onnx.ModelProto) -> None:
    upgrade(proto)
    qoperators_to_qdq(proto)
    expand_functions(proto)
    check_operators((node.domain, node.op_type) for node in proto.graph.node)
    _check_opset(proto)


def _parse_apart(path: Path) -> tuple[onnx.ModelProto, dict[str, Float32]] | None:
    """Parse a file without its large weights, and read these; None where it must be read whole.

    That is a file without large weights, a damaged one, and one of which a pass may want to see the
    weights, as those that bring old operators up to date.
    """
    if not 0 < path.stat().st_size <= MAX_BYTES:
        return None
    skeleton = without_weights(path)
    if skeleton is None:
        return None
    proto = _proto_of(skeleton.content)
    kinds = {node.op_type for node in proto.graph.node}
    sets = {opset.domain: opset.version for opset in proto.opset_import}
    if proto.functions or set(sets) - {"", "ai.onnx"} or max(sets.values()) < CURRENT:
        return None
    if not kinds <= set(OPERATORS) | {"Constant"}:
        return None
    try:
        return proto, read_weights(path, skeleton, proto)
    except ValueError:
        return None


def _parse(path: Path) -> onnx.ModelProto:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TatamiError(
            f"the file has {size} bytes, more than {MAX_BYTES}", hint="give a smaller network"
        )
    if size == 0:
        raise TatamiError("the file is empty", hint=AGAIN)
    return _proto_of(path.read_bytes())


def _proto_of(data: bytes) -> onnx.ModelProto:
    try:
        proto: onnx.ModelProto | None = onnx.ModelProto.FromString(data)
    except DecodeError:
        proto = None
    if proto is None and data[0] == 0x08:  # the tag of ir_version, which comes first
        raise TatamiError("the file is cut short or damaged", hint="copy or export it again")
    if proto is None or not proto.HasField("ir_version"):
        raise TatamiError("the file is not an ONNX file", hint="give a network in ONNX format")
    if not proto.HasField("graph") or not proto.opset_import:
        raise TatamiError("the file is cut short or damaged", hint="copy or export it again")
    _open_sides(proto.graph)
    check_form(proto)
    if proto.functions:
        try:
            proto = onnx.inliner.inline_local_functions(proto)
        except REFUSALS as error:
            raise TatamiError(f"ONNX refuses a function: {first_line(error)}", hint=AGAIN) from None
    return proto


def _open_sides(graph: onnx.GraphProto) -> None:
    """Leave a side open that the file says to be -1, as Paddle's exporter does for an open one."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_value == -1:
                side.ClearField("dim_value")


def _check_opset(proto: onnx.ModelProto) -> None:
    version = max(
        (opset.version for opset in proto.opset_import if opset.domain in ("", "ai.onnx")),
        default=0,
    )
    if version not in OPSETS:
        raise TatamiError(
            f"the network uses ONNX operator set {version}",
            hint=f"export it with operator set {FIRST} to {OPSETS.stop - 1}, best 18",
        )


def _load_external_data(proto: onnx.ModelProto, folder: Path) -> None:
    """Load weights kept beside the file, only from its own folder, and only within the bound."""
    total = 0
    for tensor in proto.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if "\0" in location:
            raise TatamiError(f"weight '{tensor.name}' has a bad place in its file", hint=AGAIN)
        source = (folder / location).resolve()
        if not location or not source.is_relative_to(folder.resolve()):
            raise TatamiError(
                f"weight '{tensor.name}' points to '{location}', outside the network's folder",
                hint="keep external data beside the ONNX file",
            )
        if not source.is_file():
            raise TatamiError(
                f"weight '{tensor.name}' needs the file '{location}', which is missing",
                hint="copy it beside the ONNX file",
            )
        offset, length = entries.get("offset", "0"), entries.get("length", "")
        if not _is_number(offset) or not (_is_number(length) or not length):
            raise TatamiError(f"weight '{tensor.name}' has a bad place in its file", hint=AGAIN)
        held = source.stat().st_size
        needed = int(length) if length else held - int(offset)
        total += max(0, needed)
        if needed < 0 or int(offset) + needed > held:
            raise TatamiError(
                f"weight '{tensor.name}' needs more than '{location}' holds: it is cut short",
                hint="copy it again",
            )
        if total > MAX_BYTES:
            raise TatamiError(
                f"the external data has more than {MAX_BYTES} bytes", hint="give a smaller network"
            )
    if total:
        try:
            load_external_data_for_model(proto, str(folder))
        except (onnx.checker.ValidationError, ValueError, OSError) as error:
            raise TatamiError(f"external data: {first_line(error)}", hint=AGAIN) from None


def _is_number(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) < 20


def network_of(proto: onnx.ModelProto, weights: Mapping[str, Float32] | None = None) -> Network:
    """Make a network of an ONNX model, checked as ``read`` does.

    Args:
        proto: The model, which is changed.
        weights: What initializers hold that are empty in the model, by name.

    Raises:
        TatamiError: As for ``read``; it names no file.
    """
    _check_kinds(proto)
    if proto.graph.sparse_initializer:
        raise TatamiError("the network has sparse weights", hint="export it with dense weights")
    apart = weights or {}
    order = [str(tensor.name) for tensor in proto.graph.initializer]
    show_as_inputs(proto, apart)
    _check_sizes(proto)
    widen_halves(proto)
    _renew_groups(proto)
    del proto.graph.value_info[:]  # shapes that the file claims: they are found anew
    try:
        onnx.checker.check_model(proto)
        contradiction = infer_shapes(proto)
        entries = {entry.key: entry.value for entry in proto.metadata_props}
        model = ir.from_proto(proto)
    except (*REFUSALS, ir.serde.SerdeError) as error:
        raise TatamiError(f"ONNX refuses the network: {first_line(error)}", hint=AGAIN) from None
    if apart:
        put_back(model.graph, apart, order)
    lift_constants(model)
    for value in model.graph.initializers.values():  # decoded once, and not whenever one is read
        if value.const_value is not None:
            value.const_value = ir.Tensor(value.const_value.numpy(), name=value.name)
    check_graph(model.graph, contradiction)
    spec = from_metadata(entries)
    if spec is not None:
        check_spec(model.graph, spec)
    return Network(model, spec)


def _renew_groups(proto: onnx.ModelProto) -> None:
    """Raise sets 18 to 20 to 21 where groups are normalized: ONNX refuses these as deprecated.

    Nothing else changed its meaning. A scale of each group stays: graph/operators/normalization.py
    takes both.
    """
    if any(node.op_type == "GroupNormalization" for node in proto.graph.node):
        for opset in proto.opset_import:
            if opset.domain in ("", "ai.onnx") and 18 <= opset.version < 21:
                opset.version = 21


def _check_sizes(proto: onnx.ModelProto) -> None:
    """Check that a weight has as many numbers as its shape says; ONNX's checker trusts it."""
    tensors = list(proto.graph.initializer)
    for node in proto.graph.node:
        if node.op_type == "Constant":
            kinds = [attribute.name for attribute in node.attribute]
            if kinds not in (["value"], *([kind] for kind in _PLAIN)):
                raise TatamiError(
                    f"Constant '{', '.join(node.output)}' holds no plain numbers", hint=AGAIN
                )
            tensors += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    for tensor in tensors:
        count = 1
        for side in tensor.dims:
            count *= side
        kind = _KINDS.get(tensor.data_type)
        if kind is not None:
            bits, plain = kind
            packed = max(1, 8 // bits)  # numbers in a byte
            held = len(tensor.raw_data) * 8 // bits or len(getattr(tensor, plain)) * packed
            if count <= held < count + packed:  # the last byte may hold more
                held = count
        else:
            known = dict(map(reversed, onnx.TensorProto.DataType.items()))
            raise TatamiError(
                f"weight '{tensor.name}' is {known.get(tensor.data_type, 'nothing')}, not FLOAT",
                hint="export the network in float32",
            )
        if held != count or min(tensor.dims, default=1) < 0:
            raise TatamiError(
                f"weight '{tensor.name}' of shape {tuple(tensor.dims)} holds {held} numbers",
                hint=AGAIN,
            )
