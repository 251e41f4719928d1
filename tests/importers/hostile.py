"""Damaged files of every door, many of them: a worker of test_hostile.py.

It runs by itself, with bounds on its memory and on the time of each file, and takes each damaged
network through what ``tatami import`` and ``tatami summary`` do. At the end it prints a line of
JSON: how many were imported, how many refused in one line, and what happened to all others.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from tatami.errors import TatamiError
from tatami.pipeline.import_network import import_network
from tatami.pipeline.summary import summary
from tests.importers import hostile_files

MEMORY = 3 << 30
"""Bytes of address space, of which the libraries take most."""
SECONDS = 20.0
"""Of one file, of the processor's time, for a machine may have more to do; a usual one takes a few
milliseconds."""
MAX_MESSAGE = 2000

Files = dict[str, bytes]
Damaged = Callable[[random.Random], Files]
"""Make the files of a damaged network."""


def _of_files(make: Callable[[], Files], *texts: str) -> tuple[Files, Damaged]:
    """Damage one of the files of a network; those with an ending of ``texts`` as text."""
    sound = make()

    def damaged(rng: random.Random) -> Files:
        name = rng.choice(sorted(sound))
        text = Path(name).suffix in texts
        change = hostile_files.mutated_text if text else hostile_files.mutated_bytes
        return {**sound, name: change(rng, sound[name])}

    return sound, damaged


def darknet() -> tuple[Files, Damaged]:
    return _of_files(hostile_files.darknet, ".cfg")


def caffe() -> tuple[Files, Damaged]:
    return _of_files(hostile_files.caffe, ".prototxt")


def ncnn() -> tuple[Files, Damaged]:
    return _of_files(hostile_files.ncnn, ".param")


def torch_state() -> tuple[Files, Damaged]:
    sound = hostile_files.torch_state()
    network = sound.pop("net.onnx")

    def damaged(rng: random.Random) -> Files:
        content = sound[rng.choice(sorted(sound))]
        if rng.random() < 0.95:
            content = hostile_files.mutated_bytes(rng, content)
        return {"net.onnx": network, "net.pth": content}

    return {"net.onnx": network, "net.pth": sound["zip.pth"]}, damaged


def onnx_file() -> tuple[Files, Damaged]:
    from tests.importers import hostile_onnx

    sound = {name: one.SerializeToString() for name, one in hostile_onnx.sound().items()}
    large = ("classifier", "detector", "integers", "old", "transformer", "written_out")

    def damaged(rng: random.Random) -> Files:
        content = sound[rng.choice(large if rng.random() < 0.6 else sorted(sound))]
        change = hostile_files.mutated_bytes if rng.random() < 0.25 else hostile_onnx.mutated
        return {"net.onnx": change(rng, content)}

    return {"net.onnx": sound["classifier"]}, damaged


def tflite() -> tuple[Files, Damaged]:
    from tests.importers import hostile_tflite

    sound = hostile_tflite.sound()
    written = {name: one.file.content(*one.outputs) for name, one in sound.items()}

    def damaged(rng: random.Random) -> Files:
        name = rng.choice(sorted(sound))
        if rng.random() < 0.3:
            return {"net.tflite": hostile_files.mutated_bytes(rng, written[name])}
        return {"net.tflite": hostile_tflite.mutated(rng, sound[name])}

    return {"net.tflite": written["ssd"]}, damaged


KINDS: dict[str, tuple[Callable[[], tuple[Files, Damaged]], tuple[str, ...]]] = {
    "darknet": (darknet, ("net.cfg", "net.weights")),
    "caffe": (caffe, ("net.prototxt", "net.caffemodel")),
    "ncnn": (ncnn, ("net.param", "net.bin")),
    "torch": (torch_state, ("net.pth",)),
    "onnx": (onnx_file, ("net.onnx",)),
    "tflite": (tflite, ("net.tflite",)),
}
"""What makes networks of each kind, and the files that are named to import one."""


def take(kind: str, folder: Path) -> None:
    """Import the files of a folder, and sum up what was made of them."""
    files = [folder / name for name in KINDS[kind][1]]
    out = folder / "out.onnx"
    epsilon = "inside:1e-5" if kind == "darknet" else None
    into = folder / "net.onnx" if kind == "torch" else None
    found = import_network(*files, program=kind, out=out, epsilon=epsilon, into=into)
    found.lines()
    json.dumps(found.to_json())
    counted = summary(out)
    counted.tables()
    counted.lines()
    json.dumps(counted.to_json())


def fault(kind: str, folder: Path) -> str:
    """Say what is wrong with how files were read, or "imported" or "refused"."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        take(kind, folder)
    except TatamiError as error:
        said = str(error)
        one_line = len(said.splitlines()) == 1 and len(said) < MAX_MESSAGE
        return "refused" if one_line else f"said {said[:300]!r}"
    except BaseException:
        return traceback.format_exc()[-2500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "imported"


def _too_long(signal_: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def main(kind: str, seed: int, count: int, folder: Path, first: int = 0) -> None:
    """Read ``count`` damaged networks of a kind, and print a line of JSON at the end."""
    faulthandler.enable()
    warnings.simplefilter("error")  # a line on the terminal that no user asked for
    sound, damaged = KINDS[kind][0]()
    signal.signal(signal.SIGPROF, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    faults = []
    counts = {"imported": 0, "refused": 0}
    begin, slowest = time.monotonic(), 0.0
    for number in range(first, first + count):
        (folder / "number").write_text(str(number))  # where the worker itself ends
        (folder / "out.onnx").unlink(missing_ok=True)
        for name, content in damaged(random.Random(f"{seed} {kind} {number}")).items():
            (folder / name).write_bytes(content)
        since = time.process_time()
        found = fault(kind, folder)
        slowest = max(slowest, time.process_time() - since)
        if found in counts:
            counts[found] += 1
        else:
            faults.append({"number": number, "fault": found})
    for name, content in sound.items():
        (folder / name).write_bytes(content)
    take(kind, folder)  # the worker can still import what is sound
    took = {"seconds": time.monotonic() - begin, "slowest": slowest}
    print(json.dumps({"faults": faults, **counts, **took}))


if __name__ == "__main__":
    main(
        sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), *map(int, sys.argv[5:])
    )
