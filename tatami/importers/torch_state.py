"""A torch state_dict read without running anything of it, and put into a network by a table.

Both forms of .pth and .pt files are read: the zip of torch 1.6 and later, and the older one of five
pickles and raw numbers. The pickles are read by pickle_reader.py, which calls nothing.
"""

from __future__ import annotations

import errno
import io
import math
import struct
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from tatami.errors import TatamiError
from tatami.files import read_text
from tatami.importers.pickle_reader import COPY, Name, Tensor, read_pickle

MAX_BYTES = 1 << 31
MAX_TABLE = 1 << 22
"""Bytes of a table of names."""
MAX_SHARED = 2
"""Numbers in the tensors of a file, for each byte of it."""
MAX_PREFIXES = 16
MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of the older form holds."""

Storage = Callable[[str, np.dtype[Any], int], NDArray[Any]]
"""The numbers of a storage: its key, their type, and how many there must be."""


# bfloat16, which NumPy has not got, is read as its 16 bits: the upper half of a float32.
_BFLOAT16 = np.dtype("<u2")
_TYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
MAX_WRAPPERS = 4
_WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "module"),
    *("weights", "params", "ema", "state_dict_ema", "ema_state_dict", "model_ema", "params_ema"),
)
"""Where programs put a state_dict in a checkpoint; the averaged one only where it is alone."""


def is_state(file: Path) -> bool:
    """Tell whether a file begins as one that torch.save wrote: a zip, or a pickle.

    Safetensors begin with eight bytes of a length, which may be any, and a brace.
    """
    with file.open("rb") as opened:
        start = opened.read(9)
    return start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[8:] != b"{")


def read_state(file: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a state_dict by name, floats as float32, whole numbers as they are.

    A checkpoint that holds a state_dict beside other things gives that.

    Raises:
        TatamiError: Naming the file, for what is not one, for a call of anything but torch's
            tensors, and for a file whose numbers are not all there.
    """
    if file.stat().st_size > MAX_BYTES:
        raise TatamiError("the file is too large", hint="give a state_dict", file=file)
    try:
        with file.open("rb") as opened:
            if zipfile.is_zipfile(opened):
                content, storage = _read_zip(opened, file.stat().st_size)
            else:
                opened.seek(0)
                content, storage = _read_legacy(opened.read())
            state = _state_of(content)
            # A tensor may share its numbers with others, or repeat them; a small file may not
            # ask for a large memory by that.
            numbers = sum(math.prod(tensor.shape) for tensor in state.values())
            if numbers > MAX_SHARED * file.stat().st_size:
                raise TatamiError(
                    f"the file describes {numbers} numbers, more than its size can hold", hint=COPY
                )
            return {name: _array(name, value, storage) for name, value in state.items()}
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=file) from error
    except (
        zipfile.BadZipFile,
        EOFError,
        OverflowError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        raise TatamiError(f"the file is damaged: {error}", hint=COPY, file=file) from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's begin, which a zip may name
            raise
        raise TatamiError("the file is damaged", hint=COPY, file=file) from None


def load_state(
    model: onnx.ModelProto, state: Mapping[str, NDArray[Any]], table: Mapping[str, str]
) -> onnx.ModelProto:
    """Give a model its weights from a state.

    Counts of batches (num_batches_tracked) are never needed. A prefix that all names of the state
    have, as "module." of a wrapped network, is left out where the rest are the model's names, and
    one that all names of the model have is added.

    Args:
        model: The model.
        state: Tensors by name.
        table: For names that differ, the state's to the model's; "-" for one that is left out.
            The state's are as they are, or without their prefix.

    Returns:
        The model with the weights.

    Raises:
        TatamiError: With the names, unless every weight of the model is given and every tensor of
            the state is used, in its own shape.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in result.graph.initializer}
    wanted = _weights_of(result)
    own = _own_names(list(state), set(weights), wanted)
    for unknown in sorted(set(table) - set(state) - set(own.values())):
        raise TatamiError(f"the table names '{unknown}', which the state lacks", hint=_TABLE)
    given = {}
    for name, array in state.items():
        usual = "-" if name.endswith("num_batches_tracked") else own[name]
        target = table.get(name, table.get(own[name], usual))
        if target == "-":
            continue
        if target not in weights or target in given:
            reason = "is given twice" if target in given else "is not a weight of the network"
            raise TatamiError(f"'{target}', for '{name}' of the state, {reason}", hint=_TABLE)
        shape = tuple(weights[target].dims)
        if array.shape != shape:
            raise TatamiError(
                f"'{name}' has the shape {array.shape}, '{target}' has {shape}", hint=_TABLE
            )
        given[target] = array
    missing = sorted(wanted - set(given))
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise TatamiError(
            f"the state gives no {', '.join(missing[:3])}{more}, which the network needs",
            hint=_TABLE,
        )
    for target, array in given.items():
        weights[target].CopyFrom(numpy_helper.from_array(array.astype(np.float32), target))
    return result


def _own_names(names: Sequence[str], known: Collection[str], wanted: set[str]) -> dict[str, str]:
    """Give each name of a state without a prefix that all have, and with one that the model has.

    Of all prefixes (none among them) the ones by which most names are known; of several, the least.
    """
    trained = [name for name in names if not name.endswith("num_batches_tracked")]
    pairs = [(old, new) for old in _prefixes(trained) for new in _prefixes(sorted(wanted))]

    def matches(pair: tuple[str, str]) -> int:
        old, new = pair
        return sum(new + name[len(old) :] in known for name in trained)

    old, new = max(pairs, key=matches)  # the first of several: the shortest
    return {name: new + name.removeprefix(old) for name in names}


def without_prefix(names: Sequence[str], is_known: Callable[[str], bool]) -> dict[str, str]:
    """Give each name of a state without a prefix that all have, as "module." of a wrapped network.

    Args:
        names: Of the state.
        is_known: Whether the network has a weight of a name.

    Returns:
        The names without the prefix, by the whole ones. Of all prefixes (none among them) it is the
        one by which most names are known; of several, the shortest.
    """
    trained = [name for name in names if not name.endswith("num_batches_tracked")]
    prefix = max(
        _prefixes(trained), key=lambda one: sum(is_known(name[len(one) :]) for name in trained)
    )
    return {name: name.removeprefix(prefix) for name in names}


def _prefixes(names: Sequence[str]) -> list[str]:
    """List the beginnings, whole words with their dots, that all names have: "" first."""
    found = [""]
    for words in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(words)) > 1 or len(found) > MAX_PREFIXES:
            break
        found.append(f"{found[-1]}{words[0]}.")
    return found


_TABLE = "write a table of names: a line NAME-IN-STATE NAME-IN-NETWORK, or - to leave it out"


def read_table(file: Path) -> dict[str, str]:
    """Read lines of two names; # begins a comment.

    Raises:
        TatamiError: For a faulty line; it names it.
    """
    table: dict[str, str] = {}
    lines = read_text(file, MAX_TABLE, _TABLE).splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] in table:
            raise TatamiError(
                "not two names, or a repeated name", hint=_TABLE, file=file, line=number
            )
        table[words[0]] = words[1]
    return table


def _weights_of(model: onnx.ModelProto) -> set[str]:
    """Find the trained numbers: what operators with weights take beside their first input."""
    kinds = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization")
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        name
        for node in model.graph.node
        if node.op_type in kinds
        for name in node.input[1:]
        if name in weights
    }


def _state_of(content: object) -> dict[str, Tensor]:
    """Find the state_dict that a checkpoint is, or has within; MAX_WRAPPERS within one another."""
    for _ in range(MAX_WRAPPERS):
        if not isinstance(content, dict):
            break
        within = [content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)]
        if not within:
            break
        content = within[0]
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, Tensor) and isinstance(name, str):
            tensors[name] = value
        elif _tensors([value], seen):
            raise TatamiError(
                f"tensors lie within '{name}', which is not known to be a state_dict",
                hint="save model.state_dict()",
            )
    if not tensors:
        raise TatamiError("the file holds no state_dict", hint="save model.state_dict()")
    return tensors


def _array(name: str, tensor: Tensor, storage: Storage) -> NDArray[Any]:
    kind, key, count = _storage_of(tensor.storage)
    numbers = storage(key, kind, count)
    if not math.prod(tensor.shape):
        return np.zeros(tensor.shape, np.float32)
    last = tensor.offset + sum(
        (side - 1) * step for side, step in zip(tensor.shape, tensor.stride, strict=True)
    )
    if last >= len(numbers):
        raise TatamiError(f"'{name}' lies outside its storage", hint=COPY)
    steps = [step * numbers.itemsize for step in tensor.stride]
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, steps)
    if kind is _BFLOAT16:
        return (view.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # float64 beyond float32: an infinity, which is refused later
        return view.astype(np.float32) if view.dtype.kind == "f" else view.copy()


def _storage_of(parts: tuple[Any, ...]) -> tuple[np.dtype[Any], str, int]:
    """Read ('storage', type, key, device, count) as torch writes it."""
    if (
        len(parts) not in (5, 6)
        or parts[5:] not in ((), (None,))  # before torch 0.4: a part of another storage
        or not isinstance(parts[0], str)
        or parts[0] != "storage"
        or not isinstance(parts[1], Name)
        or not isinstance(parts[2], str)
    ):
        raise TatamiError("a storage is not described as torch does", hint=COPY)
    kind = _TYPES.get(parts[1].name)
    if kind is None:
        raise TatamiError(f"a storage is a {parts[1]}, which is not read", hint="save it as float")
    count = parts[4]
    if type(count) is not int or not 0 <= count <= MAX_BYTES:
        raise TatamiError("a storage has no count", hint=COPY)
    return kind, parts[2], count


def _read_zip(file: BinaryIO, size: int) -> tuple[object, Storage]:
    archive = zipfile.ZipFile(file)
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise TatamiError("the file holds no state_dict", hint=COPY)
    _check_members(archive, size)
    folder = pickles[0].removesuffix("data.pkl")
    if (
        f"{folder}byteorder" in archive.namelist()
        and archive.read(f"{folder}byteorder") != b"little"
    ):
        raise TatamiError("the numbers are big-endian", hint="save it on another machine")
    content = read_pickle(io.BytesIO(archive.read(pickles[0])))
    members = {}

    def storage(key: str, kind: np.dtype[Any], count: int) -> NDArray[Any]:
        if key not in members:
            try:
                members[key] = archive.read(f"{folder}data/{key}")
            except KeyError:
                raise TatamiError(f"storage {key} is not in the file", hint=COPY) from None
        return _numbers(members[key], key, kind, count)

    return content, storage


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Check that members are stored as they are, torch's way, each in its own part of the file."""
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise TatamiError("the file is compressed, which torch.save does not do", hint=COPY)
    if sum(member.file_size for member in members) > size:
        raise TatamiError("the file's parts are larger than the file", hint=COPY)


def _read_legacy(data: bytes) -> tuple[object, Storage]:
    """Read pickles of a mark, a version, the machine, the object and the keys; then storages."""
    file = io.BytesIO(data)
    if read_pickle(file) != MAGIC or read_pickle(file) != 1001:
        raise TatamiError("the file is not one that torch.save wrote", hint=COPY)
    machine = read_pickle(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise TatamiError("the numbers are big-endian", hint="save it on another machine")
    content = read_pickle(file)
    keys = read_pickle(file)
    described = (_storage_of(tensor.storage) for tensor in _tensors([content], set()))
    kinds = {key: kind for kind, key, _ in described}
    members: dict[str, bytes] = {}
    for key in keys if isinstance(keys, list) else []:
        count = int.from_bytes(file.read(8), "little", signed=True)
        kind = kinds.get(key) if isinstance(key, str) else None
        if kind is None or count < 0:
            raise TatamiError("a storage of the file is not described", hint=COPY)
        members[key] = file.read(count * kind.itemsize)

    def storage(key: str, kind: np.dtype[Any], count: int) -> NDArray[Any]:
        if key not in members:
            raise TatamiError(f"storage {key} is not in the file", hint=COPY)
        return _numbers(members[key], key, kind, count)

    return content, storage


def _numbers(data: bytes, key: str, kind: np.dtype[Any], count: int) -> NDArray[Any]:
    if len(data) < count * kind.itemsize:
        raise TatamiError(
            f"storage {key} has {len(data)} bytes, {count} numbers need {count * kind.itemsize}",
            hint=COPY,
        )
    numbers: NDArray[Any] = np.frombuffer(data, kind, count)
    return numbers


def _tensors(waiting: list[Any], seen: set[int]) -> list[Tensor]:
    """List every tensor within some values, each once, whatever holds it and however often.

    Args:
        waiting: The values.
        seen: The identities of what was walked, which must live as long; they grow.
    """
    found = []
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not isinstance(value, Tensor | dict | list | tuple):
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            found.append(value)
        else:
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return found
