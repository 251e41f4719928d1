"""Sound networks of darknet, Caffe, ncnn and torch, small, and damage to them: of hostile.py."""

from __future__ import annotations

import io
import random
import re
import struct

import numpy as np
import onnx
from onnx import helper, numpy_helper

Files = dict[str, bytes]


def reals(rng: np.random.Generator, count: int) -> bytes:
    return np.abs(rng.standard_normal(count).astype("<f4")).tobytes()


DARKNET = """[net]
width=24
height=16
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=mish

[convolutional]
filters=8
size=3
pad=1
groups=2
activation=swish

[route]
layers=-1
groups=2
group_id=1

[route]
layers=-1,0

[shortcut]
from=-1
weights_type=per_channel
weights_normalization=softmax
activation=leaky

[maxpool]
size=2
stride=2

[upsample]
stride=2
scale=.5

[reorg]
stride=2

[local]
filters=4
size=3
pad=1
activation=elu

[avgpool]

[scale_channels]
from=-2

[crop]
crop_height=4
crop_width=8

[convolutional]
filters=14
size=1
activation=linear

[yolo]
mask=0,1
anchors=1,2, 3,4, 5,6
num=3
classes=2
scale_x_y=1.05
"""


def darknet() -> Files:
    rng = np.random.default_rng(0)
    count = 4 * 8 + 8 * 27 + 8 + 8 * 36 + 2 * 12 + 8 * 12 * 4 * (1 + 9 * 48) + 14 + 14 * 4
    return {
        "net.cfg": DARKNET.encode(),
        "net.weights": struct.pack("<3iq", 0, 2, 5, 9) + reals(rng, count),
    }


CAFFE = """name: "net"
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [1, 3, 16, 24] } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "b" type: "BatchNorm" bottom: "c" top: "c" batch_norm_param { eps: 1e-3 } }
layer { name: "s" type: "Scale" bottom: "c" top: "c" scale_param { bias_term: true } }
layer { name: "p" type: "PReLU" bottom: "c" top: "c" }
layer { name: "m" type: "Pooling" bottom: "c" top: "m" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "d" type: "Deconvolution" bottom: "m" top: "d" convolution_param { num_output: 8
  group: 8 kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: "bilinear" } } }
layer { name: "x" type: "Crop" bottom: "d" bottom: "c" top: "x" crop_param { axis: 2 offset: 0 } }
layer { name: "e" type: "Eltwise" bottom: "c" bottom: "x" top: "e"
  eltwise_param { operation: SUM coeff: 0.5 coeff: -1 } }
layer { name: "l" type: "LRN" bottom: "e" top: "l" lrn_param { local_size: 3 alpha: 0.1 } }
layer { name: "n" type: "Normalize" bottom: "l" top: "n" norm_param { across_spatial: false } }
layer { name: "u" type: "Slice" bottom: "n" top: "u" top: "v" slice_param { slice_point: 3 } }
layer { name: "w" type: "Power" bottom: "u" top: "w" power_param { power: 2 shift: 1 } }
layer { name: "i" type: "Interp" bottom: "v" top: "i" interp_param { zoom_factor: 2 } }
layer { name: "f" type: "InnerProduct" bottom: "w" top: "f"
  inner_product_param { num_output: 5 } }
layer { name: "r" type: "Reduction" bottom: "i" top: "r" reduction_param { axis: 1 } }
layer { name: "loc" type: "Convolution" bottom: "m" top: "loc"
  convolution_param { num_output: 16 kernel_size: 1 } }
layer { name: "lp" type: "Permute" bottom: "loc" top: "lp" permute_param { order: [0, 2, 3, 1] } }
layer { name: "lf" type: "Flatten" bottom: "lp" top: "lf" }
layer { name: "conf" type: "Convolution" bottom: "m" top: "conf"
  convolution_param { num_output: 12 kernel_size: 1 } }
layer { name: "cp" type: "Permute" bottom: "conf" top: "cp" permute_param { order: [0, 2, 3, 1] } }
layer { name: "cf" type: "Reshape" bottom: "cp" top: "cf"
  reshape_param { shape { dim: [0, -1, 3] } } }
layer { name: "so" type: "Softmax" bottom: "cf" top: "so" softmax_param { axis: 2 } }
layer { name: "prior" type: "PriorBox" bottom: "m" bottom: "data" top: "prior" prior_box_param {
  min_size: 4 max_size: 8 aspect_ratio: 2 variance: [0.1, 0.1, 0.2, 0.2] } }
layer { name: "o" type: "DetectionOutput" bottom: "lf" bottom: "so" bottom: "prior" top: "o"
  detection_output_param { num_classes: 3 code_type: CENTER_SIZE
  nms_param { nms_threshold: 0.5 } } }
"""
CAFFE_BLOBS = {
    "c": [(8, 3, 3, 3), (8,)],
    "b": [(8,), (8,), (1,)],
    "s": [(8,), (8,)],
    "p": [(8,)],
    "n": [(1,)],
    "f": [(5, 1152), (5,)],
    "loc": [(16, 8, 1, 1), (16,)],
    "conf": [(12, 8, 1, 1), (12,)],
}


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def part(number: int, content: bytes) -> bytes:
    """A field of protobuf with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def caffe() -> Files:
    rng = np.random.default_rng(0)
    model = part(1, b"net")
    for name, shapes in CAFFE_BLOBS.items():
        layer = part(1, name.encode())
        for shape in shapes:
            sides = part(7, part(1, b"".join(map(varint, shape))))
            layer += part(7, part(5, reals(rng, int(np.prod(shape)))) + sides)
        model += part(100, layer)
    return {"net.prototxt": CAFFE.encode(), "net.caffemodel": model}


NCNN = """Input in 0 1 data 0=24 1=16 2=3
Convolution c 1 1 data c 0=8 1=3 4=1 5=1 6=216 9=6 -23310=2,0.2,0.5
Split s 1 4 c c0 c1 c2 c3
ShuffleChannel h 1 1 c0 h 0=2
Slice sl 1 2 h u v -23300=2,3,-233
Concat cc 2 1 v u cc
GroupNorm g 1 1 cc g 0=2 1=8 2=1e-3
BinaryOp b 1 1 g b 0=7 1=1 2=1.5
PReLU p 1 1 b p 0=8
Crop cr 1 1 p cr 0=2 1=2 2=1 3=8 4=8 5=-233
Pooling po 1 1 cr po 0=1 1=3 2=2 3=1 5=1
Deconvolution d 1 1 po d 0=4 1=2 3=2 5=1 6=112
Padding pa 1 1 d pa 0=1 1=2 2=1 3=1 5=1.0
Interp ip 1 1 pa ip 0=2 3=9 4=7
Permute pe 1 1 ip pe 0=3
Reduction r 1 1 pe r 0=3 1=0 -23303=2,0,1 4=1 5=1
Squeeze q 1 1 r q -23303=2,0,1
InnerProduct f 1 1 q f 0=5 1=1 2=20
MemoryData m 0 1 m 0=5
BinaryOp bm 2 1 f m bm 0=2
Softmax so 1 1 bm so
Pooling ga 1 1 c1 ga 0=1 7=1 8=3 18=2
LayerNorm ln 1 1 ga ln 0=3 1=1e-3
UnaryOp un 1 1 ln un 0=16
Reshape re 1 1 un re 0=6 1=-1
Convolution y 1 1 c2 y 0=12 1=1 5=1 6=96
Noop no 1 1 c3 no
Yolov3DetectionOutput out 1 1 y out 0=1 1=2 2=0.3 3=0.5 """
NCNN += "-23304=4,4.0,4.0,8.0,8.0 -23305=2,0.0,1.0 -23306=1,1.0\n"


def ncnn() -> Files:
    rng = np.random.default_rng(0)
    lines = NCNN.splitlines()
    tops = sum(int(line.split()[3]) for line in lines)
    text = "\n".join(("7767517", f"{len(lines)} {tops}", *lines)) + "\n"
    tag = bytes(4)
    weights = (
        tag + reals(rng, 216 + 8) + reals(rng, 16 + 8) + tag + reals(rng, 112 + 4)
        + tag + reals(rng, 20 + 5) + reals(rng, 5) + reals(rng, 6) + tag + reals(rng, 96 + 12)
    )  # fmt: skip
    return {"net.param": text.encode(), "net.bin": weights}


def torch_state() -> Files:
    import torch  # a second long, and only one kind needs it

    torch.manual_seed(0)
    state = {f"module.{name}": torch.rand(shape) for name, shape in _STATE.items()}
    state["module.norm.num_batches_tracked"] = torch.tensor(3)
    files = {"net.onnx": _with_state()}
    for name, more in (("zip", {}), ("old", {"_use_new_zipfile_serialization": False})):
        file = io.BytesIO()
        torch.save({"epoch": 3, "state_dict": state}, file, **more)
        files[f"{name}.pth"] = file.getvalue()
    odd = {
        "many": torch.zeros(1).expand(1 << 40),
        "wide": torch.zeros(1).expand(4, 3, 1 << 20, 1 << 10),
        "empty": torch.zeros(0, 3),
        "complex": torch.zeros(4, dtype=torch.complex64),
        "half": torch.ones(4, 3, 3, 3).half(),
        "bytes": torch.ones(4, dtype=torch.uint8),
    }
    for name, tensor in odd.items():
        file = io.BytesIO()
        torch.save({**state, "module.conv.weight": tensor}, file)
        files[f"{name}.pth"] = file.getvalue()
    return files


_STATE = {"conv.weight": (4, 3, 3, 3), "norm.weight": (4,), "norm.bias": (4,)}
_STATE |= {"norm.running_mean": (4,), "norm.running_var": (4,)}


_STATE = {"conv.weight": (4, 3, 3, 3), "norm.weight": (4,), "norm.bias": (4,)}
_STATE |= {"norm.running_mean": (4,), "norm.running_var": (4,)}


def _with_state() -> bytes:
    """Write the network whose weights the states hold."""
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["c"]),
        helper.make_node("BatchNormalization", ["c", *list(_STATE)[1:]], ["y"]),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", kind, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", kind, (1, 4, 6, 6))],
        [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in _STATE.items()],
    )
    sets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString()


NUMBERS = (
    *("0", "1", "-1", "2", "3", "7", "255", "65536", "1000000", "2147483647", "-2147483648"),
    *("4294967296", "99999999999999999999", "0.5", "-0.0", "1e9", "1e38", "1e39", "1e-40", "nan"),
    *("inf", "-233", "", "x", "1,1", "0x10", "9" * 400, "1e99", "-1e99", "0." + "0" * 400 + "1"),
)


def mutated_text(random_: random.Random, content: bytes) -> bytes:
    """Change a number, a word, a line or bytes of a text."""
    text = content.decode()
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        lines = text.split("\n")
        match random_.randrange(9):
            case 0 | 1 | 2:
                places = [place.span() for place in re.finditer(r"-?\d+\.?\d*(e-?\d+)?", text)]
                start, end = random_.choice(places)
                text = text[:start] + random_.choice(NUMBERS) + text[end:]
            case 3:
                del lines[random_.randrange(len(lines))]
                text = "\n".join(lines)
            case 4:
                line = random_.randrange(len(lines))
                lines[line:line] = [random_.choice(lines)] * random_.choice((1, 1, 2, 50))
                text = "\n".join(lines)
            case 5:
                words = re.findall(r"[A-Za-z_]+", text)
                places = [place.span() for place in re.finditer(r"[A-Za-z_]+", text)]
                start, end = random_.choice(places)
                text = text[:start] + random_.choice(words) + text[end:]
            case 6:
                a, b = random_.randrange(len(lines)), random_.randrange(len(lines))
                lines[a], lines[b] = lines[b], lines[a]
                text = "\n".join(lines)
            case 7:
                text = text[: random_.randrange(len(text))] or "x"
            case _:
                at = random_.randrange(len(text))
                text = (
                    text[:at]
                    + chr(random_.choice((0, 34, 61, 91, 123, 125, 200, 0x2028)))
                    + text[at:]
                )
        if not re.search(r"\d", text) or not re.search("[A-Za-z_]", text):
            break
    return text.encode()


def mutated_bytes(random_: random.Random, content: bytes) -> bytes:
    """Change, cut out, repeat or cut off bytes, more often near the begin, where lengths lie."""
    data = bytearray(content)
    for _ in range(random_.choice((1, 1, 2, 4, 8))):
        reach = random_.choice((64, 512, len(data)))
        at = random_.randrange(min(reach, len(data)))
        match random_.randrange(6):
            case 0 | 1:
                data[at] ^= 1 << random_.randrange(8)
            case 2:
                data[at] = random_.randrange(256)
            case 3:
                data[at : at + 4] = struct.pack(
                    "<I", random_.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF))
                )
            case 4:
                del data[at : at + random_.choice((1, 4, 100))]
            case _:
                data[at:at] = data[at : at + random_.choice((1, 4, 100))]
        if not data:
            break
    if random_.random() < 0.15:
        del data[random_.randrange(len(data) + 1) :]
    return bytes(data)
