"""Search against random search and the default recipe, at equal time of the processor.

    taskset -c 0 python benchmarks/search.py FOLDER [--seconds 30] [--seed 0]

Each arm may spend as many seconds of one core on crops of the embedded digits, with LeNet-5: TPE
with successive halving; random search, every training to its end; and one training by the network's
own recipe, as long as the time allows. Whatever validates best in its arm is measured on the test
pictures, which no arm has seen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from digit_crops import cut

import tatami
from tatami.data.digits import write_digits
from tatami.errors import Stopped
from tatami.pipeline.search import search
from tatami.pipeline.search_result import SearchResult
from tatami.types import Size

TRAIN, TEST = 150, 300
"""Pictures, of several digits each."""
EPOCHS = 9
VARY = (
    "learning_rate=1e-4..1e-1",
    "batch=8,16,32",
    "optimizer=sgd,adamw",
    "ema_decay=0.9,0.98,0.998",
    "flip=0..0.5",
    "augment=usual,off",
)
MODEL = "lenet5"


def spent() -> float:
    """Seconds of the processor, of this process and those that it started."""
    return sum(os.times()[:4])


def until(seconds: float) -> Callable[..., None]:
    """A progress that lets no trial begin when so much has been spent."""
    before = spent()

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "Trials" and spent() - before >= seconds:
            raise KeyboardInterrupt
        if not total:
            print(stage, flush=True)

    return progress


def arm(
    data: Path, out: Path, seconds: float, seed: int, sampler: str, pruner: str
) -> SearchResult:
    fixed = [f"epochs={EPOCHS}"]
    with contextlib.suppress(Stopped):
        search(
            MODEL, data, out, vary=VARY, fixed=fixed, trials=10_000, sampler=sampler,
            pruner=pruner, seed=seed, threads=1, progress=until(seconds),
        )  # fmt: skip
    return search(None, data, out, trials=1)  # which is over: it reads what there is


def tested(run: str | Path, data: Path) -> float:
    return tatami.evaluate(run, data, split="test").figure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    digits, data = given.folder / "digits", given.folder / "crops"
    if not data.exists():
        write_digits(digits, train=TRAIN, test=TEST, size=Size.parse("128x128"), seed=0)
        for split in ("train", "test"):
            cut(digits, split, lambda number, split=split: data / split)
    rows = {}
    for name, sampler, pruner in (("search", "tpe", "halving"), ("random", "random", "none")):
        out = given.folder / f"{name}-{given.seed}"
        found = arm(data, out, given.seconds, given.seed, sampler, pruner)
        best = found.front[0]
        seconds = sum(one.seconds for one in found.trials)
        first = found.trials[0]  # the network's own recipe, as it began
        rows[name] = {
            "seconds": seconds,
            "trials": len([one for one in found.trials if one.state != "broken off"]),
            "complete": len([one for one in found.trials if one.state == "complete"]),
            "validated": best.accuracy,
            "test": tested(str(best.folder), data),
            "values": best.varied,
        }
        print(json.dumps({name: rows[name]}), flush=True)
    epochs = max(1, round(given.seconds / (first.seconds / first.evaluations)))
    before, run = spent(), given.folder / f"default-{given.seed}"
    tatami.train(
        MODEL, data, run, epochs=epochs, seed=given.seed, validate="0.2",
        changes={"evaluate_every": 1}, threads=1,
    )  # fmt: skip
    rows["default"] = {"seconds": spent() - before, "epochs": epochs, "test": tested(run, data)}
    print(json.dumps({"default": rows["default"]}), flush=True)
    (given.folder / f"search-{given.seed}.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
