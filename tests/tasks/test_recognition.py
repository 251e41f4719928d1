"""Sounds to proved C, from a folder of made-up words: two tones and noise."""

import json
import shutil
import subprocess

import numpy as np
import pytest

import tatami
from tatami.data.sounds import read_sound, write_sound
from tatami.errors import TatamiError
from tatami.pipeline.inspect import inspect
from tatami.pipeline.plan import settings_for
from tatami.rules.sound import Listener, normalize
from tatami.tasks.recognition import GAIN, RecognitionSettings
from tatami.train.recipe import Recipe
from tatami.types import Size

pytestmark = pytest.mark.usefixtures("one_thread")
RATE = 4000


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Sounds of three classes, a third of a second long: up, down, and noise."""
    root, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 5)):
        for name in ("down", "noise", "up"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                length = int(rng.integers(1000, 1600))
                turns = np.linspace(0.05, 0.35, length)
                pitch = turns if name == "up" else turns[::-1]
                tone = np.sin(np.cumsum(pitch) * 2 * np.pi + rng.uniform(0, 6))
                wave = rng.normal(0, 0.5, length) if name == "noise" else tone
                sound = 9000 * rng.uniform(0.3, 1) * wave + rng.normal(0, 30, length)
                path = root / split / name / f"{number}.wav"
                write_sound(path, np.clip(sound, -32768, 32767).astype(np.int16), RATE)
    return root


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    recipe = Recipe(
        epochs=30, batch=12, learning_rate=0.02, size=Size(10, 20), precision="float32", seed=1
    )
    trained = tatami.train("ds-cnn", words, folder, recipe=recipe, width=0.25)
    assert trained.evaluation.result.top1 > 0.8
    return folder


def test_from_sounds_to_proved_c(words, run):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    network = tatami.open(run)
    assert (network.task.name, network.spec.input.rate) == ("recognize", RATE)
    folded = tatami.fold(run / "network.onnx")
    integers = tatami.quantize(folded, words, split="train")
    for one, name in ((folded, "c"), (integers, "c-int8")):
        tatami.ship(one, run / name)
    proof = tatami.prove(run, words, split="test")
    assert proof.failures() == []
    named = {row.stage: row for row in proof.ledger.rows}
    assert named["C sound rule"].worst == named["C int8 sound rule"].worst == 0
    assert named["C int8"].worst == named["C int8 scores"].worst == 0
    assert named["C int8"].figure == named["network-int8"].figure

    # The program that a user builds names a file, and follows a stream.
    own = tatami.open(run / "c-int8")
    file = words / "test" / "up" / "0.wav"
    expected = own.predictor.recognize(read_sound(file))
    program = next((run / "c-int8").glob("*_recognize"))
    told = subprocess.run([program, file], capture_output=True, text=True, check=True).stdout
    first, *rows = told.splitlines()
    assert first == f"{file} 3"
    scores = {row.split()[2]: np.float32(row.split()[0]) for row in rows}
    assert [scores[name] for name in ("down", "noise", "up")] == expected.tolist()
    sounds = [read_sound(words / "test" / name / "1.wav") for name in ("up", "down")]
    stream = np.concatenate([np.pad(each, (1000, 1000)) for each in sounds])
    found = subprocess.run(
        [program, "-"], input=stream.tobytes(), capture_output=True, check=True
    ).stdout.decode()
    assert [line.split()[1:] for line in found.splitlines()] == decided(own, network.spec, stream)
    bad = subprocess.run([program, words / "train"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "not a WAV file of 16 bits, one channel and 4000 Hz" in bad.stderr


def decided(own, spec, stream):
    """What a stream's newest frames are, whenever that changes, by the rule in NumPy."""
    from tatami.ops.exponential import softmax

    sound, listener, kept, last, found = spec.input, Listener(spec.input), [], None, []
    for start in range(0, len(stream) - sound.step + 1, sound.step):
        kept += listener.listen(stream[start : start + sound.step]).tolist()
        if len(kept) < sound.frames or start + sound.step < sound.window:
            continue
        newest = np.array(kept[-sound.frames :], np.int16)
        (logits,) = own.predictor.forward(normalize(newest, sound)[None, None])
        scores = softmax(logits.reshape(1, -1))[0]
        if int(scores.argmax()) != last:
            last = int(scores.argmax())
            found.append([f"{scores[last]:.9g}", str(last), spec.classes[last]])
    return found


def test_predicted_shown_and_reported(words, run, tmp_path):
    found = tatami.predict(run, words / "test" / "up", tmp_path / "out")
    assert str(found.pictures[0].content["size"]).endswith(" s")
    content = json.loads((tmp_path / "out" / "sounds.json").read_text())
    assert len(content["pictures"]) == 5
    seen = tatami.open(run).predict(words / "test" / "down" / "0.wav")
    assert seen.line.startswith("down")
    tatami.report(run, tmp_path / "report.html")
    assert "down" in (tmp_path / "report.html").read_text()


def test_sounds_of_another_rate_are_refused(words, run, tmp_path):
    for name in ("down", "noise", "up"):
        (tmp_path / "all" / name).mkdir(parents=True)
        write_sound(tmp_path / "all" / name / "a.wav", np.ones(900, np.int16), 8000)
    with pytest.raises(TatamiError, match="8000 samples a second, the network hears 4000"):
        tatami.evaluate(run, tmp_path / "all")


def test_a_variation_that_sounds_do_not_have(words, tmp_path):
    with pytest.raises(TatamiError, match="sounds have no rotate"):
        tatami.train("ds-cnn", words, tmp_path / "run", augment=["rotate=5"])


def test_data_show(words):
    shown = inspect(words).found
    assert shown.heading().endswith("wav, 51 sounds, 3 classes, 4,000 samples a second")
    assert shown.to_json()["splits"]["test"]["classes"] == {"down": 5, "noise": 5, "up": 5}
    assert len(shown.cells()) == 51
    identity, picture, _ = shown.cells()[0]()
    assert identity == "down/0.wav"
    assert picture.ndim == 3


def test_settings_as_typed():
    found = settings_for("ds-cnn", {"label_smoothing": 0.1}, ["window=30", "gain=1", "masks=2"])
    assert found == RecognitionSettings(0.1, window=30.0, gain=True, masks=2)
    for texts, said in (
        (["pitch=1"], "'pitch=1' is not understood"),
        (["window=wide"], "'window=wide' is not understood"),
        (["masks=11"], "masks 11 is out of range"),
    ):
        with pytest.raises(TatamiError, match=said) as error:
            settings_for("ds-cnn", {}, texts)
        assert error.value.setting == "hearing"
    with pytest.raises(TatamiError, match="it is for sounds"):
        settings_for("lenet5", {}, ["window=30"])


def test_loudness_is_taken_off_and_parts_are_hidden(words, tmp_path):
    settings = RecognitionSettings(gain=True, masks=1)
    recipe = Recipe(epochs=2, batch=12, size=Size(40, 20), precision="float32", seed=1)
    tatami.train("ds-cnn", words, tmp_path / "run", recipe=recipe, settings=settings, width=0.25)
    spec = tatami.open(tmp_path / "run").spec
    assert (spec.input.gain, spec.input.coefficients, spec.input.bands) == (GAIN, 0, 40)
