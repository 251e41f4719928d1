"""An ONNX network of the benchmark as a TFLite flatbuffer, float32 or fully int8, for LiteRT.

TFLite's own rules (its quantization specification): activations int8 with a zero point, weights
int8 symmetric a channel of outputs, biases int32; ReLU is part of the layer before it, leaky ReLU a
layer of its own.

    python litert_file.py NETWORK.onnx RANGES.json OUT.tflite     (RANGES "-": float32)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

B, OPTIONS = schema.BuiltinOperator, schema.BuiltinOptions
Range = tuple[float, float]
_INT8_VERSIONS = {
    B.CONV_2D: 3,
    B.DEPTHWISE_CONV_2D: 3,
    B.LEAKY_RELU: 2,
    B.MAX_POOL_2D: 2,
    B.AVERAGE_POOL_2D: 2,
}
"""The first version of each operator that takes int8."""


class Writer:
    """A model in the making: tensors, operators and buffers."""

    def __init__(self, ranges: Mapping[str, Range] | None) -> None:
        self.ranges = ranges
        self.tensors: list[schema.TensorT] = []
        self.operators: list[schema.OperatorT] = []
        self.codes: list[int] = []
        self.buffers = [schema.BufferT()]
        self.index: dict[str, int] = {}
        self.scales: dict[int, float] = {}

    def tensor(
        self, name: str, shape, kind: int, data=None, scales=None, zeros=None, axis=0
    ) -> int:
        one = schema.TensorT()
        one.name, one.shape, one.type, one.buffer = name, list(shape), kind, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            one.buffer = len(self.buffers)
            self.buffers.append(buffer)
        if scales is not None:
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale = np.asarray(scales, np.float32)
            one.quantization.zeroPoint = np.asarray(zeros, np.int64)
            one.quantization.quantizedDimension = axis
        self.tensors.append(one)
        return len(self.tensors) - 1

    def activation(self, name: str, shape, same: int | None = None) -> int:
        """A map (1, rows, columns, channels); ``same``: with the scale of that tensor."""
        if self.ranges is None:
            found = self.tensor(name, shape, schema.TensorType.FLOAT32)
        else:
            if same is None:
                low, high = (min(0, self.ranges[name][0]), max(0, self.ranges[name][1]))
                scale = max((high - low) / 255, 1e-9)
                zero = int(np.clip(np.round(-128 - low / scale), -128, 127))
            else:
                scale = self.scales[same]
                zero = int(self.tensors[same].quantization.zeroPoint[0])
            found = self.tensor(name, shape, schema.TensorType.INT8, None, [scale], [zero])
            self.scales[found] = scale
        self.index[name] = found
        return found

    def constants(self, name: str, weights, bias, source: int, axis: int) -> list[int]:
        """Weights with outputs along ``axis``, and the bias."""
        if self.ranges is None:
            kind = schema.TensorType.FLOAT32
            return [
                self.tensor(f"{name}.w", weights.shape, kind, weights),
                self.tensor(f"{name}.b", bias.shape, kind, bias),
            ]
        others = tuple(i for i in range(weights.ndim) if i != axis)
        scale = np.maximum(np.abs(weights).max(axis=others) / 127, 1e-12).astype(np.float32)
        form = [-1 if i == axis else 1 for i in range(weights.ndim)]
        steps = np.clip(np.rint(weights / scale.reshape(form)), -127, 127).astype(np.int8)
        zeros = np.zeros(len(scale))
        both = scale * np.float32(self.scales[source])
        integers = np.rint(bias / both).astype(np.int32)
        return [
            self.tensor(
                f"{name}.w", weights.shape, schema.TensorType.INT8, steps, scale, zeros, axis
            ),
            self.tensor(f"{name}.b", bias.shape, schema.TensorType.INT32, integers, both, zeros),
        ]

    def operator(self, code: int, inputs, outputs, kind: int = 0, options=None) -> None:
        if code not in self.codes:
            self.codes.append(code)
        one = schema.OperatorT()
        one.opcodeIndex = self.codes.index(code)
        one.inputs, one.outputs = list(inputs), list(outputs)
        one.builtinOptionsType, one.builtinOptions = kind, options
        self.operators.append(one)

    def model(self, inputs: list[int], outputs: list[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = inputs, outputs, "main"
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            one = schema.OperatorCodeT()
            one.builtinCode, one.deprecatedBuiltinCode = code, min(code, 127)
            one.version = 1 if self.ranges is None else _INT8_VERSIONS[code]
            model.operatorCodes.append(one)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def convert(model: onnx.ModelProto, ranges: Mapping[str, Range] | None) -> bytes:
    """The flatbuffer. ranges: of every activation, for int8; None for float32."""
    writer = Writer(ranges)
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output)
    }

    def last(name: str) -> list[int]:
        _, channels, rows, columns = shapes[name]
        return [1, rows, columns, channels]

    source = model.graph.input[0].name
    first = writer.activation(source, last(source))
    readers = {}
    for node in model.graph.node:
        readers.setdefault(node.input[0], []).append(node)
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        name = node.output[0]
        if node.op_type == "Relu":
            continue  # part of the convolution before it
        at = writer.index[node.input[0]]
        if node.op_type == "Conv":
            followers = readers.get(name, [])
            relu = len(followers) == 1 and followers[0].op_type == "Relu"
            result = followers[0].output[0] if relu else name
            weights, bias = arrays[node.input[1]], arrays[node.input[2]]
            depthwise = attributes["group"] > 1
            form = weights.transpose(1, 2, 3, 0) if depthwise else weights.transpose(0, 2, 3, 1)
            form = np.ascontiguousarray(form)
            constants = writer.constants(name, form, bias, at, 3 if depthwise else 0)
            options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
            options.strideH = options.strideW = attributes["strides"][0]
            options.padding = schema.Padding.SAME
            options.dilationHFactor = options.dilationWFactor = 1
            kinds = schema.ActivationFunctionType
            options.fusedActivationFunction = kinds.RELU if relu else kinds.NONE
            if depthwise:
                options.depthMultiplier = 1
            code = B.DEPTHWISE_CONV_2D if depthwise else B.CONV_2D
            kind = OPTIONS.DepthwiseConv2DOptions if depthwise else OPTIONS.Conv2DOptions
            made = writer.activation(result, last(name))
            writer.operator(code, [at, *constants], [made], kind, options)
        elif node.op_type == "LeakyRelu":
            options = schema.LeakyReluOptionsT()
            options.alpha = attributes["alpha"]
            made = writer.activation(name, last(name))
            writer.operator(B.LEAKY_RELU, [at], [made], OPTIONS.LeakyReluOptions, options)
        else:
            options = schema.Pool2DOptionsT()
            kernel = attributes.get("kernel_shape", shapes[node.input[0]][2:])
            stride = attributes.get("strides", [1, 1])
            options.filterHeight, options.filterWidth = kernel
            options.strideH, options.strideW = stride
            one = node.op_type == "GlobalAveragePool"
            options.padding = schema.Padding.VALID if one else schema.Padding.SAME
            made = writer.activation(name, last(name), None if one else at)
            code = B.AVERAGE_POOL_2D if one else B.MAX_POOL_2D
            writer.operator(code, [at], [made], OPTIONS.Pool2DOptions, options)
    return writer.model([first], [writer.index[value.name] for value in model.graph.output])


if __name__ == "__main__":
    network, told, target = sys.argv[1:]
    seen = None if told == "-" else json.loads(Path(told).read_text())
    Path(target).write_bytes(convert(onnx.load(network), seen))
