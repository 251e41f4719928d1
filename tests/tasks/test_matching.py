"""Matching: made-up alphabets of strokes to proved C; the trials, held-out alphabets, enrolment."""

import shutil
import subprocess
from collections import Counter
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import tatami
from tatami.data.augment import Augmentation
from tatami.data.drawings import alphabet_of, drawer_of, drawers_of
from tatami.data.formats import omniglot
from tatami.errors import TatamiError
from tatami.evaluate.one_shot import draw_runs, judge
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.pipeline.enroll import enroll
from tatami.rules.matching import EVEN, ForwardMatcher, distance, distances, probability
from tatami.ship.c.run.predictor import ppm
from tatami.tasks.matching import MATCHING, MatchingOptions, MatchingSettings
from tatami.train.recipe import Recipe
from tatami.types import InputSpec, Size
from tatami.types.specs import MatchingSpec

pytestmark = pytest.mark.usefixtures("one_thread")


def write(root, alphabet, characters, drawers, rng):
    """Characters of four strokes, a picture each by every drawer, whose hand shakes."""
    for character in range(characters):
        strokes = rng.uniform(3, 25, (4, 2, 2))
        folder = root / alphabet / f"character{character + 1:02}"
        folder.mkdir(parents=True)
        for drawer in range(drawers):
            image = Image.new("1", (28, 28), 1)
            for ends in strokes + rng.normal(0, 0.8, strokes.shape):
                ImageDraw.Draw(image).line(ends.ravel().tolist(), fill=0, width=2)
            image.save(folder / f"{character + 900:04}_{drawer + 1:02}.png")


@pytest.fixture(scope="module")
def strokes(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("strokes"), np.random.default_rng(1)
    for at in range(3):
        write(root / "images_background", f"Old_{at}", 12, 6, rng)
    for at in range(2):
        write(root / "images_evaluation", f"New_{at}", 6 + at, 4, rng)
    return root


@pytest.fixture(scope="module")
def run(strokes, tmp_path_factory):
    recipe = Recipe(epochs=6, batch=12, learning_rate=0.003, optimizer="adamw")
    folder = tmp_path_factory.mktemp("matching") / "run"
    found = tatami.train(
        "siamese-conv4", strokes, folder, recipe=recipe, width=0.125, augment=["rotate=3"]
    )
    result = found.evaluation.result
    assert result.accuracy > 0.75  # by chance one in six or seven
    assert sum(result.trials.values()) >= 400
    assert {*result.trials} == {"New_0", "New_1"}
    return folder


def test_from_drawings_to_proved_c(strokes, run, tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folded = tatami.fold(run / "network.onnx")
    integers = tatami.quantize(folded, strokes, split="train")
    for one, name in ((folded, "c"), (integers, "c-int8")):
        tatami.ship(one, run / name)
    proof = tatami.prove(run, strokes, split="test")
    assert proof.failures() == []
    rows = {row.stage: row for row in proof.ledger.rows}
    assert rows["C int8"].worst == rows["C int8 embeddings"].worst == 0
    assert rows["C int8"].figure == rows["network-int8"].figure
    assert rows["network-int8"].figure >= rows["torch"].figure - 0.05

    # Enrolled on the device: the program that a user builds says what NumPy says, bit for bit.
    rule = tatami.open(integers).predictor
    data = MATCHING.open(strokes, split="test", format=None).data
    kept, asked = [data.read(place) for place in (0, 4, 8)], [data.read(place) for place in (1, 5)]
    program = next((run / "c-int8").glob("*_match"))
    given = b"".join(map(ppm, [*kept, *asked]))
    told = subprocess.run([program, "--enroll", "3", "-"], input=given, capture_output=True).stdout
    lines = told.decode().splitlines()
    assert lines[:4] == ["- 0", "- 0", "- 0", "- 3"]
    embedded = [rule.embed(picture) for picture in kept]
    for number, picture in enumerate(asked):
        apart = distances(rule.embed(picture), embedded)
        said = [line.split() for line in lines[4 + 4 * number :][:3]]
        assert [np.float32(row[0]) for row in said] == apart.tolist()
        assert [np.float32(row[1]) for row in said] == probability(apart).tolist()
    bad = subprocess.run([program, "--enroll", "0", "-"], capture_output=True)
    assert bad.returncode == 2


def test_enrolled_by_name_and_found_again(strokes, run, tmp_path):
    own = tmp_path / "run"
    shutil.copytree(run, own, ignore=shutil.ignore_patterns("c*"))
    pictures = sorted((strokes / "images_evaluation" / "New_0").glob("*/*_01.png"))
    with pytest.raises(TatamiError, match="nothing is enrolled"):
        tatami.predict(own, pictures[0], tmp_path / "none")
    for number, picture in enumerate([pictures[1], *pictures[:3]]):
        told = enroll(own, picture, f" sign {max(0, number - 1)}")  # the first is replaced
        assert f"{max(1, number)} in all" in told.lines()[0]
    assert told.to_json()["enrolled"] == ["sign 0", "sign 1", "sign 2"]
    folded = tatami.fold(own / "network.onnx")
    for artifact in (own, own / "network.onnx", folded):
        found = tatami.open(artifact).predict(pictures[1])
        assert found.content["matches"][0]["name"] == "sign 1"
        assert found.content["matches"][0]["distance"] < 1e-4
    assert tatami.predict(own, pictures[:2], tmp_path / "out").pictures
    with pytest.raises(TatamiError, match="is no name"):
        enroll(own, pictures[0], " ")
    onnx = own / "network.onnx"
    onnx.write_bytes(onnx.read_bytes().replace(b"tatami.task", b"other.task!"))
    with pytest.raises(TatamiError):
        enroll(onnx, pictures[0], "a")


def test_omniglot_is_read_as_published(tmp_path):
    rng = np.random.default_rng(5)
    write(tmp_path / "images_background", "Old", 2, 3, rng)
    write(tmp_path / "test", "New", 2, 2, rng)
    bad = tmp_path / "test" / "New" / "character02" / "0901_02.png"
    bad.write_bytes(b"no picture")
    assert MATCHING.splits(tmp_path, None) == ("test", "train")
    with pytest.raises(TatamiError, match=r"unreadable-picture.*|0901_02") as refused:
        MATCHING.open(tmp_path, split="test", format=None)
    assert refused.value.file == bad
    opened = MATCHING.open(tmp_path, split="test", format=None, skip=["unreadable-picture"])
    assert opened.data.ids == tuple(
        f"New/character0{one}.png" for one in ("1/0900_01", "1/0900_02", "2/0901_01")
    )
    assert [opened.data.classes[one] for one in opened.data.labels] == [
        *("New/character01", "New/character01", "New/character02")
    ]
    assert drawers_of(opened.data) == ["01", "02", "01"]
    (tmp_path / "images_background" / "Old" / "character01" / "cat.png").write_bytes(b"")
    shutil.rmtree(tmp_path / "test")
    assert not omniglot.recognizes(tmp_path)  # a picture that is not named by its drawer


def test_whole_alphabets_are_held_out(strokes):
    data = MATCHING.open(strokes, split="train", format="omniglot").data
    rest, held = MATCHING.hold_out(data, "1")
    for part, alphabets in ((rest, 2), (held, 1)):
        assert len({alphabet_of(data.classes[label]) for label in part.labels}) == alphabets
    assert len(rest) == 2 * len(held) == 2 * 12 * 6
    with pytest.raises(TatamiError, match="none would be left"):
        MATCHING.hold_out(data, "3")


def test_a_turned_character_is_another(strokes):
    data = MATCHING.open(strokes, split="train", format=None).data
    settings = {"loss": "nearest", "turned": True}
    run = SimpleNamespace(settings=settings, augmentation=asdict(Augmentation.none(255)))
    examples, rng = MATCHING.examples(data, run), np.random.default_rng(0)
    assert examples.count == 4 * len(data)
    drawn = [examples.draw(at, Size(28, 28), False, rng) for at in range(4)]
    label = int(data.labels[0])
    assert [one for _, one in drawn] == [4 * label + quarter for quarter in range(4)]
    assert len({*examples.lengths[:4].tolist()}) == 4  # no batch mixes them if it need not
    for quarter, ((first, _), _) in enumerate(drawn):
        np.testing.assert_array_equal(first, np.rot90(drawn[0][0][0], quarter))
    with pytest.raises(TatamiError, match="'rank' is no loss"):
        MatchingSettings(loss="rank")


def test_runs_are_of_one_alphabet_and_of_two_drawers(strokes):
    data = MATCHING.open(strokes, split="test", format=None).data
    runs = MATCHING.runs(data, MatchingOptions(ways=5, trials=60, seed=3))
    assert Counter(run.alphabet for run in runs) == {"New_0": 6, "New_1": 6}
    drawers = np.array(drawers_of(data))
    for run in runs:
        supports, queries = data.labels[run.supports], data.labels[run.queries]
        assert supports.tolist() == queries.tolist()
        assert len({*supports.tolist()}) == 5
        assert {alphabet_of(data.classes[label]) for label in supports} == {run.alphabet}
        (one,), (other,) = {*drawers[run.supports]}, {*drawers[run.queries]}
        assert one != other
    again = MATCHING.runs(data, MatchingOptions(ways=5, trials=60, seed=3))
    assert all((one.queries == two.queries).all() for one, two in zip(runs, again, strict=True))


def test_runs_without_drawers_take_two_pictures():
    unknown = {"": {0: {"": [0, 1, 2]}, 1: {"": [3, 4]}, 2: {"": [5]}}}
    for run in draw_runs(unknown, 20, 10, 0):
        assert sorted(run.supports.tolist() + run.queries.tolist())[-2:] == [3, 4]
        assert not {*run.supports.tolist()} & {*run.queries.tolist()}
    assert list(draw_runs({"": {0: {"": [0, 1]}}}, 20, 10, 0)) == []
    mixed = {"": {0: {"01": [0], "02": [1]}, 1: {"03": [2], "04": [3]}}}
    assert len(next(draw_runs(mixed, 20, 1, 0)).queries) == 2
    assert [drawer_of(one) for one in ("A/b/0709_07.png", "7_x.png", "a_07.png")] == ["07", "", ""]


def test_one_answer_for_all_is_never_right():
    assert judge(np.zeros((20, 20), np.float32)) == (0, 20)
    assert judge(np.float32([[0, 1], [1, 1]])) == (1, 1)


def test_the_rule_and_what_a_file_says_of_it():
    spec = MatchingSpec(("same",), InputSpec(Size(4, 4)), {"a": (0.5, -1.0)})
    assert from_metadata(to_metadata(spec)) == spec
    spec.check_outputs([(1, 2)])
    for shapes in ([(1, 3)], [(1, 2), (1, 2)], [(1, 2, 1, 1)]):
        with pytest.raises(TatamiError, match="a matcher gives one embedding"):
            spec.check_outputs(shapes)
    first, second = np.float32([1, -2, 3]), np.float32([0.5, 2, 3])
    assert distance(first, second) == 4.5
    assert probability(np.float32(EVEN)) == 0.5
    matcher = ForwardMatcher(spec, lambda images: (images.mean((2, 3))[:, :2],))
    with pytest.raises(TatamiError, match="nothing is enrolled"):
        MATCHING.answer(
            ForwardMatcher(spec.changed(enrolled={}), matcher.forward), np.zeros((4, 4, 3), "u1")
        )
    found = MATCHING.answer(matcher, np.zeros((4, 4, 3), np.uint8)).content["matches"]
    assert found[0] == {
        "name": "a",
        "distance": 1.5,
        "score": pytest.approx(1 / (1 + np.exp(1.5 - EVEN))),
    }
