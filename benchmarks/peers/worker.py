"""One engine with one network, in a process of its own: loads, answers, and times itself.

    python worker.py ENGINE FILE THREADS INPUT.npy OUTPUT.npz

prints a line of JSON when it is ready; then for every line "K" on standard input it runs the
network K times and prints for each the milliseconds, processor time for one thread, else wall time,
and how often the system took the core away meanwhile. With one thread it stays on one core.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[], list[np.ndarray]]


def onnxruntime_(file: Path, threads: int, image: np.ndarray) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: image})


def openvino_(file: Path, threads: int, image: np.ndarray) -> Run:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the processor has it
    }
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    request = compiled.create_infer_request()

    def run() -> list[np.ndarray]:
        request.infer({0: image})
        return [request.get_output_tensor(i).data for i in range(len(compiled.outputs))]

    return run


def ncnn_(file: Path, threads: int, image: np.ndarray) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for name in dir(net.opt):
        if "fp16" in name or "bf16" in name:
            setattr(net.opt, name, False)
    net.load_param(str(file))
    net.load_model(str(file.with_suffix(".bin")))
    outputs = file.with_suffix(".outputs").read_text().split()

    def run() -> list[np.ndarray]:
        extractor = net.create_extractor()
        extractor.input("images", ncnn.Mat(image[0]))
        return [np.array(extractor.extract(name)[1])[None] for name in outputs]

    return run


def litert_(file: Path, threads: int, image: np.ndarray) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=threads)
    interpreter.allocate_tensors()
    given, results = interpreter.get_input_details()[0], interpreter.get_output_details()
    data = np.ascontiguousarray(image.transpose(0, 2, 3, 1))
    if given["dtype"] == np.int8:
        scale, zero = given["quantization"]
        data = np.clip(np.rint(data / scale) + zero, -128, 127).astype(np.int8)

    def real(one: dict) -> np.ndarray:
        array = interpreter.get_tensor(one["index"])
        if array.dtype == np.int8:
            scale, zero = one["quantization"]
            array = (array.astype(np.float32) - zero) * np.float32(scale)
        return array.transpose(0, 3, 1, 2)

    def run() -> list[np.ndarray]:
        interpreter.set_tensor(given["index"], data)
        interpreter.invoke()
        return [real(one) for one in results]

    return run


def tatami_(folder: Path, threads: int, image: np.ndarray) -> Run:
    """A folder that `tatami ship` wrote, as a library of its own."""
    about = json.loads((folder / "network.json").read_text())
    name = about["name"]
    library = Path(tempfile.mkdtemp()) / "net.so"
    weights = next(one.name for one in folder.glob(f"{name}_weights.[cS]"))
    command = ["cc", "-std=c99", "-O3", "-fPIC", "-shared", f"-D{name.upper()}_THREADS={threads}"]
    files = [f"{name}.c", weights, "-o", str(library), "-lm", "-lpthread"]
    subprocess.run([*command, *files], cwd=folder, check=True)
    code = ctypes.CDLL(str(library))
    choose = getattr(code, f"{name}_kernels")
    choose.restype = ctypes.c_char_p
    variant = os.environ.get("VARIANT", "")
    assert choose(variant.encode() if variant else None) is not None, variant
    values = {one["name"]: one for one in about["values"]}

    def last(array: np.ndarray, value: dict) -> np.ndarray:
        found = np.ascontiguousarray(array.transpose(1, 2, 0), np.float32)
        quantization = value.get("quantization")
        if quantization:
            scale, zero = np.float32(quantization["scale"]), quantization["zero_point"]
            return np.clip(np.rint(found / scale) + zero, 0, 255).astype(np.uint8)
        return found

    given = last(image[0], values[about["inputs"][0]])
    shapes = [values[one]["shape"] for one in about["outputs"]]
    results = [np.zeros((r, c, k), np.float32) for k, r, c in shapes]
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (given, *results)]
    forward = getattr(code, f"{name}_forward")

    def run() -> list[np.ndarray]:
        forward(*pointers)
        return [array.transpose(2, 0, 1)[None] for array in results]

    return run


def naive_(library: Path, threads: int, image: np.ndarray) -> Run:
    """Nested loops over static arrays, the plainest C: see naive.py."""
    code = ctypes.CDLL(str(library))
    shapes = json.loads(library.with_suffix(".json").read_text())
    data = np.ascontiguousarray(image[0])
    results = [np.zeros(shape, np.float32) for shape in shapes]
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (data, *results)]

    def run() -> list[np.ndarray]:
        code.run(*pointers)
        return [array[None] for array in results]

    return run


ENGINES = {
    "onnxruntime": onnxruntime_,
    "openvino": openvino_,
    "ncnn": ncnn_,
    "litert": litert_,
    "tatami": tatami_,
    "naive": naive_,
}


def main() -> None:
    engine, file, threads, source, target = sys.argv[1:]
    image = np.load(source)
    count = int(threads)
    if count == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    clock = time.process_time if count == 1 else time.perf_counter
    run = ENGINES[engine](Path(file), count, image)
    outputs = run()
    np.savez(target, *outputs)
    for _ in range(3):
        run()
    status = Path("/proc/self/status").read_text()
    memory = int(next(x.split()[1] for x in status.splitlines() if x.startswith("VmHWM"))) * 1024
    print(json.dumps({"memory": memory}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
            started = clock()
            run()
            spent = 1000 * (clock() - started)
            taken = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before
            times.append([spent, taken])
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
