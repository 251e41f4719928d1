"""``tatami search`` as a person types it: what it prints, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tatami.pipeline.search_space import parse, variables
from tatami.pipeline.search_study import Study, calm, connected, joined
from tatami.tasks.classification import CLASSIFICATION

optuna = pytest.importorskip("optuna")

Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of two pictures."""
    for name in ("dark", "light"):
        (tmp_path / "set" / "train" / name).mkdir(parents=True)
        for number in range(2):
            picture = np.full((8, 8, 3), 200 if name == "light" else 20 + number, np.uint8)
            Image.fromarray(picture).save(tmp_path / "set" / "train" / name / f"{number}.png")
    return tmp_path / "set"


@pytest.fixture
def out(data: Path, tmp_path: Path) -> Path:
    """A study that is over: two trials, of which one is better throughout."""
    known = variables(CLASSIFICATION)
    out, opened = tmp_path / "study", CLASSIFICATION.open(data, split="train", format=None).data
    description = Study(
        *((parse("width=0.25..1", known),), {"model": "lenet5", "bits": 8, "epochs": 2}),
        *(("ram",), "0.2", "cortex-m7", None, None, "tpe", "median", 0),
        *(CLASSIFICATION.fingerprint(opened), 2),
    )
    out.mkdir()
    with calm(), connected(f"sqlite:///{out / 'study.db'}") as (storage, name):
        study = joined(storage, name, description, None)[0]
        width = optuna.distributions.FloatDistribution(0.25, 1)
        for accuracy, ram in ((0.75, 20_000), (0.5, 30_000)):
            kept: dict[str, Any] = {"costs": {"ram": ram}, "folder": "HERE", "seconds": 1.5}
            study.add_trial(
                optuna.trial.create_trial(
                    values=[accuracy, ram],
                    params={"width": accuracy},
                    distributions={"width": width},
                    user_attrs=kept,
                )
            )
    return out


def test_a_study_that_is_over_is_told_in_a_table_and_a_page(
    command: Command, data: Path, out: Path, capsys: Capture
) -> None:
    assert command("search", "--data", data, "--out", out) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.split("trials:")[0].splitlines())) <= 80
    assert "75.00" in text
    assert "width 0.75" in text
    assert "width 0.5" not in text
    assert "trials: 2 complete" in text
    page = (out / "front.html").read_text()
    assert "width 0.75" in page
    assert "width 0.5" in page
    assert "Every trial" in page


def test_json_alone_is_printed_where_it_is_asked_for(
    command: Command, data: Path, out: Path, capsys: Capture
) -> None:
    assert command("search", "--data", data, "--out", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["front"] == [0]
    assert [one["accuracy"] for one in found["results"]] == [0.75, 0.5]
    assert found["space"] == ["width=0.25..1"]
    assert found["study"].endswith("study.db")


REFUSED = [
    (("--cost", "price"), "tatami: --cost: no costs 'price' (give one of multiply_adds, ram,"),
    (("--vary", "colour=1,2"), "tatami: --vary: nothing is called 'colour' (it can be model,"),
    (("--set", "bits=7"), "tatami: --vary: bits is 7 (give 32 or 8)"),
    (("--sampler", "guess"), "tatami: --sampler: no sampler 'guess'"),
    (("--ram", "much"), "tatami: --ram: much is no number of bytes"),
]


@pytest.mark.parametrize(("options", "line"), REFUSED)
def test_what_is_refused_is_named_as_it_was_typed(
    options: tuple[str, ...], line: str, command: Command, data: Path, tmp_path: Path,
    capsys: Capture,
) -> None:  # fmt: skip
    typed = ("search", "lenet5", "--data", data, "--vary", "width=0.5,1", "--out", tmp_path / "no")
    assert command(*typed, *options) == 2
    assert capsys.readouterr().err.startswith(line)
    assert not (tmp_path / "no").exists()


def test_what_is_missing_is_named(
    command: Command, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert command("search", "lenet5") == 2
    assert "no data" in capsys.readouterr().err
    assert command("search", "--data", data, "--out", tmp_path / "none") == 2
    assert "there is no study yet" in capsys.readouterr().err
    assert command("search", "--data", data, "--out", tmp_path, "--study", "nothing://here") == 2
    assert capsys.readouterr().err.startswith("tatami: --study: the study cannot be opened")
