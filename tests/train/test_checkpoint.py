"""Checkpoints and weights on the disk: whole, or refused with what to do about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.train.checkpoint import (
    Checkpoint,
    load,
    load_latest,
    load_weights,
    save,
    save_weights,
)


def state(step: int) -> Checkpoint:
    layered = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    return Checkpoint(
        step, {"model.a": layered + step, "model.n": torch.tensor(step), "average.a": layered}
    )


def assert_same(found: Checkpoint | None, wanted: Checkpoint) -> None:
    assert found is not None
    assert found.step == wanted.step
    assert found.tensors.keys() == wanted.tensors.keys()
    for name, tensor in wanted.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor), name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "absent") is None
    save(tmp_path, state(7))
    found = load_latest(tmp_path)
    assert_same(found, state(7))
    assert found is not None
    assert found.part("average").keys() == {"a"}


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10, 300):
        save(tmp_path, state(step))
    assert names(tmp_path) == ["step-00000010", "step-00000300"]
    assert_same(load_latest(tmp_path), state(300))


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
def test_one_cut_in_half_is_refused_and_the_one_before_it_is_there(
    tmp_path: Path, file: str
) -> None:
    save(tmp_path, state(1))
    save(tmp_path, state(2))
    newest = tmp_path / "step-00000002"
    content = (newest / file).read_bytes()
    (newest / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(TatamiError) as refused:
        load_latest(tmp_path)
    assert str(newest) in str(refused.value)
    assert refused.value.hint == f"remove {newest} to go on from the checkpoint before it"
    for left in newest.iterdir():
        left.unlink()
    newest.rmdir()
    assert_same(load_latest(tmp_path), state(1))


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
def test_a_file_that_is_gone_is_refused(tmp_path: Path, file: str) -> None:
    save(tmp_path, state(1))
    (tmp_path / "step-00000001" / file).unlink()
    with pytest.raises(TatamiError, match="damaged checkpoint"):
        load_latest(tmp_path)


def test_any_flipped_bit_is_refused(tmp_path: Path) -> None:
    """Every bit of the JSON, and one in every few bytes of the tensors."""
    save(tmp_path, state(12))
    folder = tmp_path / "step-00000012"
    for name, stride in (("state.json", 1), ("state.safetensors", 7)):
        whole = (folder / name).read_bytes()
        for place in range(0, len(whole), stride):
            for bit in range(8):
                flipped = bytearray(whole)
                flipped[place] ^= 1 << bit
                if flipped.decode("latin-1").split() == whole.decode("latin-1").split():
                    continue  # one blank for another
                (folder / name).write_bytes(flipped)
                with pytest.raises(TatamiError, match=str(folder)):
                    load(folder)
        (folder / name).write_bytes(whole)
    assert_same(load(folder), state(12))


@pytest.mark.parametrize(
    "text", ["[]", '"step"', "null", "{}", '{"step": Infinity, "sha256": ""}', "[" * 100_000]
)
def test_a_state_that_is_none(tmp_path: Path, text: str) -> None:
    save(tmp_path, state(1))
    (tmp_path / "step-00000001" / "state.json").write_text(text)
    with pytest.raises(TatamiError, match="damaged checkpoint"):
        load_latest(tmp_path)


def test_what_a_killed_writer_left_is_passed_over_and_removed(tmp_path: Path) -> None:
    save(tmp_path, state(1))
    for name in (".step-00000002.abc", ".step-00000001.old.def"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.safetensors").write_bytes(b"half")
    assert_same(load_latest(tmp_path), state(1))
    save(tmp_path, state(2))
    assert names(tmp_path) == ["step-00000001", "step-00000002"]


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_full_disk_leaves_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    save(tmp_path, state(1))
    save(tmp_path, state(2))
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        save(tmp_path, state(3))
    assert str(tmp_path / "step-00000003") in str(refused.value.filename)
    monkeypatch.undo()
    assert names(tmp_path) == ["step-00000001", "step-00000002"]
    assert_same(load_latest(tmp_path), state(2))
    save(tmp_path, state(3))
    assert_same(load_latest(tmp_path), state(3))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_weights_round_trip(model: nn.Module, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", model.state_dict())
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    load_weights(other, tmp_path / "w.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def changed(tensors: dict[str, Tensor], name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    rest = {key: value for key, value in tensors.items() if key != name}
    return rest if tensor is None else {**rest, name: tensor}


@pytest.mark.parametrize(
    ("name", "tensor", "reason"),
    [
        ("0.weight", torch.zeros(4, 3, 3, 2), r"\(4, 3, 3, 2\) in the file and \(4, 3, 3, 3\)"),
        ("0.bias", None, r"'0.bias' is absent in the file and \(4,\) in the model"),
        ("2.bias", torch.zeros(1), r"'2.bias' is \(1,\) in the file and absent in the model"),
        ("0.bias", torch.tensor([0, 0, float("nan"), 0]), "numbers that are not finite"),
        ("1.running_var", torch.full((4,), float("inf")), "numbers that are not finite"),
    ],
)
def test_weights_of_another_model(
    model: nn.Module, tmp_path: Path, name: str, tensor: Tensor | None, reason: str
) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    path = tmp_path / "w.safetensors"
    save_weights(path, changed(model.state_dict(), name, tensor))
    with pytest.raises(TatamiError, match=reason) as refused:
        load_weights(model, path)
    assert refused.value.file == path
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


HOSTILE = [
    b"",
    b"\x80\x04garbage",
    b"\xff" * 100,
    (2**60).to_bytes(8, "little") + b"{}",
    (2).to_bytes(8, "little") + b"[]",
    (60).to_bytes(8, "little")
    + b'{"a":{"dtype":"F32","shape":[9999999],"data_offsets":[0,4]}}'.ljust(60)
    + bytes(4),
    (58).to_bytes(8, "little")
    + b'{"a":{"dtype":"Z99","shape":[1],"data_offsets":[0,4]}}'.ljust(58)
    + bytes(4),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_garbage_for_weights(model: nn.Module, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(TatamiError, match="not a whole safetensors file"):
        load_weights(model, path)


def test_weights_cut_anywhere(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    whole = safetensors.torch.save(model.state_dict())
    for length in range(0, len(whole), 13):
        path.write_bytes(whole[:length])
        with pytest.raises(TatamiError):
            load_weights(model, path)
