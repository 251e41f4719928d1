"""Protobuf's text format as a tree in which every field knows its line.

protobuf's own reader forgets the lines of what it understood, and an error about a layer should
name the layer's line. What a field means is left to its reader: fields are read from a message by
name and type, and a message checks which names it may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tatami.errors import TatamiError
from tatami.files import read_text

MAX_BYTES = 1 << 22
"""The largest text that is read; that of a network of a thousand layers has a quarter of it."""
MAX_DEPTH = 16
"""Messages within messages: Caffe has four."""
MAX_INTEGER = 2**31 - 1

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\f\v]+|\#[^\n]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<word>[A-Za-z0-9_.+-]+)
    | (?P<mark>[{}<>:,;\[\]])
    """,
    re.VERBOSE,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_REAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?", re.ASCII)
_FLAGS = {"true": True, "True": True, "t": True, "1": True} | {
    "false": False,
    "False": False,
    "f": False,
    "0": False,
}
_CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class Token:
    """One token of the text.

    Args:
        kind: What it is.
        text: As written.
        line: Its line, from 1.
    """

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Args:
        name: Its name.
        value: A text or, for name { ... }, a message.
        quoted: Whether the value was a string and not a bare word.
        line: Its line, from 1.
    """

    name: str
    value: str | Message
    quoted: bool
    line: int


@dataclass(frozen=True)
class Message:
    """A message and its fields.

    Args:
        name: Of the field that holds it, or of the file's kind for the whole.
        fields: In order.
        file: The file.
        line: Its line, from 1.
    """

    name: str
    fields: tuple[Field, ...]
    file: Path
    line: int

    def allow(self, *names: str) -> None:
        """Check that only fields of these names are there.

        Raises:
            TatamiError: For the first other one.
        """
        for field in self.fields:
            if field.name not in names:
                raise self.wrong(
                    f"'{self.name}' has a member '{field.name}', which Tatami does not know",
                    "leave it out if it does not matter here, or bring the network by way of ONNX",
                    field.line,
                )

    def wrong(self, reason: str, hint: str, line: int | None = None) -> TatamiError:
        """Make an error at this message, or at a line within it."""
        return TatamiError(reason, hint=hint, file=self.file, line=line or self.line)

    def has(self, name: str) -> bool:
        """Tell whether there is a field of that name."""
        return any(field.name == name for field in self.fields)

    def messages(self, name: str) -> list[Message]:
        """Read all messages of that name."""
        found = []
        for field in self._all(name):
            if not isinstance(field.value, Message):
                raise self._not(field, "a message in braces")
            found.append(field.value)
        return found

    def message(self, name: str) -> Message:
        """Read the one message of that name; one without fields where there is none."""
        self._one(name)
        return next(iter(self.messages(name)), Message(name, (), self.file, self.line))

    def texts(self, name: str) -> list[str]:
        """Read all texts of that name."""
        found = []
        for field in self._all(name):
            if isinstance(field.value, Message) or not field.quoted:
                raise self._not(field, "a text in quotes")
            found.append(field.value)
        return found

    def text(self, name: str, default: str) -> str:
        """Read the one text of that name; ``default`` where there is none."""
        self._one(name)
        return next(iter(self.texts(name)), default)

    def integers(self, name: str) -> list[int]:
        """Read all whole numbers of 32 bits of that name."""
        found = []
        for field in self._all(name):
            value = self._word(field)
            number = int(value) if _INTEGER.fullmatch(value) else None
            if number is None or abs(number) > MAX_INTEGER:
                raise self._not(field, "a whole number of 32 bits")
            found.append(number)
        return found

    def integer(self, name: str, default: int) -> int:
        """Read the one whole number of that name; ``default`` where there is none."""
        self._one(name)
        return next(iter(self.integers(name)), default)

    def reals(self, name: str) -> list[float]:
        """Read all finite numbers of that name."""
        found = []
        for field in self._all(name):
            value = self._word(field)
            number = float(value.rstrip("fF")) if _REAL.fullmatch(value) else float("inf")
            if abs(number) > 3e38:
                raise self._not(field, "a number")
            found.append(number)
        return found

    def real(self, name: str, default: float) -> float:
        """Read the one finite number of that name; ``default`` where there is none."""
        self._one(name)
        return next(iter(self.reals(name)), default)

    def flag(self, name: str, default: bool) -> bool:
        """Read the one bool of that name; ``default`` where there is none."""
        field = self._one(name)
        if field is None:
            return default
        value = self._word(field)
        if value not in _FLAGS:
            raise self._not(field, "true or false")
        return _FLAGS[value]

    def word(self, name: str, default: str) -> str:
        """Read the name of an enumeration's value; ``default`` where there is none."""
        field = self._one(name)
        return default if field is None else self._word(field)

    def _all(self, name: str) -> list[Field]:
        return [field for field in self.fields if field.name == name]

    def _one(self, name: str) -> Field | None:
        found = self._all(name)
        if len(found) > 1:
            raise self.wrong(
                f"'{self.name}' says '{name}' {len(found)} times",
                "leave one of them",
                found[1].line,
            )
        return found[0] if found else None

    def _word(self, field: Field) -> str:
        if isinstance(field.value, Message) or field.quoted:
            raise self._not(field, "a bare word or number")
        return field.value

    def _not(self, field: Field, expected: str) -> TatamiError:
        value = "a message" if isinstance(field.value, Message) else f"'{field.value}'"
        return self.wrong(
            f"'{field.name}' is {value}, not {expected}", "correct the text", field.line
        )


def parse_prototxt(path: Path) -> Message:
    """Read a whole file.

    Raises:
        TatamiError: For what is not this format; it names the line.
        OSError: Where it cannot be opened.
    """
    text = read_text(path, MAX_BYTES, "give the network's description in text, not its weights")
    return _Reader(path, _tokens(path, text)).message("net", "", 1, MAX_DEPTH)


def _tokens(path: Path, text: str) -> Iterator[Token]:
    """Yield the tokens, and an empty one at the end."""
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TatamiError(
                f"'{text[at]}' begins nothing that protobuf's text format knows",
                hint="correct the text",
                file=path,
                line=line,
            )
        assert match.lastgroup is not None
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match[0], line)
        line += match[0].count("\n")
        at = match.end()
    yield Token("end", "", line)


class _Reader:
    """Reads messages with one token of look-ahead."""

    def __init__(self, path: Path, tokens: Iterator[Token]) -> None:
        self.path = path
        self.tokens = tokens
        self.next = next(tokens)

    def take(self) -> Token:
        """Take the next token."""
        token = self.next
        if token.kind != "end":
            self.next = next(self.tokens)
        return token

    def try_take(self, marks: str) -> bool:
        """Take the next token if it is one of these marks."""
        if self.next.kind == "mark" and self.next.text in marks:
            self.take()
            return True
        return False

    def message(self, name: str, closing: str, line: int, depth: int) -> Message:
        """Read fields up to the closing mark, or up to the end of the file for none."""
        if depth == 0:
            raise self._unexpected(f"no message deeper than {MAX_DEPTH}")
        fields: list[Field] = []
        while self.next.text != closing:
            fields += self.field(depth)
            self.try_take(",;")
        self.take()
        return Message(name, tuple(fields), self.path, line)

    def field(self, depth: int) -> list[Field]:
        """Read one field, or the several that ``name: [a, b]`` stands for."""
        if self.next.kind != "word":
            raise self._unexpected("the name of a field")
        name = self.take()
        colon = self.try_take(":")
        if not self.try_take("["):
            return [self.value(name, colon, depth)]
        found: list[Field] = []
        while not self.try_take("]"):
            if found and not self.try_take(","):
                raise self._unexpected("',' or ']'")
            found.append(self.value(name, colon, depth))
        return found

    def value(self, name: Token, colon: bool, depth: int) -> Field:
        """Read a field's value."""
        line = self.next.line
        if self.next.kind == "mark" and self.next.text in _CLOSING:
            closing = _CLOSING[self.take().text]
            message = self.message(name.text, closing, name.line, depth - 1)
            return Field(name.text, message, False, line)
        if not colon:
            raise self._unexpected(f"':' or '{{' after '{name.text}'")
        if self.next.kind == "word":
            return Field(name.text, self.take().text, False, line)
        if self.next.kind != "string":
            raise self._unexpected(f"a value of '{name.text}'")
        text = ""
        while self.next.kind == "string":  # several in a row are one
            text += self.string()
        return Field(name.text, text, True, line)

    def string(self) -> str:
        """Read a string, or several side by side."""
        body = self.next.text[1:-1]
        if re.search(r"\\[^\\'\"]", body.replace("\\\\", "")):
            raise self._unexpected("a text without escapes other than of quotes and backslashes")
        self.take()
        return re.sub(r"\\(.)", r"\1", body)

    def _unexpected(self, expected: str) -> TatamiError:
        found = f"'{self.next.text[:40]}'" if self.next.text else "the end of the file"
        return TatamiError(
            f"{found} where {expected} was expected",
            hint="correct the text, or copy it again if it is cut short",
            file=self.path,
            line=self.next.line,
        )
