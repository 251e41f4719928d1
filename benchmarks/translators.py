"""A translator's two networks in Tatami's C and in ONNX Runtime, in one run, taking turns.

    python benchmarks/translators.py RUN SENTENCES [--count 100] [--rounds 9] [--json]

RUN is a run folder whose networks were quantized and shipped: network.onnx, decoder.onnx and their
int8 twins, c/ and c-int8/. SENTENCES has one a line. Every engine translates the same sentences
greedily on one thread; a time is processor time a sentence, the median of all rounds. ONNX Runtime
runs the same two graphs, its states handed from call to call as arrays that nobody copies; the rest
of the search is a line of NumPy. The C is the shipped example, with text in and tokens out.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from tatami import graph
from tatami.graph.state import states_of
from tatami.rules.text import Tokens
from tatami.rules.translation import fitted
from tatami.ship.c.run.description import describe_joined
from tatami.ship.c.tasks.translation import build_translator
from tatami.types.specs import TranslationSpec
from tatami.types.text import BEGIN, END

Translations = list[list[int]]


def in_c(
    folder: Path, texts: list[str], temporary: str
) -> Callable[[], tuple[float, Translations]]:
    """The shipped program, compiled with a beam of 1; its time is that of its process."""
    about = describe_joined(folder)
    assert about is not None
    program = Path(temporary) / folder.name
    build_translator(folder, about.name, program, beam=1)
    lines = "".join(f"{text}\n" for text in texts).encode()

    def run() -> tuple[float, Translations]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([program, "--tokens"], input=lines, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return spent, [[int(one) for one in line.split()] for line in done.stdout.splitlines()]

    return run


def in_onnx_runtime(
    encoder: Path, decoder: Path, texts: list[str]
) -> Callable[[], tuple[float, Translations]]:
    """Both graphs in ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    first, second = (
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        for file in (encoder, decoder)
    )
    network = graph.read(decoder)
    states, spec = states_of(network), network.spec
    assert isinstance(spec, TranslationSpec)
    rule, tokens = spec.input, Tokens(spec.input)
    given = [value.name for value in first.get_outputs()]
    made = [value.name for value in second.get_outputs()]
    empty = {
        value.name: np.zeros(value.shape, np.float32)
        for value in second.get_inputs()
        if value.name in states
    }

    def translated(text: str) -> list[int]:
        source = fitted(tokens.source(text), rule.max_source)[None]
        known = dict(zip(given, first.run(None, {"source": source}), strict=True))
        token, memory, found = BEGIN, empty, []
        for place in range(rule.max_target):
            step = {"token": np.array([[token]]), "place": np.array([[place]]), **known, **memory}
            results = dict(zip(made, second.run(None, step), strict=True))
            memory = {name: results[after] for name, after in states.items()}
            token = int(results["logits"].argmax())
            if token == END:
                break
            found.append(token)
        return found

    def run() -> tuple[float, Translations]:
        begun = time.process_time()
        found = [translated(text) for text in texts]
        return time.process_time() - begun, found

    return run


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    texts = asked.sentences.read_text(encoding="utf-8").splitlines()[: asked.count]
    run: Path = asked.run
    temporary = tempfile.TemporaryDirectory()
    engines = {
        "Tatami float32": in_c(run / "c", texts, temporary.name),
        "ORT float32": in_onnx_runtime(run / "network.onnx", run / "decoder.onnx", texts),
        "Tatami int8": in_c(run / "c-int8", texts, temporary.name),
        "ORT int8": in_onnx_runtime(run / "network-int8.onnx", run / "decoder-int8.onnx", texts),
    }
    times: dict[str, list[float]] = {name: [] for name in engines}
    found: dict[str, Translations] = {}
    for _ in range(asked.rounds):
        for name, engine in engines.items():
            spent, found[name] = engine()
            times[name].append(1000 * spent / len(texts))
    rows = []
    for name in engines:
        kind = name.split()[1]
        same = sum(a == b for a, b in zip(found[name], found[f"ORT {kind}"], strict=True))
        middle = statistics.median(times[name])
        ratio = middle / statistics.median(times[f"Tatami {kind}"])
        rows.append({"engine": name, "ms": middle, "ratio": ratio, "as ORT": same})
    if asked.json:
        print(json.dumps({"sentences": len(texts), "engines": rows}, indent=1))
        return
    table = Table("engine", "ms a sentence", "to Tatami's", f"as ORT's, of {len(texts)}")
    for row in rows:
        table.add_row(
            str(row["engine"]), f"{row['ms']:.2f}", f"{row['ratio']:.2f}", str(row["as ORT"])
        )
    Console().print(table)


if __name__ == "__main__":
    main()
