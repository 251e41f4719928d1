"""Two processes by ``torchrun`` against one with the same batches, and how a team ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tatami.train.run import read_rows

Training = Callable[..., list[str]]
Torchrun = Callable[..., "subprocess.CompletedProcess[str]"]
EPOCHS = 4  # of 3 steps


@pytest.fixture(scope="module")
def torchrun(environment: dict[str, str]) -> Torchrun:
    """``torchrun --nproc-per-node N -m tatami ...``, each line with the rank that printed it."""

    def run(*arguments: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
        launcher = ("-m", "torch.distributed.run", "--standalone", "--tee", "3")
        asked = (*launcher, "--nproc-per-node", processes, "-m", "tatami", *arguments)
        return subprocess.run(
            [sys.executable, *map(str, asked)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def lines_of(rank: int, result: subprocess.CompletedProcess[str]) -> list[str]:
    lines = (result.stdout + result.stderr).splitlines()
    prefix = f"[default{rank}]:"
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


ONE_STEP = """
import sys
import numpy as np, safetensors.torch, torch
from tatami.models.yolov2_tiny import YoloV2Tiny
from tatami.train.distributed import (
    average_gradients, join_team, leave_team, mean_over_team, synchronize_normalization
)
from tatami.types import Boxes, Decoding

team = join_team()
torch.manual_seed(0)
model = YoloV2Tiny(2, Decoding.yolov2([(0.8, 0.8), (1.5, 1.5)]), width=0.1).double().train()
synchronize_normalization(model, team)
images = torch.rand(6, 3, 64, 96, dtype=torch.float64)
corners = np.random.default_rng(0).uniform(0, 40, (6, 2, 2))
targets = [Boxes.of(np.hstack((c, c + 20)), [0, 1]) for c in corners]
for _ in range(2):
    model.zero_grad()
    parts = model.loss(model(images[team.rank::team.world]), targets[team.rank::team.world])
    loss = sum(parts.values())
    loss.backward()
    average_gradients(model, team)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.01 * parameter.grad
if team.leads:
    found = {f"gradient.{n}": p.grad for n, p in model.named_parameters()}
    found |= model.state_dict()
mean = mean_over_team(float(loss), team)
if team.leads:
    found["loss"] = torch.tensor(mean, dtype=torch.float64)
    safetensors.torch.save_file({k: v.contiguous() for k, v in found.items()}, sys.argv[1])
leave_team(team)
"""


@pytest.mark.parametrize("processes", [2, 3])
def test_two_steps_in_float64_are_those_of_one_process(
    environment: dict[str, str], tmp_path: Path, processes: int
) -> None:
    """Loss, gradients, weights and running statistics, over the whole batch, to 1e-9."""
    script, alone, team = (tmp_path / name for name in ("step.py", "alone", "team"))
    script.write_text(ONE_STEP)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    for command in ([str(script), str(alone)], [*launcher, str(script), str(team)]):
        subprocess.run([sys.executable, *command], env=environment, check=True, timeout=300)
    expected = safetensors.torch.load_file(alone)
    found = safetensors.torch.load_file(team)
    assert found.keys() == expected.keys()
    assert len(found) > 50
    for name, tensor in expected.items():
        difference = float((found[name] - tensor).abs().max())
        assert difference <= 1e-9 * float(tensor.abs().max()), f"{name}: {difference:.2g}"


@pytest.mark.parametrize(
    ("precision", "bound"),
    [("float32", 1e-3), pytest.param("bfloat16", 0.1, marks=pytest.mark.slow)],
)
def test_two_processes_train_as_one(
    torchrun: Torchrun,
    tatami: Callable[..., subprocess.CompletedProcess[str]],
    training: Training,
    tmp_path: Path,
    precision: str,
    bound: float,
) -> None:
    """The whole command: 12 steps, in several sizes, in the precision of real trainings.

    torch's own normalization sums 1e-5 apart from the truth, which the kinks of the network make
    more of; what training is held to is the test above.
    """
    more = ("--epochs", EPOCHS, "--precision", precision, "--learning-rate", "0.002")
    alone, team = tmp_path / "alone", tmp_path / "team"
    result = tatami(*training(alone, *more))
    assert result.returncode == 0, result.stderr
    result = torchrun(*training(team, *more))
    assert result.returncode == 0, result.stderr
    weights = safetensors.torch.load_file(alone / "weights.safetensors")
    others = safetensors.torch.load_file(team / "weights.safetensors")
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        difference = float((tensor - others[name]).double().norm())
        assert difference <= bound * max(1.0, float(tensor.double().norm())), name
    rows, others_rows = read_rows(alone / "log.jsonl"), read_rows(team / "log.jsonl")
    assert len(rows) == 3 * EPOCHS
    for row, other in zip(rows, others_rows, strict=True):
        assert other["loss"] == pytest.approx(row["loss"], rel=bound)
    assert lines_of(0, result)
    assert lines_of(1, result) == []  # one of them speaks, and writes
    assert not list(team.rglob(".*"))


def test_a_team_goes_on_with_its_run_and_one_process_does_not(
    torchrun: Torchrun,
    tatami: Callable[..., subprocess.CompletedProcess[str]],
    training: Training,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    assert torchrun(*training(run, "--epochs", 2)).returncode == 0
    weights = (run / "weights.safetensors").read_bytes()
    for name in ("checkpoints/step-00000006", "weights.safetensors"):
        (run / name).rename(tmp_path / Path(name).name)
    result = tatami("train", "--resume", run)
    assert result.returncode == 2
    assert "began with 2 processes, not 1" in result.stderr
    result = torchrun("train", "--resume", run)
    assert result.returncode == 0, result.stderr
    assert (run / "weights.safetensors").read_bytes() == weights


def test_an_error_ends_the_team_and_is_said_once(
    torchrun: Torchrun, training: Training, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    for arguments, said in (
        (training(run), f"tatami: {run}: a run is there already"),
        (training(tmp_path / "odd", "--batch", 5), "cannot be shared evenly by 2 processes"),
    ):
        result = torchrun(*arguments)
        assert result.returncode != 0
        spoken = [line for rank in (0, 1) for line in lines_of(rank, result)]
        assert len(spoken) == 1, spoken
        assert said in spoken[0]
    assert not (tmp_path / "odd").exists()


def test_a_picture_that_breaks_while_training_ends_the_team(
    torchrun: Torchrun, training: Training, rectangles: Path, tmp_path: Path
) -> None:
    """Its header is sound, so that only the process that draws it finds out."""
    data = tmp_path / "data"
    shutil.copytree(rectangles, data)
    picture = data / "JPEGImages" / "0003.png"
    picture.write_bytes(picture.read_bytes()[:2000])
    result = torchrun(
        *training(tmp_path / "run", "--data", data, "--epochs", 2, "--augment", "mosaic=0")
    )
    assert result.returncode != 0
    assert f"tatami: {picture}:" in result.stdout + result.stderr
    spoken = lines_of(0, result) + lines_of(1, result)
    assert not [line for line in spoken if "Traceback" in line], spoken


def test_gradients_and_statistics_without_a_team_are_left_alone() -> None:
    from tatami.train.distributed import (
        Team,
        average_gradients,
        mean_over_team,
        synchronize_normalization,
    )

    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    model(torch.ones(2, 1, 2, 2)).sum().backward()
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    average_gradients(model, Team())
    synchronize_normalization(model, Team())
    assert type(model[1]) is torch.nn.BatchNorm2d
    for gradient, parameter in zip(before, model.parameters(), strict=True):
        assert parameter.grad is not None
        assert torch.equal(gradient, parameter.grad)
    assert mean_over_team(0.1, Team()) == 0.1
