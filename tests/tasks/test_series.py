"""Vectors and series to proved C: tables that the tests write, and made-up gestures."""

import json
import shutil
import subprocess

import numpy as np
import pytest

import tatami
from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.pipeline.inspect import inspect
from tatami.rules.series import fitted, prepare, standardize
from tatami.train.recipe import Recipe
from tatami.types import SeriesInput, SeriesSpec

pytestmark = pytest.mark.usefixtures("one_thread")
CHANNELS = ("x", "y", "z")
GESTURES = ("circle", "line", "rest")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The 8 x 8 digits of scikit-learn as a table, four in five to learn from."""
    from sklearn.datasets import load_digits

    root, found = tmp_path_factory.mktemp("digits"), load_digits()
    header = [*(f"p{at}" for at in range(64)), "class"]
    order = np.random.default_rng(0).permutation(len(found.data))
    for split, rows in (("train", order[360:]), ("test", order[:360])):
        lines = [[*found.data[at], found.target[at]] for at in rows]
        text = "\n".join(",".join(map(str, line)) for line in [header, *lines])
        (root / f"{split}.csv").write_text(text + "\n")
    return root


@pytest.fixture(scope="module")
def gestures(tmp_path_factory):
    """Series of three channels, 20 to 30 steps long, a file each in a folder a class."""
    root, rng = tmp_path_factory.mktemp("gestures"), np.random.default_rng(0)
    for split, count in (("train", 14), ("test", 6)):
        for name in GESTURES:
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                turns = np.linspace(0, rng.uniform(5, 7), int(rng.integers(20, 31)))
                turns += rng.uniform(0, 6)
                flat = np.zeros_like(turns)
                wave = np.stack([np.sin(turns), np.cos(turns), flat], axis=1)
                if name == "line":
                    wave[:, 1] = wave[:, 0]
                wave = wave * (name != "rest") + rng.normal(0, 0.1, wave.shape)
                series = wave * (1, 200, 0.01) + (1000, -3, 0)
                lines = [",".join(CHANNELS), *(",".join(f"{v:.7g}" for v in row) for row in series)]
                (root / split / name / f"{number}.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def of_digits(digits, tmp_path_factory):
    return trained("mlp", digits, tmp_path_factory, 0.1, Recipe(epochs=12, batch=32), 0.9)


@pytest.fixture(scope="module")
def of_gestures(gestures, tmp_path_factory):
    recipe = Recipe(epochs=25, batch=14)
    return trained("fcn-series", gestures, tmp_path_factory, 0.1, recipe, 0.8)


def trained(model, data, folders, width, recipe, least):
    folder = folders.mktemp(model) / "run"
    found = tatami.train(model, data, folder, recipe=recipe, width=width, seed=1)
    assert found.evaluation.result.top1 > least
    return folder


def proved(data, run):
    """Fold, quantize, ship both, prove: the rows by their stages."""
    folded = tatami.fold(run / "network.onnx")
    integers = tatami.quantize(folded, data, split="train")
    for one, name in ((folded, "c"), (integers, "c-int8")):
        tatami.ship(one, run / name)
    proof = tatami.prove(run, data, split="test")
    assert proof.failures() == []
    return {row.stage: row for row in proof.ledger.rows}


@pytest.mark.parametrize("kind", [pytest.param("digits", marks=pytest.mark.slow), "gestures"])
def test_from_csv_to_proved_c(kind, request, tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    data, run = (request.getfixturevalue(name) for name in (kind, f"of_{kind}"))
    rows = proved(data, run)
    assert rows["C series rule"].worst == rows["C int8 series rule"].worst == 0
    assert rows["C int8"].worst == rows["C int8 scores"].worst == 0
    assert rows["C int8"].figure == rows["network-int8"].figure
    assert rows["network-int8"].figure >= rows["torch"].figure - 0.03

    # The program that a user builds says what the library says, of a file with a header or without.
    own = tatami.open(run / "c-int8")
    data = own.task.open(data, split="test", format=None).data
    chosen = np.concatenate([data.read(place) for place in range(3 if kind == "digits" else 1)])
    lines = [",".join(f"{value:.9g}" for value in row) for row in chosen]
    for header in ([], [";".join(own.spec.input.channels)]):
        file = tmp_path / "a.csv"
        file.write_text("\r\n".join([*header, "", *lines]))
        program = next((run / "c-int8").glob("*_classify_series"))
        told = subprocess.run([program, file], capture_output=True, text=True, check=True).stdout
        count = len(own.spec.classes)
        blocks = [
            told.splitlines()[at : at + count + 1] for at in range(0, told.count("\n"), count + 1)
        ]
        first = 2 + len(header)
        series = [chosen] if kind == "gestures" else [one[None] for one in chosen]
        assert [block[0] for block in blocks] == [
            f"{file}:{first + at} {count}" for at in range(len(series))
        ]
        for block, one in zip(blocks, series, strict=True):
            scores = {int(row.split()[1]): np.float32(row.split()[0]) for row in block[1:]}
            assert [scores[at] for at in range(count)] == own.predictor.classify_series(
                one
            ).tolist()
    file.write_text(lines[0] + "\n" + lines[0] + ",1\n")
    bad = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stderr) == (
        2,
        f"{file}:2: not rows of {chosen.shape[1]} numbers\n",
    )


def test_predicted_shown_and_reported(gestures, of_gestures, digits, of_digits, tmp_path):
    found = tatami.predict(of_gestures, gestures / "test" / "line", tmp_path / "out")
    assert len(found.pictures) == 6
    content = json.loads((tmp_path / "out" / "series.json").read_text())
    assert content["pictures"][0]["classes"][0]["class"] in GESTURES
    table = tatami.open(of_digits).predict(digits / "test.csv")  # its class is not read
    assert len(table.content["series"]) == 360
    assert table.line.count(",") == 2
    truth = tatami.open(of_digits).task.open(digits, split="test", format=None).data
    right = [
        one[0]["class"] == truth.classes[label]
        for one, label in zip(table.content["series"], truth.labels, strict=True)
    ]
    assert np.mean(right) == tatami.evaluate(of_digits, digits, split="test").result.top1
    tatami.report(of_gestures, tmp_path / "report.html")
    assert "circle" in (tmp_path / "report.html").read_text()


def test_the_rule():
    rule = SeriesInput(4, ("a", "b"), (1.0, -2.0), (0.5, 0.0))
    short = np.array([[3, 7], [5, 9], [1, 1]], np.float32)
    assert fitted(short, rule).tolist() == [[3, 7], [5, 9], [1, 1], [1, -2]]
    assert prepare(short, rule)[0].tolist() == [[1, 0], [2, 0], [0, 0], [0, 0]]
    assert fitted(short[:1], rule).tolist() == [[1, -2], [3, 7], [1, -2], [1, -2]]
    long = np.arange(14, dtype=np.float32).reshape(7, 2)
    assert fitted(long, rule)[:, 0].tolist() == [2, 4, 6, 8]
    exact = standardize(
        np.array([[0.1, 1]], np.float32), SeriesInput(1, ("a", "b"), (0.3, 0), (3, 1))
    )
    assert exact[0, 0] == (np.float32(0.1) - np.float32(0.3)) * np.float32(3)
    for bad in (np.zeros((3, 3)), np.zeros(2), np.zeros((0, 2))):
        with pytest.raises(TatamiError, match="is no series of 2 channels"):
            fitted(bad.astype(np.float32), rule)


def test_the_parameters_are_those_of_the_training_split(gestures, of_gestures):
    spec = tatami.open(of_gestures).spec
    data = tatami.open(of_gestures).task.open(gestures, split="train", format=None).data
    steps = np.concatenate(data.series).astype(np.float64)
    assert spec.input.channels == CHANNELS
    assert spec.input.steps == max(map(len, data.series))
    assert spec.input.mean == pytest.approx(steps.mean(axis=0), rel=1e-6)
    assert spec.input.scale == pytest.approx(1 / steps.std(axis=0), rel=1e-6)


def test_a_constant_column_becomes_zeros_and_a_size_is_checked(tmp_path):
    rows = [f"{value},5,{'ab'[value % 2]}" for value in range(8)]
    (tmp_path / "all.csv").write_text("\n".join(["v,same,class", *rows]) + "\n")
    recipe = Recipe(epochs=1, batch=4)
    tatami.train("mlp", tmp_path, tmp_path / "run", recipe=recipe, width=0.02)
    assert tatami.open(tmp_path / "run").spec.input.scale[1] == 0
    with pytest.raises(TatamiError, match="size: the data have 2 channels, not 3"):
        tatami.train("mlp", tmp_path, tmp_path / "no", recipe=recipe, size="3x1")
    tatami.train("mlp", tmp_path, tmp_path / "long", recipe=recipe, size="2x3", width=0.02)
    assert tatami.open(tmp_path / "long").spec.input.steps == 3
    with pytest.raises(TatamiError, match="series have no flip"):
        tatami.train("mlp", tmp_path, tmp_path / "no", recipe=recipe, augment=["flip=0.5"])


def test_other_channels_are_refused(of_gestures, gestures, tmp_path):
    for name in GESTURES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("x,y,w\n1,2,3\n")
    with pytest.raises(
        TatamiError, match="the data have the channels x, y, w, the network knows x"
    ):
        tatami.evaluate(of_gestures, tmp_path)


def test_data_show(gestures, digits):
    found = inspect(gestures)
    assert found.found.heading().endswith("series, 60 series of 3 channels, 3 classes")
    shown = found.to_json()
    assert shown["splits"]["test"]["classes"] == dict.fromkeys(GESTURES, 6)
    assert shown["splits"]["train"]["steps"]["longest"] <= 30
    assert shown["channels"]["x"]["mean"] == pytest.approx(1000, abs=0.2)
    assert found.sheet()[1] == 24
    assert len(found.tables()) == 3
    constant = inspect(digits, split="train").to_json()["constant"]
    assert {"p0", "p32", "p39"} <= set(constant)


def test_what_a_file_says_of_it():
    spec = SeriesSpec(("a", "b"), SeriesInput(2, ("x", "y"), (0.5, 0.0), (1.0, 2.0)))
    assert from_metadata(to_metadata(spec)) == spec
    for member, value in (
        ("steps", 0),
        ("mean", [1.0]),
        ("scale", [1, "2"]),
        ("channels", ["x", "x"]),
    ):
        content = json.loads(to_metadata(spec)["tatami.series"])
        metadata = {**to_metadata(spec), "tatami.series": json.dumps({**content, member: value})}
        with pytest.raises(TatamiError, match=r"tatami\.series"):
            from_metadata(metadata)
