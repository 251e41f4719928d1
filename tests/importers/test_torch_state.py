"""state_dicts as torch writes them, and pickles that no one should run."""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from PIL import Image

from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.importers.caffe import read_caffe
from tatami.importers.onnx_file import read_onnx
from tatami.importers.pickle_reader import MAX_OBJECTS, Name, read_pickle
from tatami.importers.torch_state import is_state, load_state, read_state, read_table
from tatami.shrink.fold import fold

RNG = np.random.default_rng(0)


def reals(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


FORMS: dict[str, dict[str, Any]] = {
    "zip": {},
    "legacy": {"_use_new_zipfile_serialization": False},
    "zip, protocol 4": {"pickle_protocol": 4},
    "legacy, protocol 5": {"_use_new_zipfile_serialization": False, "pickle_protocol": 5},
}
form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """A file that torch.save wrote."""

    def save(content: object, form: str = "zip") -> Path:
        torch.save(content, tmp_path / "state.pth", **FORMS[form])
        return tmp_path / "state.pth"

    return save


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, torch.Tensor]) -> None:
    """Floats as float32, whole numbers as they are."""
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        real = tensor.is_floating_point()
        theirs = (tensor.to(torch.float32) if real else tensor).detach().numpy()
        assert found[name].dtype == theirs.dtype
        assert found[name].shape == theirs.shape
        np.testing.assert_array_equal(found[name], theirs)


# What torch writes


@form
def test_torchs_files_are_known_from_safetensors(form, saved, tmp_path):
    assert is_state(saved({"w": torch.ones(2)}, form))
    other = tmp_path / "weights.safetensors"
    for length in range(0, 1200, 8):  # of the header, which is the file's first number
        other.write_bytes(length.to_bytes(8, "little") + b"{" + b" " * length)
        assert not is_state(other)
    other.write_bytes(b"")
    assert not is_state(other)


@form
def test_a_state_dict(form, saved):
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(5, 6)
    )
    state = module.state_dict()
    assert len(state) == 9
    assert_equal(read_state(saved(state, form)), state)


@form
def test_every_type_of_number(form, saved):
    some = torch.randn(3, 4) * 100
    types = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32)
    types += (torch.int16, torch.int8, torch.uint8, torch.bool)
    state = {str(kind): some.abs().to(kind) for kind in types}
    assert_equal(read_state(saved(state, form)), state)


@form
def test_tensors_that_lie_oddly(form, saved):
    """Views of one storage, transposed, strided, with offsets, of no axis, and empty."""
    whole = torch.arange(240.0).reshape(10, 4, 6)
    state = {
        "whole": whole,
        "again": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[3:7, 1::2, 2:],
        "column": whole[:, 0, 5],
        "channels last": torch.randn(1, 3, 4, 5).to(memory_format=torch.channels_last),
        "one": torch.tensor(7.0),
        "none": torch.zeros(0, 3),
        "repeated": torch.tensor([1.0, 2.0]).expand(3, 2),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "turned halves": torch.randn(4, 3).to(torch.bfloat16).T,
    }
    assert_equal(read_state(saved(state, form)), state)


@form
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model_state_dict": state, "optimizer": {"lr": 0.1}, "best": None},
        lambda state: {"model": {"state_dict": state}, "names": ["a", ("b", 1.5)]},
        lambda state: collections.OrderedDict(net=collections.OrderedDict(state)),
        lambda state: {"epoch": 1, "ema": {"decay": 0.99, "module": state}},
        lambda state: {"params_ema": state},
        lambda state: {"state_dict": state, "state_dict_ema": {"a.weight": torch.ones(3, 2)}},
    ],
)
def test_a_state_dict_within_a_checkpoint(wrap, form, saved):
    state = {"a.weight": torch.randn(3, 2), "a.bias": torch.randn(3)}
    assert_equal(read_state(saved(wrap(state), form)), state)


@form
def test_what_lies_beside_the_state_is_not_its_own(form, saved):
    """An optimizer's tensors, of other types too, are passed over; they are in the file."""
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    content = {"optimizer": optimizer.state_dict(), "state_dict": module.state_dict()}
    assert_equal(read_state(saved(content, form)), module.state_dict())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"backbone": {"w": torch.ones(2)}, "x": torch.ones(1)}, "within 'backbone'"),
        ({"backbone": {"w": torch.ones(2)}}, "within 'backbone'"),
        ({"epoch": 3}, "no state_dict"),
        ([torch.ones(2)], "no state_dict"),
        (torch.ones(2), "no state_dict"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "ComplexFloatStorage"),
        ({"w": torch.tensor(1.0).expand(1000, 1000)}, "describes 1000000 numbers"),
        (argparse.Namespace(lr=1), "argparse.Namespace"),
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_what_is_no_state_dict_is_refused(content, says, form, saved):
    path = saved(content, form)
    with pytest.raises(TatamiError, match=says) as caught:
        read_state(path)
    assert caught.value.file == path


# Pickles that are programs


class Call:
    """Pickled, a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.parts = function, arguments

    def __reduce__(self) -> Any:
        return self.parts


def zipped(pickled: bytes, **members: bytes) -> bytes:
    """A zip as torch lays it out, around any pickle."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        for name, content in members.items():
            archive.writestr(f"net/{name.replace('_', '/')}", content)
    return made.getvalue()


def legacy(pickled: bytes, keys: list[str] | None = None, rest: bytes = b"") -> bytes:
    """The older form, around any pickle."""
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    mark = 0x1950A86A20F9469CFC6C
    parts = [pickle.dumps(part, 2) for part in (mark, 1001, machine)]
    return b"".join([*parts, pickled, pickle.dumps(keys or [], 2), rest])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("around", [zipped, legacy])
@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda path: Call(os.system, f"touch {path}"), r"(posix|nt)\.system"),
        (lambda path: {"w": [Call(open, str(path), "w")]}, r"(io|_io|builtins)\.open"),
        (lambda path: Call(eval, f"open({str(path)!r}, 'w')"), r"(builtins|__builtin__)\.eval"),
        (lambda path: Call(getattr, Call(os.system, f"touch {path}"), "x"), r"(posix|nt)\.system"),
    ],
)
def test_no_call_is_made(call, named, around, protocol, tmp_path):
    (tmp_path / "bad.pth").write_bytes(around(pickle.dumps(call(tmp_path / "ran"), protocol)))
    with pytest.raises(TatamiError, match=f"asks to call {named}|pickle instruction") as caught:
        read_state(tmp_path / "bad.pth")
    if protocol >= 2:
        assert "asks to call" in caught.value.reason
    assert caught.value.file == tmp_path / "bad.pth"
    assert not (tmp_path / "ran").exists()
    # The same bytes are a program to pickle itself.
    pickle.loads(pickle.dumps(Call(Path.touch, tmp_path / "ran"), protocol))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"(ios\nsystem\nX\x02\x00\x00\x00idios.",  # INST
        b"(cos\nsystem\nX\x02\x00\x00\x00ido.",  # OBJ
        b"cos\nsystem\n)\x81.",  # NEWOBJ
        b"cos\nsystem\n)}\x92.",  # NEWOBJ_EX
        b"\x8c\x02os\x8c\x06system\x93)R.",  # STACK_GLOBAL, REDUCE
        b"cos\nsystem\n)R.",  # GLOBAL, REDUCE
    ],
)
def test_every_instruction_that_calls_is_refused_by_name(pickled):
    with pytest.raises(TatamiError, match=r"asks to call os\.system"):
        read_pickle(io.BytesIO(pickled))


def test_a_call_of_nothing_is_refused():
    """OBJ with nothing above its mark."""
    with pytest.raises(TatamiError, match="something that is not a function"):
        read_pickle(io.BytesIO(b"(o."))


def test_a_name_is_data():
    """It is not looked up: this module is not there."""
    assert read_pickle(io.BytesIO(b"cno.such\nthing\n.")) == Name("no.such", "thing")
    assert str(read_pickle(io.BytesIO(b"cno.such\nthing\n."))) == "no.such.thing"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.dictionaries(st.text(), inner).map(collections.OrderedDict)
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(content=PLAIN, protocol=st.integers(1, 5))
def test_plain_values_are_what_pickle_gives(content, protocol):
    assert read_pickle(io.BytesIO(pickle.dumps(content, protocol))) == content


# Small files that describe endless things


def doubled(times: int, made: bytes) -> bytes:
    """A pickle of a pair of one pair of one pair ...: 2 ** times parts, if written out."""
    steps = (b"q\x00h\x00" + made for _ in range(times))
    return b"\x80\x02N" + b"".join(steps)


PAIRS = doubled(100, b"\x86")
REBUILD_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n("
ENDLESS = {
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "a dictionary in itself": b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x00s.",
    "lists in lists": b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".",
    "tuples in tuples": b"\x80\x02)" + b"\x85" * 20_000 + b".",
    "dictionaries in dictionaries": b"\x80\x02"
    + b"}X\x05\x00\x00\x00model" * 10_000
    + b"}"
    + b"s" * 10_000
    + b".",
    "pairs of pairs": PAIRS + b".",
    "pairs of pairs for a key": b"\x80\x02}" + PAIRS[2:] + b"Ns.",
    "pairs of pairs for a name": PAIRS + b"X\x01\x00\x00\x00a\x93.",
    "pairs of pairs for a function": PAIRS + b")R.",
    "pairs of pairs for a storage": b"\x80\x02"
    + REBUILD_TENSOR
    + PAIRS[2:]
    + b"K\x00)))tR.",
    "pairs of pairs in a storage": b"\x80\x02}X\x01\x00\x00\x00w"
    + REBUILD_TENSOR
    + b"("
    + (PAIRS[2:] + b"h\x00h\x00h\x00h\x00")
    + b"tK\x00))NNtRs.",
    "a dictionary of it all": b"\x80\x02ccollections\nOrderedDict\n"
    + PAIRS[2:]
    + b"\x85R.",
    "marks": b"\x80\x02" + b"(" * 20_000 + b".",
    "a text said to be huge": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"a.",
    "a number said to be huge": b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"a.",
    "a number of many digits": b"L" + b"9" * 20_000 + b"L\n.",
    "a place far away in the memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "nothing": b"",
    "a stop": b".",
    "an end before the stop": b"\x80\x02N",
}  # fmt: skip


@pytest.mark.parametrize("around", [zipped, legacy])
@pytest.mark.parametrize("what", ENDLESS)
def test_endless_things_are_refused_at_once(what, around, tmp_path):
    (tmp_path / "bad.pth").write_bytes(around(ENDLESS[what]))
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(TatamiError) as caught:
            read_state(tmp_path / "bad.pth")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.file == tmp_path / "bad.pth"
    assert len(str(caught.value)) < 1000
    assert peak < 64 << 20
    assert time.monotonic() - started < 20


def test_a_list_copied_again_and_again_is_refused():
    """Each call would copy a list of 2 ** 15 pairs: the copies are counted."""
    pairs = b"](" + b"X\x01\x00\x00\x00aN\x86" * (1 << 15) + b"e"
    head = b"\x80\x02" + pairs + b"q\x00"
    calls = b"ccollections\nOrderedDict\nh\x00\x85R\x85" * (MAX_OBJECTS >> 15)
    with pytest.raises(TatamiError, match="too many objects"):
        read_pickle(io.BytesIO(head + calls + b"."))


# Files that are not what they say


def tensor_of(
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int = 0,
    count: object = 4,
    storage: tuple[object, ...] | None = None,
) -> bytes:
    """The pickle of {"w": a tensor of storage 0}, with any numbers in it."""
    described = storage or ("storage", Name("torch", "FloatStorage"), "0", "cpu", count)

    class Pickler(pickle._Pickler):  # type: ignore[misc]
        def persistent_id(self, value: object) -> object:
            return value if isinstance(value, tuple) and value[:1] == ("storage",) else None

        def save(self, value: object, save_persistent_id: bool = True) -> None:
            if isinstance(value, Name):
                self.write(f"c{value.module}\n{value.name}\n".encode())
            else:
                super().save(value, save_persistent_id)

    class Tensor:
        def __reduce__(self) -> Any:
            return REBUILD, (described, offset, shape, stride, False, collections.OrderedDict())

    from torch._utils import _rebuild_tensor_v2 as REBUILD

    made = io.BytesIO()
    Pickler(made, 2).dump({"w": Tensor()})
    return made.getvalue()


def test_a_file_written_by_hand_is_read(tmp_path):
    """So that what is refused below is refused for its own fault."""
    numbers = np.float32([1, 2, 3, 4])
    pickled = tensor_of((2, 2), (2, 1))
    (tmp_path / "zip.pth").write_bytes(zipped(pickled, data_0=numbers.tobytes()))
    rest = struct.pack("<q", 4) + numbers.tobytes()
    (tmp_path / "legacy.pth").write_bytes(legacy(pickled, ["0"], rest))
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_state(path)["w"], numbers.reshape(2, 2))


FLOATS = Name("torch", "FloatStorage")


@pytest.mark.parametrize(
    "pickled",
    [
        tensor_of((5,), (1,)),
        tensor_of((4,), (2,)),
        tensor_of((4,), (1,), offset=1),
        tensor_of((4,), (1,), offset=-1),
        tensor_of((4,), (-1,), offset=3),
        tensor_of((-4,), (1,)),
        tensor_of((4,), (1, 1)),
        tensor_of((1,) * 65, (1,) * 65),
        tensor_of((1 << 20, 1 << 20), (0, 0)),
        tensor_of((1 << 62,), (1,)),
        tensor_of((0, 1 << 40, 1 << 40), (1, 1, 1)),
        tensor_of((4,), (1,), count=5),
        tensor_of((4,), (1,), count=1 << 62),
        tensor_of((4,), (1,), count=-4),
        tensor_of((4,), (1,), count="4"),
        tensor_of((4,), (1,), count=True),
        tensor_of((True, 4), (1, 1)),
        tensor_of((4,), (1,), storage=("storage", FLOATS, "1", "cpu", 4)),
        tensor_of((4,), (1,), storage=("storage", FLOATS, 0, "cpu", 4)),
        tensor_of((4,), (1,), storage=("storage", FLOATS, "0", "cpu")),
        tensor_of((4,), (1,), storage=("storage", FLOATS, "0", "cpu", 4, ("1", 0, 4))),
        tensor_of((4,), (1,), storage=("storage", "FloatStorage", "0", "cpu", 4)),
        tensor_of((4,), (1,), storage=("storage", Name("torch", "QInt8Storage"), "0", "cpu", 4)),
        tensor_of((4,), (1,), storage=("other", FLOATS, "0", "cpu", 4)),
    ],
)
def test_tensors_that_are_not_in_the_file_are_refused(pickled, tmp_path):
    (tmp_path / "zip.pth").write_bytes(zipped(pickled, data_0=bytes(16)))
    rest = struct.pack("<q", 4) + bytes(16)
    (tmp_path / "legacy.pth").write_bytes(legacy(pickled, ["0"], rest))
    for path in tmp_path.iterdir():
        tracemalloc.start()
        try:
            with pytest.raises(TatamiError) as caught:
                read_state(path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert caught.value.file == path
        assert peak < 16 << 20


def test_a_zip_bomb_is_refused_before_it_is_opened(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", tensor_of((1 << 23,), (1,), count=1 << 23))
        archive.writestr("net/data/0", bytes(1 << 25))
    tracemalloc.start()
    try:
        with pytest.raises(TatamiError, match="compressed"):
            read_state(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_members_that_are_one_part_of_the_file_are_refused(tmp_path):
    """Many names for the same bytes: together they are larger than the file."""
    content = bytearray(zipped(tensor_of((4,), (1,)), data_0=bytes(4096), data_1=bytes(4096)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        places = [info.header_offset for info in archive.infolist()]
    first = content.rindex(struct.pack("<L", places[1]) + b"net/data/0")
    second = content.rindex(struct.pack("<L", places[2]) + b"net/data/1")
    for place in (first, second):  # both members are said to be 4 times as long
        for at in (place - 22, place - 18):  # both sizes of the entry, compressed and not
            content[at : at + 4] = struct.pack("<L", 4 * 4096)
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(TatamiError, match="larger than the file"):
        read_state(tmp_path / "bad.pth")


def test_big_endian_numbers_are_refused(tmp_path):
    pickled = tensor_of((4,), (1,))
    (tmp_path / "big.pth").write_bytes(zipped(pickled, data_0=bytes(16), byteorder=b"big"))
    with pytest.raises(TatamiError, match="big-endian"):
        read_state(tmp_path / "big.pth")


STATE = {"a.weight": torch.randn(5, 4), "a.bias": torch.randn(5).to(torch.float16)}


@form
def test_a_file_that_is_cut_is_refused_wherever_it_is(form, saved):
    path = saved(STATE, form)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(TatamiError) as caught:
            read_state(path)
        assert caught.value.file == path


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_are_refused_and_nothing_else_happens(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "state.pth"
    made = io.BytesIO()
    torch.save(STATE, made, **FORMS[data.draw(st.sampled_from(["zip", "legacy"]))])
    content = bytearray(made.getvalue())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    blamed = path
    try:
        read_state(path)
    except TatamiError as error:
        blamed = error.file
    assert blamed == path


@settings(max_examples=200)
@given(content=st.binary(max_size=60))
def test_garbage_is_no_pickle(content):
    """Each byte an instruction: a value, or a TatamiError."""
    with contextlib.suppress(TatamiError):
        read_pickle(io.BytesIO(content + b"."))


# Into a network


@pytest.fixture
def network(model_of) -> Any:
    """A convolution and its normalization, named as torch names them."""
    nodes = [
        helper.make_node("Conv", ["images", "conv.weight"], ["y"], kernel_shape=[3, 3]),
        helper.make_node(
            "BatchNormalization",
            ["y", *(f"norm.{part}" for part in ("weight", "bias", "mean", "var"))],
            ["map"],
        ),
    ]
    parts = {f"norm.{part}": np.ones(4, np.float32) for part in ("weight", "bias", "mean", "var")}
    return model_of(nodes, {"conv.weight": reals(4, 3, 3, 3), **parts})


@pytest.fixture
def module() -> torch.nn.Module:
    module = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(3, 4, 3, bias=False), norm=torch.nn.BatchNorm2d(4)
        )
    ).eval()
    for tensor in module.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) + 0.1)
    return module


TABLE = {"norm.running_mean": "norm.mean", "norm.running_var": "norm.var"}


def test_a_state_is_put_by_its_names_and_a_table(network, module, saved, run_model):
    made = load_state(network, read_state(saved(module.state_dict())), TABLE)
    images = reals(1, 3, 8, 8)
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(run_model(made, images)["map"], expected, rtol=1e-4, atol=1e-5)
    assert run_model(network, images)["map"].std() > 0  # the model that was given is as it was
    assert np.abs(run_model(network, images)["map"] - expected).max() > 0.1


@pytest.mark.parametrize(
    ("change", "table", "says"),
    [
        ({}, {}, "'norm.running_mean', for 'norm.running_mean' of the state, is not a weight"),
        ({"conv.weight": None}, TABLE, "gives no conv.weight"),
        ({"conv.weight": reals(4, 3, 1, 1)}, TABLE, r"shape \(4, 3, 1, 1\), .* \(4, 3, 3, 3\)"),
        ({"more": reals(4)}, TABLE, "'more', for 'more' of the state, is not a weight"),
        ({"more": reals(4)}, {**TABLE, "more": "norm.mean"}, "is given twice"),
        ({}, {**TABLE, "typo": "norm.mean"}, "the table names 'typo'"),
        ({}, {**TABLE, "norm.bias": "-"}, "gives no norm.bias"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_its_names(
    change, table, says, network, module, saved
):
    state = {**read_state(saved(module.state_dict())), **change}
    state = {name: array for name, array in state.items() if array is not None}
    with pytest.raises(TatamiError, match=says):
        load_state(network, state, table)


PREFIXES = ["module.", "model.", "_orig_mod.", "ema.", "module._orig_mod.", "model.backbone.net."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("bare", [False, True])
def test_a_prefix_that_all_names_have_is_left_out(prefix, bare, network, module, saved, run_model):
    """The table may say the names of the file, or those without the prefix."""
    state = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    table = TABLE if bare else {f"{prefix}{old}": new for old, new in TABLE.items()}
    made = load_state(network, read_state(saved({"epoch": 1, "state_dict": state})), table)
    images = reals(1, 3, 8, 8)
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(run_model(made, images)["map"], expected, rtol=1e-4, atol=1e-5)


def test_a_prefix_of_the_network_is_added(model_of, run_model):
    node = helper.make_node("Conv", ["images", "net.conv.weight", "net.conv.bias"], ["map"])
    weights = {"net.conv.weight": reals(4, 3, 1, 1), "net.conv.bias": reals(4)}
    state = {"conv.weight": reals(4, 3, 1, 1), "conv.bias": reals(4)}
    made = load_state(model_of([node], weights), state, {})
    images = reals(1, 3, 8, 8)
    expected = F.conv2d(*map(torch.from_numpy, (images, *state.values()))).numpy()
    np.testing.assert_allclose(run_model(made, images)["map"], expected, rtol=1e-4, atol=1e-5)


def test_a_name_of_the_network_that_begins_like_a_prefix_stays(model_of):
    """``module.`` is a part of this network: nothing is taken away."""
    node = helper.make_node("Conv", ["images", "module.weight", "module.bias"], ["map"])
    weights = {"module.weight": reals(4, 3, 1, 1), "module.bias": reals(4)}
    state = {name: array + 1 for name, array in weights.items()}
    made = load_state(model_of([node], weights), state, {})
    for tensor in made.graph.initializer:
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), state[tensor.name])


def test_what_does_not_fit_behind_a_prefix_is_refused_with_its_name(network, module, saved):
    state = {f"module.{name}": array for name, array in module.state_dict().items()}
    state["module.head.weight"] = torch.ones(7)
    with pytest.raises(TatamiError, match=r"'head\.weight', for 'module\.head\.weight' of"):
        load_state(network, read_state(saved(state)), TABLE)


def test_what_is_not_wanted_is_left_out_by_the_table(network, module, saved):
    state = {**read_state(saved(module.state_dict())), "head.weight": reals(7)}
    made = load_state(network, state, {**TABLE, "head.weight": "-"})
    assert len(made.graph.initializer) == 5


def test_a_table_is_read(tmp_path):
    (tmp_path / "table").write_text("# names\na.weight  b.weight # so\n\nc -\n")
    assert read_table(tmp_path / "table") == {"a.weight": "b.weight", "c": "-"}


@pytest.mark.parametrize(
    ("content", "line"), [(b"a b\na c\n", 2), (b"\n\na\n", 3), (b"a b c\n", 1), (b"\xff", 1)]
)
def test_a_bad_table_is_refused_with_its_line(content, line, tmp_path):
    (tmp_path / "table").write_bytes(content)
    with pytest.raises(TatamiError) as caught:
        read_table(tmp_path / "table")
    assert (caught.value.file, caught.value.line) == (tmp_path / "table", line)


def test_ultraface_is_one_network_in_torch_onnx_and_caffe(weights_of, run_model):
    """The .pth put into the ONNX file's own network, folded by us, and what Caffe's files say."""
    folder = weights_of("ultraface-rfb-320")
    state = read_state(folder / "version-RFB-320.pth")
    theirs = read_onnx(folder / "version-RFB-320_without_postprocessing.onnx", None).model
    empty = read_onnx(folder / "version-RFB-320_without_postprocessing.onnx", None).model
    for tensor in empty.graph.initializer:
        if tensor.name in state:
            tensor.raw_data = bytes(len(tensor.raw_data))
    ours = load_state(empty, state, {})
    folded, _ = fold(network_of(ours))
    caffe = read_caffe(folder / "RFB-320.prototxt", folder / "RFB-320.caffemodel", None).model
    with Image.open(min((folder / "images").glob("*.jpg"))) as image:
        pixels = np.asarray(image.convert("RGB").resize((320, 240)), np.float32)
    images = np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])
    expected = run_model(theirs, images)
    assert expected["scores"][..., 1].max() > 0.9
    for name, value in run_model(ours, images).items():
        np.testing.assert_array_equal(value, expected[name])
    for other in (ir.to_proto(folded.model), caffe):
        found = run_model(other, images)
        for name in ("boxes", "scores"):
            assert np.abs(found[name] - expected[name]).max() < 5e-5
