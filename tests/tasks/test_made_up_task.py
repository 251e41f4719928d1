"""A fourth task, made up in this one file: it trains, evaluates, ships as C and is proved.

It guesses how bright a picture is, from 0 to 1: one number, no classes. Nothing outside this file
knows it but the rows that the test adds to the tables.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import tatami
from tatami.data.augment import Augmentation, augmented_picture
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.models import table as models
from tatami.rules.picture import prepare
from tatami.ship.c.files import Answering
from tatami.ship.c.run.predictor import Compiled, request
from tatami.ship.c.tasks.base import TaskInC
from tatami.tasks import table as tasks
from tatami.tasks.base import Answer, Difference, Evaluated, Merit, Opened, Task
from tatami.tasks.walk import walk
from tatami.train.batches import Examples
from tatami.train.recipe import Recipe
from tatami.types import InputSpec, Size, Spec, specs, strict
from tatami.types.progress import quiet

pytestmark = pytest.mark.usefixtures("one_thread")

# What its files say -------------------------------------------------------------------------------


@dataclass(frozen=True)
class BrightnessSpec(Spec):
    task: ClassVar[str] = "brightness"
    keys: ClassVar[tuple[str, ...]] = ("classes", "input", "provenance")

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content):
        return cls(
            strict.names("tatami.classes", content["classes"]),
            InputSpec.from_json(content["input"]),
            strict.texts("tatami.provenance", content["provenance"]),
        )

    def check_outputs(self, shapes):
        if list(shapes) != [(1, 1)]:
            raise TatamiError(f"one number is wanted, not {shapes}", hint="export it again")


# Its network --------------------------------------------------------------------------------------


class Brightness(nn.Module):
    def __init__(self, width=1.0):
        super().__init__()
        channels = max(4, int(8 * width))
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.last = nn.Linear(channels, 1)

    def forward(self, images):
        x = torch.relu(self.conv(images))
        return self.last(nn.functional.avg_pool2d(x, x.shape[2:]).flatten(1))

    def loss(self, raw, targets):
        return {"brightness": nn.functional.mse_loss(raw[:, 0], targets.float() / 1000)}


@dataclass(frozen=True)
class BrightnessModel(models.Model[BrightnessSpec]):
    task = "brightness"
    noun = "light meter"
    spec_type = BrightnessSpec

    def spec(self, classes, size=None, anchors=None, min_scale=None):
        return BrightnessSpec(tuple(classes), InputSpec(size or self.size))

    def build(self, spec, width=1.0):
        return self.make()(width)


ROW = BrightnessModel(lambda: Brightness, Size(16, 16), "of nobody", 1)

# Its rule, in Python and in C ---------------------------------------------------------------------


@dataclass(frozen=True)
class Meter:
    """The output, cut to 0 to 1."""

    spec: BrightnessSpec
    forward: Any

    def measure(self, picture):
        images, _ = prepare(picture, self.spec.input)
        (found,) = self.forward(images[None])
        return float(np.clip(found.reshape(-1)[0], np.float32(0), np.float32(1)))


class CompiledMeter(Compiled[BrightnessSpec]):
    use = "brightness"

    def checked(self, spec):
        return spec

    def measure(self, picture):
        return float(np.frombuffer(self.network.ask(b"B" + request(picture), 4), "<f4")[0])


SOURCE = """
float net_brightness(const uint8_t *rgb, int width, int height)
{
    net_prepare(rgb, width, height, NET_IMAGES);
    net_run();
    if (NET_LOGITS[0] < 0.0f) return 0.0f;
    return NET_LOGITS[0] > 1.0f ? 1.0f : NET_LOGITS[0];
}
"""
HEADER = """float net_brightness(const uint8_t *rgb, int width, int height);
void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);
@forward@;
"""
MAIN = '#include "net.h"\nint main(void) { return 0; }\n'
PROOF = """
static int brightness(void)
{
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides);
    float found;

    if (rgb == NULL) return 0;
    found = net_brightness(rgb, sides[0], sides[1]);
    free(rgb);
    fwrite(&found, sizeof found, 1, answers);
    return 1;
}
"""


class BrightnessInC(TaskInC[BrightnessSpec]):
    name = "brightness"
    noun = "light meter"
    letter = "B"

    def maps(self, spec):
        return 1

    def header(self):
        return HEADER

    def names(self, spec):
        return ()

    def results(self, program):
        return {"number": program.outputs[0]}

    def source(self, spec):
        return (SOURCE,)

    def example(self):
        return MAIN

    def proof(self):
        return Answering("B", "brightness", PROOF)

    def open(self, folder, machine):
        return CompiledMeter(folder, variant=machine.variant, target=machine.target)


# Its data and metrics -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Lights:
    root: Path
    split: str
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    values: tuple[float, ...]

    def __len__(self):
        return len(self.files)


@dataclass(frozen=True)
class Errors:
    worst: float
    mean: float

    def to_json(self):
        return asdict(self)


@dataclass(frozen=True)
class Nothing:
    """There is nothing to choose."""


class BrightnessTask(Task[Lights, Any, Errors]):
    name = "brightness"
    noun = "light meter"
    measure = "fit"
    specs = (BrightnessSpec,)
    augmentation = replace(
        Augmentation(), mosaic=0.0, hue=0.0, saturation=1.0, exposure=1.0, flip=0.0
    )
    settings = Nothing
    options = Nothing
    c = BrightnessInC()
    labels = "brightness"
    doing = "Measuring"
    finds = "brightness"
    merits = (Merit("fit", "fit", "1 - mean error", "fit", lambda result: 1 - result.mean),)
    answers_file = "brightness.json"

    def formats(self):
        return ("lights",)

    def splits(self, root, format):
        return tuple(sorted(file.stem for file in root.glob("*.csv")))

    def open(self, root, *, split, format, skip=()):
        rows = list(csv.reader((root / f"{split}.csv").read_text().splitlines()))
        files = tuple(root / name for name, _ in rows)
        values = tuple(float(value) for _, value in rows)
        return Opened(Lights(root, split, ("light",), files, values), Counter())

    def fingerprint(self, data):
        return hashlib.sha256(repr([data.values]).encode()).hexdigest()

    def select(self, data, places):
        return replace(
            data,
            files=tuple(data.files[place] for place in places),
            values=tuple(data.values[place] for place in places),
        )

    def picture(self, data, place):
        return read_picture(data.files[place])

    def identity(self, data, place):
        return data.files[place].stem

    def examples(self, data, run):
        options = Augmentation(**run.augmentation)

        def draw(index, size, closing, rng):
            canvas = augmented_picture(self.picture(data, index), size, options, rng)
            return canvas, round(1000 * data.values[index])

        return Examples(
            len(data), draw, lambda targets: torch.from_numpy(np.array(targets, np.int64))
        )

    def predictor(self, spec, forward, answer=None):
        return Meter(spec, forward)

    def look(self, predictor, picture):
        return predictor.measure(picture)

    def answer(self, predictor, picture, score=None):
        found = predictor.measure(picture)
        return Answer(picture, {"brightness": found}, f"{found:.2f}", 0.0)

    def evaluate(self, predictor, data, *, options=None, skip=(), progress=quiet, stage=""):
        found, seconds = [], 0.0
        for one in walk(
            predictor.measure,
            range(len(data)),
            lambda place: self.picture(data, place),
            [],
            file=data.root,
            skip=skip,
            stage=stage or self.doing,
            progress=progress,
        ):
            found.append(one.found)
            seconds += one.seconds
        errors = np.abs(np.array(found) - data.values)
        result = Errors(float(errors.max()), float(errors.mean()))
        return Evaluated(result, found, np.arange(len(data)), 0, seconds)

    def figure(self, result):
        return 1 - result.mean

    def row(self, result):
        return {"fit": 1 - result.mean}

    def tables(self, result):
        return []

    def lines(self, result):
        return [f"mean error {result.mean:.4f}"]

    def page(self, page, predictor, data, evaluated):
        return page

    def compare(self, predictor, reference, pictures):
        pairs = [(predictor.measure(one), reference.measure(one)) for one in pictures]
        return Difference("brightness", max(abs(a - b) for a, b in pairs), "", 0.0)


TASK = BrightnessTask()


@pytest.fixture
def tables(monkeypatch):
    """The rows that a new task adds."""
    monkeypatch.setattr(tasks, "TASKS", (*tasks.TASKS, TASK))
    monkeypatch.setitem(specs.SPECS, "brightness", BrightnessSpec)
    monkeypatch.setitem(models.MODELS, "light-meter", ROW)


@pytest.fixture
def lights(tmp_path):
    """Sixty pictures of one gray each, a third of them to test on."""
    root = tmp_path / "lights"
    root.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        value = float(rng.random())
        noise = rng.normal(0, 4, (20, 24, 3))
        picture = np.clip(255 * value + noise, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(root / f"{number}.png")
        rows.append((f"{number}.png", f"{picture.mean() / 255:.4f}"))
    for split, part in (("train", rows[20:]), ("test", rows[:20])):
        (root / f"{split}.csv").write_text("".join(f"{a},{b}\n" for a, b in part))
    return root


def test_from_pictures_to_proved_c(tables, lights, tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    recipe = Recipe(epochs=40, batch=8, learning_rate=0.05, precision="float32", seed=1)
    trained = tatami.train("light-meter", lights, tmp_path / "run", recipe=recipe)
    assert trained.evaluation.result.mean < 0.05
    network = tatami.open(tmp_path / "run")
    assert network.task is TASK
    found = tatami.evaluate(tmp_path / "run" / "network.onnx", lights, split="test")
    assert found.figure == pytest.approx(1 - trained.evaluation.result.mean, abs=1e-5)
    assert json.loads(json.dumps(found.to_json()))["mean"] < 0.05
    folded = tatami.fold(tmp_path / "run" / "network.onnx")
    integers = tatami.quantize(folded, lights, split="train")
    tatami.ship(folded, tmp_path / "run" / "c")
    tatami.ship(integers, tmp_path / "run" / "c-int8")
    proof = tatami.prove(tmp_path / "run", lights, split="test")
    assert proof.failures() == []
    named = {row.stage: row for row in proof.ledger.rows}
    assert named["C int8 brightness"].worst == 0
    assert named["C brightness"].worst <= 0
    picture = read_picture(lights / "0.png")
    in_c, in_python = (tatami.open(tmp_path / "run" / each) for each in ("c", "network.onnx"))
    assert in_c.predictor.measure(picture) == pytest.approx(
        in_python.predictor.measure(picture), abs=1e-5
    )
