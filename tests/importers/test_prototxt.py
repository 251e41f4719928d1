"""Protobuf's text with its lines: held to protobuf's own reader and writer."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import given
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.importers.prototxt import Message, parse_prototxt

KINDS = descriptor_pb2.FieldDescriptorProto


def message_class():
    """A message of every kind of field that prototxts have, itself among them."""
    file = descriptor_pb2.FileDescriptorProto(name="any.proto", package="any")
    any_message = file.message_type.add(name="Any")
    for number, (name, kind) in enumerate(
        {
            "text": KINDS.TYPE_STRING,
            "whole": KINDS.TYPE_INT32,
            "real": KINDS.TYPE_DOUBLE,
            "flag": KINDS.TYPE_BOOL,
        }.items(),
        start=1,
    ):
        any_message.field.add(name=name, number=number, type=kind, label=KINDS.LABEL_REPEATED)
    any_message.field.add(
        name="inner",
        number=9,
        type=KINDS.TYPE_MESSAGE,
        type_name=".any.Any",
        label=KINDS.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("any.Any"))


ANY = message_class()
# Letters that protobuf writes without an escape of its own, and those that it must escape.
TEXTS = st.text(st.sampled_from("abcXYZ019 #{}<>:[],;.-_/\\'\""), max_size=8)
TREES = st.recursive(
    st.fixed_dictionaries(
        {
            "text": st.lists(TEXTS, max_size=2),
            "whole": st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=3),
            "real": st.lists(st.floats(-1e30, 1e30), max_size=2),
            "flag": st.lists(st.booleans(), max_size=1),
        }
    ),
    lambda inner: st.fixed_dictionaries({"inner": st.lists(inner, min_size=1, max_size=3)}),
    max_leaves=6,
)


def parse(text: str | bytes, folder) -> Message:
    path = folder / "net.prototxt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return parse_prototxt(path)


def as_tree(message: Message) -> dict[str, list[object]]:
    return {
        "text": message.texts("text"),
        "whole": message.integers("whole"),
        "real": message.reals("real"),
        "flag": [
            Message("", (field,), message.file, 1).flag("flag", False)
            for field in message.fields
            if field.name == "flag"
        ],
        "inner": [as_tree(inner) for inner in message.messages("inner")],
    }


@given(
    tree=TREES,
    looks=st.fixed_dictionaries(
        {
            "as_one_line": st.booleans(),
            "use_short_repeated_primitives": st.booleans(),
            "pointy_brackets": st.booleans(),
        }
    ),
)
def test_reads_what_protobuf_writes(tree, looks, tmp_path_factory):
    message = ANY()
    fill(message, tree)
    text = text_format.MessageToString(message, **looks)
    found = as_tree(parse(text, tmp_path_factory.getbasetemp()))
    assert prune(found) == prune(tree)


def fill(message, tree) -> None:
    for name, values in tree.items():
        if name == "inner":
            for value in values:
                fill(message.inner.add(), value)
        else:
            getattr(message, name).extend(values)


def prune(tree) -> dict[str, list[object]]:
    """Without the names that have no values."""
    pruned = {name: values for name, values in tree.items() if values}
    if "inner" in pruned:
        pruned["inner"] = [prune(inner) for inner in pruned["inner"]]
    return pruned


def test_comments_lists_and_lines(tmp_path):
    text = "a: 1 # one\n# two\nb { c: 'x' \"y\"\n  d: [2,\n 3] ; e < > }\nb: { }\n"
    whole = parse(text, tmp_path)
    first, second = whole.messages("b")
    assert whole.integer("a", 0) == 1
    assert first.text("c", "") == "xy"
    assert first.integers("d") == [2, 3]
    assert (first.line, second.line) == (3, 6)
    assert [field.line for field in first.fields if field.name == "d"] == [4, 5]
    assert whole.message("absent").real("x", 0.5) == 0.5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb {\n", 3),
        ("a: 1\n}\n", 2),
        ("a: 1\n\nb 2\n", 3),
        ("a:\n@", 2),
        ('a: "x\n"', 1),
        ("a: [1\n2]", 2),
        ('a: "\\x41"', 1),
        ("a {" * 40, 1),
        ("a: {\n>", 2),
        (b"a: 1\n\xff", 2),
    ],
)
def test_what_is_no_text_format_is_refused_with_its_line(text, line, tmp_path):
    with pytest.raises(TatamiError) as caught:
        parse(text, tmp_path)
    assert (caught.value.file, caught.value.line) == (tmp_path / "net.prototxt", line)


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("a: 1.5", lambda m: m.integer("a", 0)),
        ("a: 010", lambda m: m.integer("a", 0)),  # eight, in protobuf
        ("a: 3000000000", lambda m: m.integer("a", 0)),
        ("a: 1\na: 2", lambda m: m.integer("a", 0)),
        ("a: '1'", lambda m: m.integer("a", 0)),
        ("a: inf", lambda m: m.real("a", 0)),
        ("a: 1e400", lambda m: m.real("a", 0)),
        ("a: 2", lambda m: m.flag("a", False)),
        ("a: x", lambda m: m.text("a", "")),
        ("a { }", lambda m: m.word("a", "")),
        ("a: 1", lambda m: m.message("a")),
        ("a: 1", lambda m: m.allow("b")),
    ],
)
def test_what_is_not_as_asked_for_is_refused(text, ask, tmp_path):
    with pytest.raises(TatamiError) as caught:
        ask(parse(text, tmp_path))
    assert caught.value.line is not None


def test_a_text_beyond_all_bounds_is_not_read(tmp_path):
    with pytest.raises(TatamiError, match="more than"):
        parse(b" " * (1 << 23), tmp_path)
