"""How far work is where there is no terminal: a line every some seconds, no more."""

from __future__ import annotations

import pytest

from tatami.cli import lines
from tatami.cli.output import bars


def test_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(lines.time, "monotonic", lambda: now)
    told: list[str] = []
    progress = lines.Lines(told.append)
    for step in range(1, 13):
        now += 4
        progress("Training", step, 12, f"loss {1 / step:.3f}  mAP 0.412")
    now += 20
    progress("Evaluating", 0, 8)  # it has just begun
    progress("Evaluating", 2, 8)
    assert told == [
        "Training 3/12  loss 0.333  mAP 0.412  0:00:36 left",
        "Training 6/12  loss 0.167  mAP 0.412  0:00:24 left",
        "Training 9/12  loss 0.111  mAP 0.412  0:00:12 left",
        "Training 12/12  loss 0.083  mAP 0.412",
        "Evaluating 2/8  0:00:00 left",
    ]


def test_they_go_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lines, "EVERY", 0.0)
    with bars() as progress:
        progress("Training", 1, 2, "loss [1]")
        progress("Training", 2, 2, "loss [1]")
    assert capsys.readouterr() == ("", "Training 2/2  loss [1]\n")
