"""An ONNX network of the benchmark as ncnn's .param and .bin: text, and raw float32."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import numpy_helper


def write(model: onnx.ModelProto, param: Path) -> None:
    """FILE.param, FILE.bin, and FILE.outputs with the outputs' names."""
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    uses: dict[str, int] = {}
    for node in model.graph.node:
        uses[node.input[0]] = uses.get(node.input[0], 0) + 1
    lines, blobs, weights = ["Input images 0 1 images"], 1, b""
    renamed: dict[str, list[str]] = {}

    def source(name: str) -> str:
        return renamed[name].pop() if name in renamed else name

    for node in model.graph.node:
        a = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        given, made = source(node.input[0]), node.output[0]
        ends = f"{made} 1 1 {given} {made}"
        if node.op_type == "Conv":
            w, b = arrays[node.input[1]], arrays[node.input[2]]
            kind = "ConvolutionDepthWise" if a["group"] > 1 else "Convolution"
            top, left, bottom, right = a["pads"]
            line = (
                f"{kind} {ends} 0={len(w)} 1={w.shape[3]} 11={w.shape[2]} 2=1 3={a['strides'][1]}"
            )
            line += f" 4={left} 14={top} 15={right} 16={bottom} 5=1 6={w.size}"
            line += f" 7={a['group']}" if a["group"] > 1 else ""
            weights += b"\0\0\0\0" + w.tobytes() + b.tobytes()
        elif node.op_type in ("LeakyRelu", "Relu"):
            line = f"ReLU {ends} 0={a.get('alpha', 0.0)}"
        elif node.op_type == "MaxPool":
            pads = a.get("pads", [0, 0, 0, 0])
            line = f"Pooling {ends} 0=0 1=2 2={a['strides'][0]} 3={pads[1]} 13={pads[0]}"
            line += f" 14={pads[3]} 15={pads[2]} 5=1"
        else:
            line = f"Pooling {ends} 0=1 4=1"
        lines.append(line)
        blobs += 1
        if uses.get(made, 0) > 1:  # ncnn reads a blob once: a Split makes copies
            copies = [f"{made}_{index}" for index in range(uses[made])]
            lines.append(f"Split split_{made} 1 {len(copies)} {made} {' '.join(copies)}")
            blobs += len(copies)
            renamed[made] = copies
    text = f"7767517\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n"
    param.write_text(text)
    param.with_suffix(".bin").write_bytes(weights)
    names = " ".join(value.name for value in model.graph.output)
    param.with_suffix(".outputs").write_text(names)
