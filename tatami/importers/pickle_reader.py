"""A pickle read as data: nothing that it names is looked up, nothing is called.

A pickle is a program for a stack machine that may call any function. Here its instructions are
read by a machine that knows how to make lists, tuples, dictionaries and numbers, that takes the few
calls with which torch describes a tensor for the plain descriptions which they are, and that
refuses every other call by name.

A small pickle may describe lists that hold themselves, and tuples of one tuple, of one tuple, and
so on, that would be endless if written out. Nothing here follows a value into its parts: what is
copied is counted, and what is hashed is a text or a number.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from dataclasses import dataclass, field
from typing import Any

from tatami.errors import TatamiError

MAX_OBJECTS = 1 << 20
"""Instructions and copied members; a state_dict takes about thirty a tensor."""
MAX_AXES = 32
MAX_SIDE = 1 << 40
COPY = "copy the file again, or save model.state_dict() with torch.save"

_REBUILD = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_PARAMETER = "torch._utils._rebuild_parameter"
_DICTIONARIES = ("collections.OrderedDict", "builtins.dict", "__builtin__.dict")


@dataclass(frozen=True)
class Name:
    """A function or class that the file names. It is never looked up.

    Args:
        module: The module that the file names.
        name: The name in it.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's numbers lie.

    Args:
        storage: What torch says of the storage.
        offset: In numbers of the storage.
        shape: Of the tensor.
        stride: Of each axis, in numbers of the storage.
    """

    storage: tuple[Any, ...]
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Mark:
    """Where a list of arguments begins on the stack."""


@dataclass
class _Machine:
    """The stack, what was put aside, and how many more objects may be made."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    left: int = MAX_OBJECTS

    def count(self, objects: int) -> None:
        """Count objects that are made; refuse too many."""
        self.left -= objects
        if self.left < 0:
            raise TatamiError("the file describes too many objects", hint=COPY)


def read_pickle(file: io.BytesIO) -> Any:
    """Read what the next pickle of a file describes; the file is left behind it.

    It may hold itself, and share its parts: whoever walks it must mark what was visited.

    Raises:
        TatamiError: For a call that is not known, named, and for what is no pickle.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in old texts
            for opcode, argument, _ in pickletools.genops(file):
                machine.count(1)
                if opcode.name == "STOP":
                    return machine.stack[-1]
                _step(opcode.name, argument, machine)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise TatamiError(f"the file is damaged: {error}", hint=COPY) from None
    raise TatamiError("the file ends within a pickle", hint=COPY)


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT")
) | frozenset(
    ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING")
)


def _step(name: str, argument: Any, machine: _Machine) -> None:
    stack, memo = machine.stack, machine.memo
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
        stack.append(_name(*argument.split(" ", 1)))
    elif name == "STACK_GLOBAL":
        member, module = stack.pop(), stack.pop()
        stack.append(_name(module, member))
    elif name == "BINPERSID":
        if not isinstance(stack[-1], tuple):
            raise TatamiError("a storage is not described as torch does", hint=COPY)
    elif name == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        stack.append(_call(function, arguments, machine))
    elif name in ("NEWOBJ", "NEWOBJ_EX"):
        raise _forbidden(stack[-2 if name == "NEWOBJ" else -3])
    elif name == "INST":
        raise _forbidden(_name(*argument.split(" ", 1)))
    elif name == "OBJ":
        raise _forbidden(next(iter(_popped(stack)), None))
    elif name == "BUILD":
        stack.pop()  # attributes of a dictionary, as torch's _metadata: nothing that is a weight
        if not isinstance(stack[-1], dict):
            raise TatamiError("the file holds objects, not only tensors", hint=COPY)
    else:
        raise TatamiError(f"the file uses the pickle instruction {name}", hint=COPY)


def _name(module: Any, name: Any) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise TatamiError("the file names a function that has no name", hint=COPY)
    return Name(module, name)


def _call(function: Any, arguments: Any, machine: _Machine) -> Any:
    name = str(function) if isinstance(function, Name) else ""
    if not isinstance(arguments, tuple):
        raise TatamiError("a call is not written as pickle does", hint=COPY)
    if name in _DICTIONARIES and len(arguments) <= 1:
        return _dictionary(arguments[0], machine) if arguments else {}
    if name in _REBUILD and len(arguments) >= 4:
        return _tensor(*arguments[:4])
    if name == _PARAMETER and arguments and isinstance(arguments[0], Tensor):
        return arguments[0]
    raise _forbidden(function)


def _forbidden(function: Any) -> TatamiError:
    if isinstance(function, tuple) and function[:1] == ("module",):  # a class with its source
        function = next((part for part in function if isinstance(part, Name)), None)
    what = str(function) if isinstance(function, Name) else "something that is not a function"
    return TatamiError(
        f"the file asks to call {what}, which is not done",
        hint="save model.state_dict(), which holds tensors alone",
    )


def _dictionary(pairs: Any, machine: _Machine) -> dict[Any, Any]:
    """Make a dictionary of a list of pairs, as Python 2 wrote an OrderedDict."""
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise TatamiError("a dictionary is not made of pairs", hint=COPY)
    machine.count(len(pairs))
    return dict(_pairs([part for pair in pairs for part in pair]))


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> Tensor:
    if (
        not all(isinstance(part, tuple) for part in (storage, shape, stride))
        or len(shape) != len(stride)
        or len(shape) > MAX_AXES
        or not all(type(n) is int and 0 <= n <= MAX_SIDE for n in (offset, *shape, *stride))
    ):
        raise TatamiError("a tensor is not described as torch does", hint=COPY)
    return Tensor(storage, offset, shape, stride)


def _popped(stack: list[Any]) -> list[Any]:
    """Take what lies above the last mark, and the mark."""
    items: list[Any] = []
    while not isinstance(stack[-1], _Mark):
        items.append(stack.pop())
    stack.pop()
    return items[::-1]


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    """Pair keys and values; keys are plain, since a tuple's hash follows it into its parts."""
    if not all(isinstance(key, str | int | float | bytes | None) for key in items[::2]):
        raise TatamiError("a dictionary has a key that is neither text nor a number", hint=COPY)
    return list(zip(items[::2], items[1::2], strict=True))
