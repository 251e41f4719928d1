"""``kill -9`` of real trainings at many moments: what comes of them is what would have come.

Each training is a process of its own that runs the whole command. All but a few are forked from
one that has imported torch already, so that a process costs a tenth of a second and not three.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Tatami = Callable[..., "subprocess.CompletedProcess[str]"]
Command = Callable[[Path], list[str]]

STEPS = 45
MOMENTS = 32
RESULTS = ("weights.safetensors", "network.onnx", "log.jsonl", "evaluations.jsonl", "run.json")

FORKS = """
import os, sys
import torch, onnxscript, tatami.cli.main, tatami.models.export, tatami.train.loop
for line in sys.stdin:
    if not (child := os.fork()):
        sys.argv = ["tatami", *line.rstrip("\\n").split("\\t")]
        sys.stdin.close()
        os.dup2(2, 1)  # standard output is for the answers
        tatami.cli.main.main()
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Training:
    """A training under way in a child of the process that forks."""

    def __init__(self, forks: subprocess.Popen[str], command: list[str]) -> None:
        assert forks.stdin is not None
        assert forks.stdout is not None
        self.answers = forks.stdout
        forks.stdin.write("\t".join(command) + "\n")
        forks.stdin.flush()
        self.process = int(self.answers.readline())

    def alive(self) -> bool:
        state = Path(f"/proc/{self.process}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"

    def kill(self) -> int:
        """Kill it now; its exit code, -9 if the kill came before its own end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        return self.end()

    def end(self) -> int:
        """Wait for its own end."""
        return int(self.answers.readline())


Start = Callable[[list[str]], Training]


@pytest.fixture(scope="module")
def start(environment: dict[str, str]) -> Iterator[Start]:
    forks = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with forks:
        yield lambda command: Training(forks, command)
        assert forks.stdin is not None
        forks.stdin.close()


@pytest.fixture(scope="module")
def command(training: Callable[..., list[str]]) -> Command:
    """Mosaic and several scales are on; every fifth epoch is evaluated."""
    return lambda run: training(run, "--epochs", STEPS // 3, "--evaluate-every", 5)


@pytest.fixture(scope="module")
def whole(command: Command, tatami: Tatami, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    result = tatami(*command(run))
    assert result.returncode == 0, result.stderr
    return run


def assert_equal(run: Path, whole: Path) -> None:
    for name in RESULTS:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(run.rglob(".*")), "half-written files are left"


def steps_done(run: Path) -> int:
    return max((int(path.name[5:]) for path in run.glob("checkpoints/step-*")), default=0)


def any_of(run: Path, pattern: str) -> Callable[[], bool]:
    return lambda: next(run.glob(pattern), None) is not None


def moments(run: Path, rng: random.Random) -> Iterator[tuple[Callable[[], bool], float]]:
    """What to wait for, and seconds beyond it: spread over start, training, writing and end."""
    for _ in range(4):
        yield (lambda: True), rng.uniform(0, 0.6)
    for number in range(MOMENTS - 12):
        if number % 4 == 3:
            yield any_of(run, "checkpoints/.step-*"), 0
        elif number % 4 == 1:
            yield any_of(run, ".log.jsonl.*"), rng.uniform(0, 0.005)
        else:
            goal = steps_done(run) + rng.randint(1, 4)
            yield (lambda goal=goal: steps_done(run) >= goal), rng.uniform(0, 0.06)
    yield any_of(run, f"checkpoints/step-{STEPS:08}"), 0
    yield any_of(run, ".weights.safetensors.*"), 0
    yield any_of(run, "weights.safetensors"), 0
    for _ in range(3):
        yield any_of(run, "weights.safetensors"), rng.uniform(0, 1.5)
    yield any_of(run, ".network.onnx.*"), 0
    yield any_of(run, "network.onnx"), 0


def test_any_number_of_kills_changes_nothing(
    start: Start,
    command: Command,
    whole: Path,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    rng = random.Random(2)
    killed: list[int] = []  # the steps done at each kill
    for wait_for, beyond in moments(run, rng):
        begun = (run / "run.json").exists()
        training = start(["train", "--resume", str(run)] if begun else command(run))
        while training.alive() and not wait_for():
            time.sleep(0.0005)
        time.sleep(beyond)
        code = training.kill()
        assert code in (-9, 0)
        if code == -9:
            killed.append(steps_done(run))
    assert len(killed) >= 20
    assert len(set(killed)) >= 10
    assert start(["train", "--resume", str(run)]).end() == 0
    assert_equal(run, whole)


@pytest.mark.parametrize("until", ["run.json", "checkpoints/step-00000007", "weights.safetensors"])
def test_a_kill_of_a_process_from_the_command_line(
    until: str,
    command: Command,
    tatami: Tatami,
    environment: dict[str, str],
    whole: Path,
    tmp_path: Path,
) -> None:
    """Before the first checkpoint, in the middle, and while the network is written."""
    run = tmp_path / "run"
    training = subprocess.Popen(
        [sys.executable, "-m", "tatami", *command(run)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while training.poll() is None and not (run / until).exists():
        time.sleep(0.001)
    training.kill()
    assert training.wait() == -9
    if until == "run.json":
        assert not steps_done(run)
    result = tatami("train", "--resume", run)
    assert result.returncode == 0, result.stderr
    assert_equal(run, whole)


def test_killed_before_there_is_a_run(
    start: Start,
    command: Command,
    tatami: Tatami,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    assert start(command(run)).kill() == -9
    result = tatami("train", "--resume", run)
    assert result.returncode == 2
    assert result.stderr == f"tatami: {run}: no run.json: not a run folder (name a run's folder)\n"


def test_a_finished_run_may_be_resumed(start: Start, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    assert start(["train", "--resume", str(run)]).end() == 0
    assert_equal(run, whole)


def test_two_processes_never_train_in_one_folder(
    start: Start,
    command: Command,
    tatami: Tatami,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    training = start(command(run))
    while not steps_done(run):
        time.sleep(0.001)
    os.kill(training.process, signal.SIGSTOP)
    result = tatami("train", "--resume", run)
    assert training.kill() == -9
    assert result.returncode == 2
    assert "another process is training in it" in result.stderr
