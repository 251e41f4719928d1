"""Sound ONNX networks, small, and damage to their structure: of hostile.py.

A file of which bytes are flipped is mostly refused by protobuf; here the message is taken apart,
changed and put together again, so that the damage comes as far as it can.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import tests.operators
from tests.operators.example import model_of

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
SIDES = (
    0,
    1,
    2,
    3,
    7,
    16,
    -1,
    -2,
    255,
    65_536,
    2**31 - 1,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))
NAMES = ("", "x", "y", "image", "a" * 3000, "a\nb", "\x1b[2J", "../x", "é", "x0", "w0", "y0")
VERSIONS = (0, 1, 5, 7, 8, 9, 10, 11, 12, 13, 17, 18, 20, 21, 23, 26, 40, 2**40, -1)


def reals(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def value(name: str, *shape: int | str, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def network(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray],
    opset: int = 18,
    functions: tuple[onnx.FunctionProto, ...] = (),
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(each), name) for name, each in weights.items()]
    sets = [helper.make_opsetid("", opset)]
    if functions:
        sets.append(helper.make_opsetid("own", 1))
    graph = helper.make_graph(nodes, "net", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=sets, functions=functions, ir_version=8)


N = helper.make_node


def classifier() -> onnx.ModelProto:
    """Convolutions, a normalization, pools, shape arithmetic and a matrix."""
    nodes = [
        N("Conv", ["image", "c.w", "c.b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        N("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        N("Relu", ["n"], ["r"]),
        N("MaxPool", ["r"], ["p"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        N("Conv", ["p", "d.w"], ["d"], group=8, dilations=[2, 2], auto_pad="SAME_UPPER"),
        N("HardSwish", ["d"], ["h"]),
        N("Resize", ["h", "", "scales"], ["u"], mode="linear"),
        N("Concat", ["u", "u"], ["cc"], axis=1),
        N("Split", ["cc", "parts"], ["s1", "s2"], axis=1),
        N("Add", ["s1", "s2"], ["a"]),
        N("Pad", ["a", "pads"], ["pa"], mode="reflect"),
        N("Shape", ["pa"], ["sh"]),
        N("Gather", ["sh", "zero"], ["n0"], axis=0),
        N("Unsqueeze", ["n0", "axes0"], ["n1"]),
        N("Concat", ["n1", "minus"], ["to"], axis=0),
        N("Reshape", ["pa", "to"], ["f"]),
        N("Gemm", ["f", "fc.w", "fc.b"], ["y0"], transB=1),
        N("Softmax", ["y0"], ["y"], axis=1),
    ]
    weights = {
        "c.w": reals(8, 3, 3, 3), "c.b": reals(8), "g": reals(8), "b": reals(8), "m": reals(8),
        "v": np.abs(reals(8)) + 1, "d.w": reals(8, 1, 3, 3),
        "scales": np.array([1, 1, 2, 2], np.float32), "parts": np.array([8, 8]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "zero": np.array(0), "axes0": np.array([0]),
        "minus": np.array([-1]), "fc.w": reals(5, 8 * 10 * 14), "fc.b": reals(5),
    }  # fmt: skip
    return network(nodes, [value("image", "N", 3, 16, 24)], [value("y", 1, 5)], weights)


def integers() -> onnx.ModelProto:
    """Write a layer as QDQ, and one as QLinearConv."""
    nodes = [
        N("QuantizeLinear", ["image", "s", "z"], ["q"]),
        N("DequantizeLinear", ["q", "s", "z"], ["x"]),
        N("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        N("Conv", ["x", "wd"], ["c"], pads=[1, 1, 1, 1]),
        N("Relu", ["c"], ["r"]),
        N("QuantizeLinear", ["r", "s", "z"], ["q2"]),
        N("QLinearConv", ["q2", "s", "z", "w2", "s", "wz1", "s", "z"], ["q3"]),
        N("DequantizeLinear", ["q3", "s", "z"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    weights = {
        "s": np.float32(0.02), "z": np.uint8(128), "ws": np.full(4, 0.01, np.float32),
        "wz": np.zeros(4, np.int8), "w": rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "w2": rng.integers(-127, 128, (4, 4, 1, 1)).astype(np.int8), "wz1": np.int8(0),
    }  # fmt: skip
    return network(nodes, [value("image", 1, 3, 8, 8)], [value("y", 1, 4, 8, 8)], weights)


def old() -> onnx.ModelProto:
    """Write set 9 with weights among the inputs, as exporters of IR 3 did."""
    nodes = [
        N("Conv", ["image", "w"], ["c"], kernel_shape=[3, 3]),
        N("Upsample", ["c", "scales"], ["u"], mode="linear"),
        N("Squeeze", ["m"], ["mm"], axes=[0]),
        N("Add", ["u", "mm"], ["a"]),
        N("Clip", ["a"], ["k"], min=0.0, max=6.0),
        N("Slice", ["k"], ["sl"], starts=[1], ends=[5], axes=[2]),
        N("Pad", ["sl"], ["pp"], pads=[0, 0, 0, 1, 0, 0, 0, 0]),
        N("Dropout", ["pp"], ["do"], ratio=0.5),
        N("Softmax", ["do"], ["y"], axis=2),
    ]
    weights = {
        "w": reals(4, 3, 3, 3),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "m": reals(1, 1, 4, 1, 1),
    }
    found = network(nodes, [value("image", 1, 3, 8, 8)], [value("y", 1, 4, 4, 13)], weights, 9)
    found.ir_version = 3
    for tensor in found.graph.initializer:
        found.graph.input.append(value(tensor.name, *tensor.dims))
    return found


def transformer() -> onnx.ModelProto:
    """Write attention, with a table of embeddings and a mask."""
    nodes = [
        N("Gather", ["table", "ids"], ["e"]),
        N("LayerNormalization", ["e", "g", "b"], ["n"], axis=-1),
        N("MatMul", ["n", "wq"], ["q"]),
        N("Reshape", ["q", "heads"], ["qh"]),
        N("Transpose", ["qh"], ["qt"], perm=[0, 2, 1, 3]),
        N("Transpose", ["qh"], ["kt"], perm=[0, 2, 3, 1]),
        N("MatMul", ["qt", "kt"], ["s"]),
        N("Where", ["mask", "s", "low"], ["m"]),
        N("Softmax", ["m"], ["p"], axis=-1),
        N("Einsum", ["p", "qt"], ["o"], equation="bhij,bhjd->bhid"),
        N("ReduceMean", ["o", "axes"], ["r"], keepdims=0),
        N("Erf", ["r"], ["g1"]),
        N("TopK", ["g1", "k"], ["t", "ti"]),
        N("LSTM", ["e", "lw", "lr", "", "", "", ""], ["", "lh"], hidden_size=3),
        N("Cast", ["ti"], ["y"], to=FLOAT),
    ]
    weights = {
        "table": reals(11, 8), "g": reals(8), "b": reals(8), "wq": reals(8, 8),
        "heads": np.array([0, 0, 2, 4]), "mask": np.ones((5, 5), bool), "low": np.float32(-1e9),
        "axes": np.array([2]), "k": np.array([2]), "lw": reals(1, 12, 8), "lr": reals(1, 12, 3),
    }  # fmt: skip
    ends = [value("y", 1, 2, 2), value("lh", 1, 5, 3)]
    return network(nodes, [value("ids", 1, 5, kind=INT64)], ends, weights)


def written_out() -> onnx.ModelProto:
    """Write branches, loops, a scan, and functions that call functions."""
    body = helper.make_graph(
        [N("Add", ["st", "w"], ["st2"]), N("Relu", ["st2"], ["out"])],
        "body",
        [value("i", kind=INT64), value("c", kind=TensorProto.BOOL), value("st", 1, 4)],
        [value("c", kind=TensorProto.BOOL), value("st2", 1, 4), value("out", 1, 4)],
    )
    then = helper.make_graph([N("Relu", ["l"], ["t"])], "then", [], [value("t", 1, 4)])
    other = helper.make_graph([N("Neg", ["l"], ["o"])], "else", [], [value("o", 1, 4)])
    step = helper.make_graph(
        [N("Add", ["h", "x1"], ["h2"]), N("Identity", ["h2"], ["z"])],
        "step",
        [value("h", 4), value("x1", 4)],
        [value("h2", 4), value("z", 4)],
    )
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    inner = helper.make_function("own", "Inner", ["a"], ["b"], [N("Sigmoid", ["a"], ["b"])], sets)
    calls = [N("Inner", ["a"], ["i"], domain="own"), N("Mul", ["a", "i"], ["b"])]
    swish = helper.make_function("own", "Swish", ["a"], ["b"], calls, sets)
    nodes = [
        N("Swish", ["x"], ["s"], domain="own"),
        N("Loop", ["three", "yes", "s"], ["l", "ls"], body=body),
        N("If", ["yes"], ["b"], then_branch=then, else_branch=other),
        N("Scan", ["w4", "ls4"], ["hh", "zz"], num_scan_inputs=1, body=step),
        N("Reshape", ["ls", "to"], ["ls4"]),
        N("Add", ["b", "hh"], ["y"]),
    ]
    nodes[3], nodes[4] = nodes[4], nodes[3]
    weights = {
        "w": reals(1, 4), "three": np.array(3), "yes": np.array(True), "w4": reals(4),
        "to": np.array([3, 4]),
    }  # fmt: skip
    ends = [value("y", 1, 4)]
    return network(nodes, [value("x", 1, 4)], ends, weights, functions=(inner, swish))


def detector() -> onnx.ModelProto:
    """Two scales, their boxes in bins and scores side by side, and the names of the classes."""
    nodes = [N("Conv", ["images", "a.w"], ["a"], strides=[4, 4])]
    nodes += [N("Relu", ["a"], ["a.r"]), N("Conv", ["a.r", "b.w"], ["b"], strides=[2, 2])]
    nodes.append(N("Relu", ["b"], ["b.r"]))
    weights = {"a.w": reals(4, 3, 4, 4), "b.w": reals(4, 4, 2, 2)}
    for scale in "ab":
        for end, channels in (("box", 16), ("score", 3)):
            weights[f"{scale}.{end}.w"] = reals(channels, 4, 1, 1)
            nodes.append(N("Conv", [f"{scale}.r", f"{scale}.{end}.w"], [f"{scale}.{end}"]))
        nodes.append(N("Concat", [f"{scale}.box", f"{scale}.score"], [f"{scale}.out"], axis=1))
    ends = [value("a.out", 1, 19, 4, 8), value("b.out", 1, 19, 2, 4)]
    model = network(nodes, [value("images", 1, 3, 16, 32)], ends, weights)
    helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog', 2: 'owl'}"})
    return model


def sound() -> dict[str, onnx.ModelProto]:
    """The networks; those of single operators come from tests/operators."""
    found = {
        "classifier": classifier(),
        "detector": detector(),
        "integers": integers(),
        "old": old(),
        "transformer": transformer(),
        "written_out": written_out(),
    }
    for each in sorted(module.name for module in pkgutil.iter_modules(tests.operators.__path__)):
        module = importlib.import_module(f"tests.operators.{each}")
        if each.startswith("test_") or not hasattr(module, "EXAMPLES"):
            continue
        for operator, examples in module.EXAMPLES.items():
            for number, example in enumerate(examples):
                found[f"{operator} {number}"] = model_of(operator, example)
    return found


# Damage ------------------------------------------------------------------------------------------


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes_of(attribute.g)


def _side(rng: random.Random, model: onnx.ModelProto) -> None:
    """Change a side of an input, of an output or of a weight."""
    graph = model.graph
    match rng.randrange(3):
        case 0 if graph.input:
            shape = rng.choice(graph.input).type.tensor_type.shape
            match rng.randrange(5):
                case 0:
                    del shape.dim[:]
                case 1:
                    shape.dim.add().dim_value = rng.choice(SIDES)
                case _ if shape.dim:
                    side = rng.choice(shape.dim)
                    if rng.random() < 0.2:
                        side.dim_param = rng.choice(("N", "", "H"))
                    else:
                        side.dim_value = rng.choice(SIDES)
        case 1 if graph.output:
            kind = rng.choice(graph.output).type
            if rng.random() < 0.3:
                kind.tensor_type.elem_type = rng.randrange(30)
            elif kind.tensor_type.shape.dim:
                rng.choice(kind.tensor_type.shape.dim).dim_value = rng.choice(SIDES)
        case _ if graph.initializer:
            dims = rng.choice(graph.initializer).dims
            if dims:
                dims[rng.randrange(len(dims))] = rng.choice(SIDES)
            else:
                dims.append(rng.choice(SIDES))


def _kind(rng: random.Random, model: onnx.ModelProto) -> None:
    """Change the type of a value or a weight."""
    graph = model.graph
    if rng.random() < 0.5 and graph.initializer:
        rng.choice(graph.initializer).data_type = rng.randrange(30)
    elif graph.input:
        one = rng.choice(graph.input)
        if rng.random() < 0.2:
            one.type.Clear()
        elif rng.random() < 0.2:
            one.type.sequence_type.elem_type.tensor_type.elem_type = FLOAT
        else:
            one.type.tensor_type.elem_type = rng.randrange(30)


def _numbers(rng: random.Random, model: onnx.ModelProto) -> None:
    """Change the numbers of a weight, or how many there are."""
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    try:
        array = numpy_helper.to_array(tensor).copy()
    except Exception:
        return
    flat = array.reshape(-1)
    match rng.randrange(5):
        case 0 if flat.size:
            place = rng.randrange(flat.size)
            with np.errstate(all="ignore"):
                if array.dtype.kind == "f":
                    flat[place] = rng.choice(REALS)
                elif array.dtype.kind in "iu":
                    flat[place] = np.array(rng.choice(SIDES)).astype(array.dtype)
        case 1:
            with np.errstate(all="ignore"):
                flat[:] = np.array(rng.choice((0, -1, 2**31 - 1))).astype(array.dtype)
        case 2 if array.dtype.kind == "f":
            flat[:] = rng.choice(REALS)
        case 3:
            array = array.reshape(-1)[: rng.randrange(flat.size + 1)]
        case _:
            array = np.repeat(array.reshape(-1), rng.choice((0, 2, 3)))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    if rng.random() < 0.2:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]


def _huge(rng: random.Random, model: onnx.ModelProto) -> None:
    """Add a constant that is made large by a node."""
    shape = rng.choice(([2**31], [2**20, 2**20], [60_000, 60_000], [2**62], [-1], [3, 0], [2**26]))
    operator = rng.choice(
        ("ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "EyeLike", "Pad")
    )
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(shape), "huge"))
    name = graph.node[0].input[0] if graph.node and graph.node[0].input else "x"
    match operator:
        case "ConstantOfShape":
            graph.node.insert(0, N(operator, ["huge"], ["made"]))
        case "Range":
            for one, number in (("begin", 0), ("end", shape[0]), ("step", 1)):
                graph.initializer.append(numpy_helper.from_array(np.array(number), one))
            graph.node.insert(0, N(operator, ["begin", "end", "step"], ["made"]))
        case "OneHot":
            graph.initializer.append(numpy_helper.from_array(np.array([0, 1]), "values"))
            graph.initializer.append(numpy_helper.from_array(np.array(shape[0]), "depth"))
            graph.node.insert(0, N(operator, ["huge", "depth", "values"], ["made"]))
        case "EyeLike":
            graph.node.insert(0, N("ConstantOfShape", ["huge"], ["flat"]))
            graph.node.insert(1, N(operator, ["flat"], ["made"]))
        case _:
            graph.node.insert(0, N(operator, [name, "huge"], ["made"]))
    if rng.random() < 0.5:
        graph.output.append(value("made", *shape))
    elif len(graph.node) > 1 and graph.node[-1].input:
        graph.node[-1].input[0] = "made"


def _attribute(rng: random.Random, model: onnx.ModelProto) -> None:
    """Change an attribute: its numbers, its kind, its name."""
    found = [(node, each) for node in nodes_of(model.graph) for each in node.attribute]
    if not found:
        return
    node, one = rng.choice(found)
    match rng.randrange(8):
        case 0:
            node.attribute.remove(one)
        case 1:
            one.type = rng.randrange(15)  # type: ignore[assignment]
        case 2:
            one.name = rng.choice([each.name for _, each in found])
        case 3 if one.ints:
            del one.ints[rng.randrange(len(one.ints))]
        case 4 if one.ints:
            one.ints.extend([rng.choice(SIDES)] * rng.choice((1, 2, 100)))
        case 5:
            node.attribute.append(one)
        case _:
            if one.ints:
                one.ints[rng.randrange(len(one.ints))] = rng.choice(SIDES)
            elif one.HasField("i"):
                one.i = rng.choice(SIDES)
            elif one.HasField("f"):
                one.f = rng.choice(REALS)
            elif one.HasField("s"):
                one.s = rng.choice((b"", b"x", b"\xff", b"linear", b"SAME_UPPER", b"a" * 5000))
            elif one.HasField("t"):
                one.t.CopyFrom(numpy_helper.from_array(reals(rng.choice((0, 1, 3)))))


def _plumbing(rng: random.Random, model: onnx.ModelProto) -> None:
    """Change what a node reads and makes: missing, doubled, in a circle."""
    found = list(nodes_of(model.graph))
    if not found:
        return
    node, other = rng.choice(found), rng.choice(found)
    names = [name for each in found for name in (*each.input, *each.output)]
    names += [tensor.name for tensor in model.graph.initializer]
    match rng.randrange(9):
        case 0 if node.input:
            del node.input[rng.randrange(len(node.input))]
        case 1 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice([*names, *NAMES])
        case 2 if node.output:
            node.output[rng.randrange(len(node.output))] = rng.choice([*names, *NAMES])
        case 3 if node.input and other.output:
            node.input[0] = other.output[0]
        case 4:
            node.input.extend([rng.choice(names)] * rng.choice((1, 2, 40)))
        case 5:
            node.output.extend([rng.choice([*names, "", "more"])] * rng.choice((1, 2, 9)))
        case 6:
            del node.output[:]
        case 7:
            del node.input[:]
        case _:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            model.graph.node.insert(rng.randrange(len(model.graph.node) + 1), copy)


def _operator(rng: random.Random, model: onnx.ModelProto) -> None:
    """Call another operator."""
    found = list(nodes_of(model.graph))
    if not found:
        return
    node = rng.choice(found)
    kinds = [each.name for each in onnx.defs.get_all_schemas()]
    node.op_type = rng.choice((rng.choice(kinds), rng.choice(found).op_type, *NAMES[:7]))
    if rng.random() < 0.2:
        node.domain = rng.choice(("own", "com.microsoft", "ai.onnx", "ai.onnx.ml", "x" * 900))


def _nodes(rng: random.Random, model: onnx.ModelProto) -> None:
    """Drop, swap or repeat nodes, inputs, outputs and weights."""
    graph = model.graph
    parts = rng.choice((graph.node, graph.node, graph.input, graph.output, graph.initializer))
    if not parts:
        return
    place = rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            del parts[place]
        case 1:
            parts.append(parts[place])
        case 2:
            copies = [type(each).FromString(each.SerializeToString()) for each in parts]
            rng.shuffle(copies)
            del parts[:]
            parts.extend(copies)
        case _:
            del parts[:]


def _names(rng: random.Random, model: onnx.ModelProto) -> None:
    """Rename a value where it is declared."""
    graph = model.graph
    parts = [*graph.input, *graph.output, *graph.initializer]
    if parts:
        rng.choice(parts).name = rng.choice([*NAMES, *(each.name for each in parts)])


def _version(rng: random.Random, model: onnx.ModelProto) -> None:
    match rng.randrange(5):
        case 0:
            model.ir_version = rng.choice(VERSIONS)
        case 1:
            del model.opset_import[:]
        case 2:
            model.opset_import.append(helper.make_opsetid(rng.choice(("", "own", "x")), 1))
        case _ if model.opset_import:
            rng.choice(model.opset_import).version = rng.choice(VERSIONS)


def _external(rng: random.Random, model: onnx.ModelProto) -> None:
    """Let a weight lie in another file, in or outside the folder."""
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    places = (
        "../../etc/passwd",
        "/etc/passwd",
        "net.onnx",
        "",
        ".",
        "none.bin",
        "a\0b",
        "\udc80"[:0],
    )
    entries = {"location": rng.choice(places)}
    if rng.random() < 0.7:
        entries["offset"] = str(rng.choice((0, 1, 4096, -1, 2**63, "x")))
    if rng.random() < 0.7:
        entries["length"] = str(rng.choice((0, 4, 2**40, -1, "x", 10**30)))
    for key, text in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text


def _within(rng: random.Random, model: onnx.ModelProto) -> None:
    """Nest graphs deeply, and let functions call each other in a circle."""
    graph = model.graph
    match rng.randrange(4):
        case 0:
            inner = helper.make_graph([N("Relu", ["x"], ["deep"])], "g", [], [value("deep", 1)])
            for _ in range(rng.choice((3, 20, 90))):
                node = N("If", ["yes"], ["deep"], then_branch=inner, else_branch=inner)
                inner = helper.make_graph([node], "g", [], [value("deep", 1)])
                if inner.ByteSize() > 1 << 15:
                    node = N("If", ["yes"], ["deep"], then_branch=inner)
                    break
            graph.node.append(N("If", ["yes"], ["deep"], then_branch=inner, else_branch=inner))
        case 1:
            sets = list(model.opset_import) or [helper.make_opsetid("", 18)]
            if not any(each.domain == "own" for each in sets):
                model.opset_import.append(helper.make_opsetid("own", 1))
            calls = rng.choice((1, 2, 8))
            for number in range(12):
                to = f"F{(number + 1) % rng.choice((12, 13))}"
                inner = [N(to, ["a"], [f"b{i}"], domain="own") for i in range(calls)]
                inner.append(N("Identity", ["b0"], ["b"]))
                one = helper.make_function("own", f"F{number}", ["a"], ["b"], inner, sets)
                model.functions.append(one)
            if graph.node and graph.node[0].input:
                graph.node.insert(0, N("F0", [graph.node[0].input[0]], ["called"], domain="own"))
        case 2:
            count = rng.choice((0, 3, 2000, 2**31, 2**62, -1))
            graph.initializer.append(numpy_helper.from_array(np.array(count), "count"))
            for node in graph.node:
                if node.op_type == "Loop":
                    node.input[0] = "count"
        case _ if model.functions:
            one = rng.choice(model.functions)
            match rng.randrange(4):
                case 0:
                    one.name = rng.choice(("Swish", "Inner", "Conv", ""))
                case 1 if one.node:
                    one.node[0].input[0] = rng.choice(NAMES)
                case 2:
                    del one.input[:]
                case _:
                    one.output.extend(["b", "b"])


def _metadata(rng: random.Random, model: onnx.ModelProto) -> None:
    keys = ("classes", "tatami", "state", "input", "decoding", "task", "tatami.input")
    texts = ("", "[]", "{}", "null", '{"x": 1}', "[" * 2000, '{"x": "y"}', "1e999", '["a"]')
    for _ in range(rng.choice((1, 3))):
        entry = model.metadata_props.add()
        entry.key, entry.value = rng.choice(keys), rng.choice(texts)


DAMAGE: tuple[Callable[[random.Random, onnx.ModelProto], None], ...] = (
    *(_side, _side, _kind, _numbers, _numbers, _huge, _attribute, _attribute, _attribute),
    *(_plumbing, _plumbing, _plumbing, _operator, _nodes, _names, _version, _external, _within),
    _metadata,
)


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Damage the structure of a network, in one to three places."""
    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(DAMAGE)(rng, model)
    return model.SerializeToString()
