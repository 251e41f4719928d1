"""The floor: an ONNX network as nested loops in C over static arrays, weights as one text array.

What a straightforward generator writes: channels first, no blocking, no fusing.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

_CONV = """static void conv(const float *x, int c, int h, int w, const float *k, const float *b,
    int o, int kh, int kw, int s, int top, int left, int groups, float *y, int oh, int ow) {
  int per = c / groups;
  for (int m = 0; m < o; m++) for (int i = 0; i < oh; i++) for (int j = 0; j < ow; j++) {
    float sum = b[m];
    for (int d = 0; d < per; d++) for (int u = 0; u < kh; u++) for (int v = 0; v < kw; v++) {
      int r = i * s + u - top, q = j * s + v - left;
      if (r < 0 || r >= h || q < 0 || q >= w) continue;
      sum += k[((m * per + d) * kh + u) * kw + v] *
             x[((m / (o / groups) * per + d) * h + r) * w + q];
    }
    y[(m * oh + i) * ow + j] = sum;
  }
}
static void act(const float *x, int n, float slope, float *y) {
  for (int i = 0; i < n; i++) y[i] = x[i] < 0 ? slope * x[i] : x[i];
}
static void pool(const float *x, int c, int h, int w, int k, int s, float *y, int oh, int ow) {
  for (int d = 0; d < c; d++) for (int i = 0; i < oh; i++) for (int j = 0; j < ow; j++) {
    float best = -1e30f;
    for (int u = 0; u < k; u++) for (int v = 0; v < k; v++) {
      int r = i * s + u, q = j * s + v;
      if (r < h && q < w && x[(d * h + r) * w + q] > best) best = x[(d * h + r) * w + q];
    }
    y[(d * oh + i) * ow + j] = best;
  }
}
static void mean(const float *x, int c, int n, float *y) {
  for (int d = 0; d < c; d++) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += x[d * n + i];
    y[d] = sum / (float)n;
  }
}
"""


def build(model: onnx.ModelProto, folder: Path) -> Path:
    """A library with run(images, output...); beside it a JSON of the outputs' shapes."""
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output)
    }
    outputs = [value.name for value in model.graph.output]
    parameters = ", ".join(f"float *{name}" for name in outputs)
    blob = [numpy_helper.to_array(one).ravel() for one in model.graph.initializer]
    starts = dict(
        zip(
            [one.name for one in model.graph.initializer],
            np.cumsum([0, *(len(one) for one in blob)])[:-1],
            strict=True,
        )
    )
    arrays, calls = [], []
    for node in model.graph.node:
        a = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        x, y = node.input[0], node.output[0]
        _, c, h, w = shapes[x]
        _, o, oh, ow = shapes[y]
        if y not in outputs:
            arrays.append(f"static float {y}[{o * oh * ow}];")
        if node.op_type == "Conv":
            k = next(one.dims for one in model.graph.initializer if one.name == node.input[1])
            weight, bias = (f"W + {starts[name]}" for name in node.input[1:3])
            calls.append(
                f"conv({x}, {c}, {h}, {w}, {weight}, {bias}, {o}, {k[2]}, {k[3]}, "
                f"{a['strides'][0]}, {a['pads'][0]}, {a['pads'][1]}, {a['group']}, "
                f"{y}, {oh}, {ow});"
            )
        elif node.op_type in ("LeakyRelu", "Relu"):
            calls.append(f"act({x}, {c * h * w}, {a.get('alpha', 0.0)}f, {y});")
        elif node.op_type == "MaxPool":
            calls.append(f"pool({x}, {c}, {h}, {w}, 2, {a['strides'][0]}, {y}, {oh}, {ow});")
        else:
            calls.append(f"mean({x}, {c}, {h * w}, {y});")
    np.concatenate(blob).astype("<f4").tofile(folder / "naive.bin")
    source = [
        '__asm__(".section .rodata\\n.balign 64\\nW:\\n.incbin \\"naive.bin\\"\\n.previous\\n");',
        'extern const float W[] __attribute__((visibility("hidden")));',
        *(_CONV, *arrays, f"void run(const float *images, {parameters}) {{", *calls, "}"),
    ]
    (folder / "naive.c").write_text("\n".join(source))
    library = folder / "naive.so"
    command = ["cc", "-std=gnu99", "-O3", "-fPIC", "-shared", "naive.c", "-o", "naive.so"]
    subprocess.run(command, cwd=folder, check=True)
    library.with_suffix(".json").write_text(json.dumps([shapes[name][1:] for name in outputs]))
    return library
