"""From torch to the standard file: what the network computes, and nothing of how it was written."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import torch
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.graph.check import check_graph, check_operators, check_spec
from tatami.graph.network import Network
from tatami.graph.passes.ceil_to_pads import ceil_to_pads
from tatami.graph.passes.drop_identity import drop_identity, drop_unused
from tatami.graph.passes.drop_zero_bias import drop_zero_bias
from tatami.graph.passes.fold_constants import fold_constants
from tatami.graph.passes.lift_constants import lift_constants
from tatami.graph.passes.merge_pad import merge_pad
from tatami.graph.passes.merge_space_to_depth import merge_space_to_depth
from tatami.graph.passes.name_values import name_values
from tatami.graph.write import write
from tatami.models.stand_ins import replaced
from tatami.types import Size, Spec, TwoStageSpec

OPSET = 18
"""The ONNX operator set: ONNX Runtime from 1.14 on and Netron read it."""


def export_onnx(module: nn.Module, spec: Spec, path: Path) -> None:
    """Write ``module.forward`` as an ONNX file with ``spec`` in its metadata, whole or not at all.

    Batch normalization stays a node of its own: shrink/fold.py folds it.

    Args:
        module: From images (1, 3, height, width) to a raw map or maps, or to logits. Its mode,
            train or eval, is as before afterwards.
        spec: What the network is for.
        path: The file.

    Raises:
        TatamiError: For operators that Tatami cannot run, or weights that are not finite.
        OSError: Where the file cannot be written.
    """
    write(to_network(module, spec), path)


def to_network(module: nn.Module, spec: Spec) -> Network:
    """Give the network that export_onnx writes.

    Args:
        module: Takes the spec's input, (1, planes, rows, columns).
        spec: What the network is for.

    Raises:
        TatamiError: As export_onnx does.
    """
    model = to_model(module, spec.input.size, spec.output_names, channels=spec.input.shape[0])
    check_spec(model.graph, spec)
    return Network(model, spec)


def to_head_network(head: nn.Module, spec: TwoStageSpec, channels: int) -> Network:
    """Give the network of a two-stage detector's head.

    Args:
        head: From regions, pooled to (1, channels, rows, columns) or warped, to the numbers of the
            classes and the offsets.
        spec: What the detector is for.
        channels: Of what the head takes.

    Raises:
        TatamiError: As export_onnx does.
    """
    spec = replace(spec, part="head")
    sides = spec.input.size if spec.decoding.kind == "warp" else spec.decoding.bins
    model = to_model(head, sides, spec.output_names, "regions", channels)
    check_spec(model.graph, spec)
    return Network(model, spec)


def to_model(
    module: nn.Module,
    size: Size,
    outputs: Sequence[str] = ("map",),
    input: str = "images",
    channels: int = 3,
) -> ir.Model:
    """Give the checked ONNX model of a module that takes images of one size.

    Args:
        module: Takes (1, channels, height, width).
        size: Of its input.
        outputs: The names of its outputs.
        input: The name of its input.
        channels: Of its input.

    Raises:
        TatamiError: For an input that the module refuses, for operators that Tatami cannot run, and
            for weights that are not finite.
    """
    device = next(module.parameters()).device
    images = torch.zeros(1, channels, size.height, size.width, device=device)
    with _in_eval_mode(module), _quiet(), _own_refusals(), replaced(_OPERATORS):
        program = torch.onnx.export(
            module,
            (images,),
            dynamo=True,
            optimize=False,  # it would fold batch normalization with an epsilon that nobody sees
            opset_version=OPSET,
            input_names=[input],
            output_names=list(outputs),
            verbose=False,
        )
    assert program is not None
    # Through bytes, so that the network holds NumPy weights and shares nothing with the module.
    proto = onnx.ModelProto.FromString(program.model_proto.SerializeToString())
    proto.ClearField("doc_string")
    model: ir.Model = ir.from_proto(proto)
    lift_constants(model)
    ceil_to_pads(model)
    fold_constants(model)
    drop_zero_bias(model)
    drop_identity(model)
    merge_pad(model)
    merge_space_to_depth(model)
    drop_unused(model)
    name_values(model)
    check_operators((node.domain, node.op_type) for node in model.graph)
    check_graph(model.graph)
    return model


_HALVES: dict[str, int | float | str | bool | Sequence[Any]] = {
    "kernel_shape": [2, 2],
    "strides": [2, 2],
}


def _max_pool_with_places(x: Tensor) -> tuple[Tensor, Tensor]:
    """Write ONNX's MaxPool with both outputs, of which torch's exporter would make arithmetic.

    ONNX counts the places otherwise than torch, but nobody looks at them.
    """
    n, c, h, w = x.shape
    shape = (n, c, h // 2, w // 2)
    y, places = torch.onnx.ops.symbolic_multi_out(
        "MaxPool",
        [x],
        _HALVES,
        dtypes=[x.dtype, torch.int64],
        shapes=[shape, shape],
        version=OPSET,
    )
    return y, places


def _max_unpool(x: Tensor, places: Tensor) -> Tensor:
    """Write ONNX's MaxUnpool, which torch's exporter does not know."""
    n, c, h, w = x.shape
    shape = (n, c, 2 * h, 2 * w)
    return torch.onnx.ops.symbolic(
        "MaxUnpool", [x, places], _HALVES, dtype=x.dtype, shape=shape, version=OPSET
    )


_OPERATORS: dict[str, Callable[..., Any]] = {
    "max_pool_with_places": _max_pool_with_places,
    "max_unpool": _max_unpool,
}
"""Functions of blocks.py that are one operator of ONNX, and what stands for them in a file."""


@contextlib.contextmanager
def _in_eval_mode(module: nn.Module) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


@contextlib.contextmanager
def _own_refusals() -> Iterator[None]:
    """Let a TatamiError of the module through, out of what the exporter makes of it."""
    try:
        yield
    except torch.onnx.OnnxExporterError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, TatamiError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise cause from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter prints and warns about itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
