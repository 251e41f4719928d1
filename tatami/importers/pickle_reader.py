"""A pickle read as data: nothing that it names is looked up, nothing is called.

A pickle is a program for a stack machine that may call any function. Here its instructions are
read by a machine that knows how to make lists, tuples, dictionaries and numbers, that takes the few
calls with which torch describes a tensor for the plain descriptions which they are, and that
refuses every other call by name.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from typing import Any

from tatami.errors import TatamiError

MAX_OBJECTS = 1 << 22
COPY = "copy the file again, or save model.state_dict() with torch.save"

_REBUILD = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_PARAMETER = "torch._utils._rebuild_parameter"
_DICTIONARIES = ("collections.OrderedDict", "builtins.dict", "__builtin__.dict")


@dataclass(frozen=True)
class Name:
    """A function or class that the file names. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's numbers lie. offset, stride: in numbers of the storage."""

    storage: tuple[Any, ...]
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Mark:
    """Where a list of arguments begins on the stack."""


def read_pickle(file: io.BytesIO) -> Any:
    """What the next pickle of a file describes; the file is left behind it.

    Raises TatamiError for a call that is not known, named, and for what is no pickle.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    steps = 0
    try:
        for opcode, argument, _ in pickletools.genops(file):
            steps += 1
            if steps > MAX_OBJECTS:
                raise TatamiError("the file describes too many objects", mend=COPY)
            if opcode.name == "STOP":
                return stack[-1]
            _step(opcode.name, argument, stack, memo)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TatamiError(f"the file is damaged: {error}", mend=COPY) from None
    raise TatamiError("the file ends within a pickle", mend=COPY)


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT")
) | frozenset(
    ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING")
)


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in ("PROTO", "FRAME"):
        return
    if name in _VALUES:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
        stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[name])
    elif name == "MARK":
        stack.append(_Mark())
    elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
        memo[int(argument)] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET", "GET"):
        stack.append(memo[int(argument)])
    elif name in ("TUPLE", "LIST", "DICT"):
        items = _popped(stack)
        made = {"TUPLE": tuple, "LIST": list}.get(name)
        stack.append(dict(_pairs(items)) if made is None else made(items))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        items = [stack.pop() for _ in range(count)]
        stack.append(tuple(reversed(items)))
    elif name in ("APPEND", "APPENDS"):
        items = _popped(stack) if name == "APPENDS" else [stack.pop()]
        stack[-1].extend(items)
    elif name in ("SETITEM", "SETITEMS"):
        items = _popped(stack) if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
        stack[-1].update(_pairs(items))
    elif name == "GLOBAL":
        stack.append(Name(*argument.split(" ", 1)))
    elif name == "STACK_GLOBAL":
        member, module = stack.pop(), stack.pop()
        stack.append(Name(str(module), str(member)))
    elif name == "BINPERSID":
        stack.append(tuple(stack.pop()))
    elif name == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        stack.append(_call(function, arguments))
    elif name == "BUILD":
        stack.pop()  # attributes of a dictionary, as torch's _metadata: nothing that is a weight
        if not isinstance(stack[-1], dict):
            raise TatamiError("the file holds objects, not only tensors", mend=COPY)
    else:
        raise TatamiError(f"the file uses the pickle instruction {name}", mend=COPY)


def _call(function: Any, arguments: Any) -> Any:
    name = str(function)
    if name in _DICTIONARIES and len(arguments) <= 1:
        return dict(arguments[0]) if arguments else {}
    if name in _REBUILD and len(arguments) >= 4:
        storage, offset, shape, stride = arguments[:4]
        sides = (offset, *shape, *stride)
        if len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in sides):
            raise TatamiError("a tensor is not described as torch does", mend=COPY)
        return Tensor(tuple(storage), offset, tuple(shape), tuple(stride))
    if name == _PARAMETER and arguments and isinstance(arguments[0], Tensor):
        return arguments[0]
    raise TatamiError(
        f"the file asks to call {name}, which is not done",
        mend="save model.state_dict(), which holds tensors alone",
    )


def _popped(stack: list[Any]) -> list[Any]:
    """What lies above the last mark, which goes too."""
    items: list[Any] = []
    while not isinstance(stack[-1], _Mark):
        items.append(stack.pop())
    stack.pop()
    return items[::-1]


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2], strict=True))
