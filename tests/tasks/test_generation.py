"""Sounds to proved C that makes sounds: two tones, and a small WaveNet."""

import shutil
import subprocess

import numpy as np
import pytest

import tatami
from tatami.data.sounds import read_sound, write_sound
from tatami.errors import TatamiError
from tatami.ship.c.backend import C
from tatami.ship.c.targets import missing, target_of
from tatami.ship.c.tasks.generation import CompiledGenerator
from tatami.train.recipe import Recipe
from tatami.types import Size

pytestmark = pytest.mark.usefixtures("one_thread")
RATE = 4000


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Short sounds of two classes: a low tone and a high one."""
    root, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 2)):
        for name, pitch in (("low", 200), ("high", 700)):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                at = np.arange(int(rng.integers(120, 200))) / RATE
                tone = np.sin(2 * np.pi * pitch * at + rng.uniform(0, 6))
                sound = 9000 * tone + rng.normal(0, 100, len(at))
                write_sound(root / split / name / f"{number}.wav", sound.astype(np.int16), RATE)
    return root


@pytest.fixture(scope="module")
def run(tones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    recipe = Recipe(
        *(Size(160, 1), 12, 4, 0.01),
        optimizer="adamw",
        warmup_epochs=1,
        clip_norm=1.0,
        weight_decay=0.0,
        ema_decay=0.8,
        precision="float32",
        seed=1,
    )
    trained = tatami.train("wavenet-tiny", tones, folder, recipe=recipe)
    assert trained.evaluation.result.bits < 6.5  # 8 where nothing is learned
    return folder


def test_from_sounds_to_c_that_makes_sounds(tones, run, tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    network = tatami.open(run)
    assert (network.task.name, network.spec.input.rate) == ("generate", RATE)
    assert network.spec.input.receptive == 64
    folded = tatami.fold(run / "network.onnx")
    integers = tatami.quantize(folded, tones, split="train")
    tatami.ship(integers, run / "c-int8")
    proof = tatami.prove(run, tones, split="test")
    assert proof.failures() == []
    named = {row.stage: row for row in proof.ledger.rows}
    assert named["C int8"].worst == named["C int8 samples"].worst == 0

    # NumPy and C make one sound, and so does the program that a user builds.
    file = tmp_path / "sound.wav"
    made = tatami.generate(run / "c-int8", "low", file, seconds=0.05, seed=5)
    again = tatami.generate(run / "network-int8.onnx", "low", seconds=0.05, seed=5)
    assert len(made.samples) == 200
    np.testing.assert_array_equal(made.samples, again.samples)
    np.testing.assert_array_equal(read_sound(file), made.samples)
    assert (tatami.generate(run / "c-int8", "high", seconds=0.05).samples != made.samples).any()
    program = next((run / "c-int8").glob("*_generate"))
    own = tmp_path / "own.wav"
    subprocess.run([program, "low", "5", "0.05", own], check=True)
    assert own.read_bytes() == file.read_bytes()
    bad = subprocess.run([program, "loud", "5", "1", own], capture_output=True, check=False)
    assert bad.returncode == 2
    assert b"classes: high low" in bad.stderr

    # What was heard is taken up as if it had been made.
    compiled = tatami.open(run / "c-int8").predictor
    heard = compiled.go_on(made.samples[:120], 1, 30, seed=9)
    whole = np.concatenate([made.samples[:120], heard])
    surprise = compiled.surprise(whole, 1)
    assert len(surprise) == 150
    expected = tatami.open(run / "network-int8.onnx").predictor.surprise(whole, 1)
    np.testing.assert_array_equal(surprise, expected)
    for code, label in ((0, 0), (255, 1), (128, 1)):
        column = compiled.column(code, label).ravel()
        # The bytes are the codes themselves: the input's scale is 1 / 128.
        np.testing.assert_array_equal(column, [code, *(255 if label == k else 128 for k in (0, 1))])

    tatami.report(run, tmp_path / "report.html", proof=proof.ledger)
    page = (tmp_path / "report.html").read_text()
    assert page.count('src="data:audio/wav;base64,UklGR') == 4
    assert "media-src data:" in page


@pytest.mark.slow
@pytest.mark.parametrize("target", C().emulated())
def test_every_machine_makes_the_same_sound(target, tones, run, tmp_path):
    reason = missing(target_of(target))
    if reason:
        pytest.skip(reason)
    integers = run / "network-int8.onnx"
    if not integers.is_file():
        tatami.quantize(tatami.fold(run / "network.onnx"), tones, split="train")
    tatami.ship(integers, tmp_path / "c", target=target, build=False)
    with CompiledGenerator(tmp_path / "c", target=target) as there:
        found = there.generate(1, 100, seed=5)
    expected = tatami.generate(integers, "low", seconds=0.025, seed=5).samples
    np.testing.assert_array_equal(found, expected)


def test_summary_says_what_a_sample_costs(run):
    found = tatami.summary(run)
    assert found.sample.receptive == 64
    assert found.to_json()["sample"]["multiply_adds"] * 160 > found.multiply_adds > 0
    assert "told from the 64 before" in found.lines()[-1]


def test_predicted(tones, run):
    seen = tatami.open(run).predict(tones / "test" / "low" / "0.wav")
    assert seen.line.startswith("low ")
    assert " bits" in seen.line


def test_what_is_refused(tones, run, tmp_path):
    with pytest.raises(TatamiError, match="no class 'loud'"):
        tatami.generate(run, "loud")
    with pytest.raises(TatamiError, match="seconds 0 is out of range"):
        tatami.generate(run, "low", seconds=0)
    with pytest.raises(TatamiError, match="learns sounds as they are, without exposure"):
        tatami.train("wavenet-tiny", tones, tmp_path / "run", augment=["exposure=2"])
