"""Ctrl-C from the command line: exit code 130, a run that can be used, and gone on with exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Tatami = Callable[..., "subprocess.CompletedProcess[str]"]
RESULTS = ("weights.safetensors", "network.onnx", "log.jsonl", "evaluations.jsonl", "run.json")
TEAM = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def steps_done(run: Path) -> int:
    return max((int(path.name[5:]) for path in run.glob("checkpoints/step-*")), default=0)


def interrupted(command: list[str], environment: dict[str, str], run: Path) -> tuple[int, str]:
    """Start a training, press Ctrl-C after some steps, and give its exit code and its errors."""
    training = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while training.poll() is None and steps_done(run) < 2:
        time.sleep(0.005)
    os.killpg(training.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, errors = training.communicate(timeout=120)
    return training.returncode, errors


def test_ctrl_c(
    training: Callable[..., list[str]],
    tatami: Tatami,
    environment: dict[str, str],
    rectangles: Path,
    tmp_path: Path,
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    more = ("--epochs", "20", "--evaluate-every", "5")
    code, errors = interrupted(["-m", "tatami", *training(run, *more)], environment, run)
    assert code == 130, errors
    last = errors.splitlines()[-1]
    assert last.startswith("tatami: stopped after step ")
    assert last.endswith(f" of 60; {run} can be used (resume it to go on)")
    assert "Traceback" not in errors
    result = tatami("evaluate", run, "--data", rectangles, "--split", "test")
    assert result.returncode == 0, result.stderr
    assert "mAP" in result.stdout
    for arguments in (("--resume", run), training(whole, *more)[1:]):
        result = tatami("train", *arguments)
        assert result.returncode == 0, result.stderr
    for name in RESULTS:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_ctrl_c_of_a_team(
    training: Callable[..., list[str]],
    tatami: Tatami,
    environment: dict[str, str],
    rectangles: Path,
    tmp_path: Path,
) -> None:
    """All its processes stop after the same step, though each hears of it by itself, and twice."""
    run = tmp_path / "run"
    command = [*TEAM, "-m", "tatami", *training(run, "--epochs", "2000")]
    code, errors = interrupted(command, environment, run)
    assert code != 0
    assert "another process of the team has stopped" not in errors
    assert f"of 6000; {run} can be used" in errors
    assert (run / "network.onnx").is_file()
    result = tatami("evaluate", run, "--data", rectangles, "--split", "test")
    assert result.returncode == 0, result.stderr


def test_patience_of_a_team(
    training: Callable[..., list[str]], environment: dict[str, str], tmp_path: Path
) -> None:
    """One process evaluates, and all end after the same step; nothing becomes better here."""
    run = tmp_path / "run"
    more = ("--epochs", "40", "--learning-rate", "1e-12", "--validate", "4", "--patience", "1")
    result = subprocess.run(
        [sys.executable, *TEAM, "-m", "tatami", *training(run, *more)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert "no better figure in 1 evaluations: ended after step" in result.stderr
    assert steps_done(run) < 80


@pytest.mark.parametrize("beside", [("--patience", "3"), ("--validate", "0.1")])
def test_a_resumed_run_validates_as_it_began(
    tatami: Tatami, tmp_path: Path, beside: tuple[str, str]
) -> None:
    result = tatami("train", "--resume", tmp_path, *beside)
    assert result.returncode == 2
    assert f"it takes no {beside[0][2:]} (" in result.stderr
