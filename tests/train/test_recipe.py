"""The recipe: what it accepts, what it refuses with which hint, and its learning rate."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tatami.errors import TatamiError
from tatami.train.recipe import Recipe, epochs_for
from tatami.types import Size


def test_json_round_trip() -> None:
    recipe = Recipe(Size(352, 288), epochs=3, learning_rate=0.1, optimizer="adamw", seed=2**40)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert recipe.to_json()["size"] == "352x288"
    assert Recipe.from_json({}) == Recipe()
    assert Recipe.from_json({"learning_rate": 1}).learning_rate == 1
    assert Recipe.from_json({"size": None, "epochs": None, "multi_scale": None}) == Recipe()


def test_the_epochs_go_by_the_size_of_the_set() -> None:
    """From 300, for a few pictures, to 30: about as many pictures are seen in between."""
    found = {count: epochs_for(count) for count in (0, 12, 134, 296, 1000, 1333, 1334, 60_000)}
    assert found == {0: 300, 12: 300, 134: 299, 296: 136, 1000: 40, 1333: 31, 1334: 30, 60_000: 30}


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(TatamiError, match="unknown key 'epoch'") as refused:
        Recipe.from_json({"epoch": 3}, Path("run.json"))
    assert "'epochs'" in refused.value.hint
    assert refused.value.file == Path("run.json")


@pytest.mark.parametrize("name", ["stride", "label_smoothing", "class_weights", "alternating"])
def test_it_is_of_training_alone(name: str) -> None:
    """What belongs to a network or a task was a key of it once: load_run reads those files."""
    with pytest.raises(TatamiError, match=f"unknown key '{name}'"):
        Recipe.from_json({name: 1})


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("epochs", "3", "int"),
        ("epochs", 3.0, "int"),
        ("epochs", True, "int"),
        ("learning_rate", "fast", "float"),
        ("learning_rate", [0.1], "float"),
        ("learning_rate", False, "float"),
        ("size", [416, 320], "str"),
        ("precision", 16, "str"),
    ],
)
def test_a_value_of_the_wrong_type(key: str, value: Any, wanted: str) -> None:
    with pytest.raises(TatamiError, match=f"recipe key '{key}' is") as refused:
        Recipe.from_json({key: value})
    assert refused.value.hint == f"give a {wanted}"


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        *((key, 0, "above 0") for key in ("epochs", "batch", "learning_rate", "clip_norm")),
        *((key, -1, "above 0") for key in ("epochs", "batch", "learning_rate", "clip_norm")),
        *(("learning_rate", value, "above 0") for value in (float("nan"), float("inf"))),
        *((key, -1, "0 or a number above") for key in ("closing_epochs", "evaluate_every", "seed")),
        *((key, -0.1, "0 or a number above") for key in ("warmup_epochs", "weight_decay")),
        ("checkpoint_seconds", float("nan"), "0 or a number above"),
        ("seed", 2**64, "0 or a number above"),
        ("layer_rate", 0.0, "from 0 to 1"),
        *((key, 1.0, "from 0 to below 1") for key in ("momentum", "ema_decay", "multi_scale")),
        ("multi_scale", float("nan"), "from 0 to below 1"),
        ("precision", "float16", "auto, float32, bfloat16"),
    ],
)
def test_a_value_out_of_its_range(key: str, value: float, hint: str) -> None:
    with pytest.raises(TatamiError) as refused:
        Recipe(**{key: value})
    assert hint in refused.value.hint


@pytest.mark.parametrize("text", ["416x", "0x32", "-32x32", "416x320x3", "wide", "9999999x32"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(TatamiError):
        Recipe.from_json({"size": text})


def test_the_learning_rate_warms_up_and_falls_by_half_a_cosine() -> None:
    recipe = Recipe(epochs=12, learning_rate=0.5, warmup_epochs=2)
    rates = [recipe.learning_rate_at(step, 10) for step in range(120)]
    assert rates[0] == pytest.approx(0.5 / 20)
    assert [b - a for a, b in pairwise(rates[:20])] == pytest.approx([0.5 / 20] * 19)
    assert rates[19] == rates[20] == max(rates) == 0.5
    assert all(a > b for a, b in pairwise(rates[20:]))
    assert rates[70] == pytest.approx((0.5 + 0.005) / 2)  # the middle of the cosine
    assert 0.005 <= rates[-1] < 0.0052


@pytest.mark.parametrize(("epochs", "warmup", "steps"), [(1, 0, 1), (1, 2, 1), (2, 0.5, 3)])
def test_the_shortest_runs_have_a_rate(epochs: int, warmup: float, steps: int) -> None:
    recipe = Recipe(epochs=epochs, warmup_epochs=warmup)
    for step in range(epochs * steps):
        assert 0 < recipe.learning_rate_at(step, steps) <= recipe.learning_rate
