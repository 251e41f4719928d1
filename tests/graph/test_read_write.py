"""ONNX files: what is read back, and the one line for each file that is refused."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.types import AnchorGrid, Decoding, DetectionSpec, InputSpec, Size

SPEC = DetectionSpec(
    ("猫", "dog"),
    InputSpec(Size(64, 32), "stretch", "darknet", "bgr", (1.0, 2.0, 3.5), (0.1, 0.2, 0.3), 0),
    Decoding(
        "yolov3",
        (AnchorGrid(((1.5, 2.0), (3.0, 0.1)), (16.0, 16.0), 1.05),),
        "sigmoid",
        (0.1, 0.2),
        "diou",
        0.3,
        0.4,
        500,
        50,
        True,
    ),
    {"recipe": "hand", "data": "none"},
)
NODES = [
    helper.make_node("Conv", ["images", "w"], ["a"], strides=[16, 16]),
    helper.make_node("LeakyRelu", ["a"], ["map"], alpha=0.1),
]
WEIGHTS = {"w": np.random.default_rng(0).standard_normal((14, 3, 16, 16)).astype(np.float32)}
IMAGE = (1, 3, 32, 64)


@pytest.fixture
def saved(model_of, tmp_path):
    """Save a model of parts and give its path."""

    def save(nodes=NODES, weights=WEIGHTS, image=IMAGE, **more):
        path = tmp_path / "net.onnx"
        onnx.save(model_of(nodes, weights, image, **more), path)
        return path

    return save


def refuses(path, *parts):
    """Reading is refused on one line that names the file and holds the parts."""
    with pytest.raises(TatamiError) as caught:
        graph.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_network_and_its_spec_come_back(saved, tmp_path):
    network = Network(graph.read(saved()).model, SPEC)
    path = tmp_path / "written.onnx"
    graph.write(network, path)
    again = graph.read(path)
    assert again.spec == SPEC
    images = np.random.default_rng(1).random(IMAGE, np.float32)
    assert np.array_equal(graph.run(network, images)[0], graph.run(again, images)[0])
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_the_same_network_is_the_same_bytes_and_a_new_spec_replaces_the_old(saved, tmp_path):
    network = Network(graph.read(saved()).model, SPEC)
    first, second = tmp_path / "1.onnx", tmp_path / "2.onnx"
    graph.write(network, first)
    graph.write(graph.read(first), second)
    assert first.read_bytes() == second.read_bytes()
    graph.write(replace(graph.read(first), spec=None), second)
    assert graph.read(second).spec is None


def test_another_programs_file_has_no_spec_and_keeps_its_own_metadata(saved, tmp_path):
    path = saved()
    proto = onnx.load(path)
    proto.metadata_props.add(key="author", value="somebody")
    onnx.save(proto, path)
    network = graph.read(path)
    assert network.spec is None
    graph.write(network, tmp_path / "again.onnx")
    kept = onnx.load(tmp_path / "again.onnx").metadata_props
    assert [(entry.key, entry.value) for entry in kept] == [("author", "somebody")]


def test_constants_of_every_kind_become_weights(saved):
    nodes = [
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node(
            "Constant", [], ["one"], value=numpy_helper.from_array(np.ones((3, 1, 1), "f4"))
        ),
        helper.make_node("Mul", ["images", "half"], ["a"]),
        helper.make_node("Add", ["a", "one"], ["map"]),
    ]
    network = graph.read(saved(nodes, {}))
    assert [node.op_type for node in network.graph] == ["Mul", "Add"]
    images = np.full(IMAGE, 4, np.float32)
    assert (graph.run(network, images)[0] == 3).all()


def test_weights_listed_among_the_inputs_are_still_weights(saved):
    path = saved()
    proto = onnx.load(path)
    kind = onnx.TensorProto.FLOAT
    proto.graph.input.append(helper.make_tensor_value_info("w", kind, WEIGHTS["w"].shape))
    onnx.save(proto, path)
    assert [value.name for value in graph.read(path).graph.inputs] == ["images"]


def test_external_data_beside_the_file_is_read(saved, tmp_path):
    path = saved()
    proto = onnx.load(path)
    onnx.save(
        proto, tmp_path / "out.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    images = np.random.default_rng(1).random(IMAGE, np.float32)
    (expected,) = graph.run(graph.read(path), images)
    assert np.array_equal(graph.run(graph.read(tmp_path / "out.onnx"), images)[0], expected)

    held = (tmp_path / "w.bin").read_bytes()
    (tmp_path / "w.bin").write_bytes(held[:-4])
    refuses(tmp_path / "out.onnx", "'w'", "w.bin", "cut short")
    (tmp_path / "w.bin").unlink()
    refuses(tmp_path / "out.onnx", "'w'", "w.bin", "missing")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "", "link.bin"])
def test_external_data_outside_the_folder_is_refused(saved, tmp_path, location):
    secret = tmp_path.parent / "secret.bin"
    secret.write_bytes(WEIGHTS["w"].tobytes())
    (tmp_path / "link.bin").symlink_to(secret)
    path = saved()
    proto = onnx.load(path)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(proto.SerializeToString())
    refuses(path, "'w'", "outside the network's folder")


def test_a_file_cut_anywhere_is_refused(saved, tmp_path):
    path = tmp_path / "whole.onnx"
    graph.write(Network(graph.read(saved()).model, SPEC), path)
    whole = path.read_bytes()
    proto = onnx.load(path)
    for entry in list(proto.metadata_props):  # the only cut that cannot be seen: no metadata at all
        proto.metadata_props.remove(entry)
    foreign = proto.SerializeToString(deterministic=True)
    lengths = {*range(40), *range(40, len(whole), 997), *range(len(foreign) - 20, len(whole))}
    cut = tmp_path / "cut.onnx"
    for length in sorted(lengths):
        cut.write_bytes(whole[:length])
        if whole[:length] == foreign:
            assert graph.read(cut).spec is None
        else:
            refuses(cut)


@pytest.mark.parametrize("content", [b"", b"<annotation/>", b"\x89PNG\r\n\x1a\n" * 9, b"\x00" * 64])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    refuses(path, "not an ONNX file" if content else "empty")


def test_a_file_that_is_not_there_or_a_folder_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        graph.read(tmp_path / "none.onnx")
    with pytest.raises(IsADirectoryError):
        graph.read(tmp_path)


def test_a_file_beyond_the_bound_is_refused_unread(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # sparse: takes no disk
    refuses(path, "more than 1073741824")


def test_an_unknown_operator_is_named_before_anything_else(saved):
    nodes = [
        helper.make_node("SequenceAt", ["nowhere"], ["map"]),
        helper.make_node("StringConcat", [], ["b"]),
    ]
    refuses(saved(nodes, {}), "SequenceAt, StringConcat", "docs/operators.md")
    custom = [helper.make_node("Conv", ["images", "w"], ["map"], domain="com.acme")]
    refuses(saved(custom), "com.acme::Conv")


def test_shapes_that_are_not_fixed_are_refused(saved):
    refuses(saved(image=("batch", 3, 32, 64)), "'images' has no fixed shape")
    refuses(saved(image=(1, 3, "height", 64)), "no fixed shape")


W = WEIGHTS["w"]
NAN = W.copy()
NAN[3, 1, 2, 2] = np.nan
STATISTICS = {name: np.ones(14, np.float32) for name in ("scale", "bias", "mean", "variance")}
NORMALIZE = helper.make_node(
    "BatchNormalization", ["a", "scale", "bias", "mean", "variance"], ["map"]
)


@pytest.mark.parametrize(
    ("nodes", "weights", "parts"),
    [
        (NODES, {"w": NAN}, ["'w'", "NaN"]),
        (NODES, {"w": W.astype(np.float64)}, ["tensor(double)"]),
        (NODES, {"w": W.astype(np.int32)}, ["tensor(int32)"]),
        (NODES, {"w": W[:, :2]}, ["Conv 'a'", "(14, 2, 16, 16)", "3 channels"]),
        (
            NODES,
            {"w": np.zeros((14, 3, 99, 16), np.float32)},
            ["'a'", "(1, 14, -3, 4)", "the input is too small"],
        ),
        (NODES, {}, ["refuses", "w"]),
        (
            [helper.make_node("Conv", ["images", "w", "b"], ["map"])],
            {"w": W, "b": np.zeros(13, np.float32)},
            ["Conv 'map'", "bias of shape (13,)", "14 outputs"],
        ),
        (
            [helper.make_node("Conv", ["images", "w"], ["map"], kernel_shape=[3, 3])],
            {"w": W},
            ["Conv 'map'"],
        ),
        (
            [NODES[0], NORMALIZE],
            {"w": W, **STATISTICS, "mean": np.ones(13, np.float32)},
            ["BatchNormalization 'map'", "mean of shape (13,)", "14 channels"],
        ),
        (
            [NODES[0], NORMALIZE],
            {"w": W, **STATISTICS, "variance": np.full(14, -1, np.float32)},
            ["BatchNormalization 'map'", "negative"],
        ),
        (
            [helper.make_node("MaxPool", ["images"], ["map"], kernel_shape=[2, 2], pads=[2] * 4)],
            {},
            ["MaxPool 'map'", "see nothing"],
        ),
        (
            [
                helper.make_node("MaxPool", ["images"], ["x", "at"], kernel_shape=[2, 2]),
                helper.make_node("MaxUnpool", ["x", "at", "p"], ["map"], kernel_shape=[2, 2]),
            ],
            {"p": np.array([1, 3, 32, 64])},
            ["'map'", "shape"],
        ),
        (
            [
                helper.make_node("MaxPool", ["images"], ["x", "at"], kernel_shape=[2, 2]),
                helper.make_node("Reshape", ["at", "p"], ["map"]),
            ],
            {"p": np.array([1, -1])},
            ["'map'", "elem type"],
        ),
        (
            [helper.make_node("Slice", ["images", "p", "q", "p", "p"], ["map"])],
            {"p": np.array([0]), "q": np.array([1])},
            ["'map'", "step"],
        ),
        (
            [helper.make_node("Slice", ["images", "p", "q"], ["map"])],
            {"p": np.array([0, 0, 40]), "q": np.array([1, 3, 50])},
            ["'map'", "too small"],
        ),
        (
            [
                helper.make_node("Relu", ["images"], ["x"]),
                helper.make_node("Slice", ["images", "x", "q"], ["map"]),
            ],
            {"q": np.array([1, 3])},
            ["'map'"],
        ),
        ([helper.make_node("Relu", ["nowhere"], ["map"])], {}, ["refuses", "nowhere"]),
        (
            [helper.make_node("Reshape", ["images", "p"], ["map"])],
            {"p": np.array([5, -1])},
            ["'map'", "fits"],
        ),
    ],
    ids=lambda value: None,
)
def test_weights_and_nodes_that_do_not_fit_are_refused(saved, nodes, weights, parts):
    refuses(saved(nodes, weights), *parts)


def test_a_weight_with_fewer_numbers_than_its_shape_is_refused(saved):
    path = saved()
    proto = onnx.load(path)
    proto.graph.initializer[0].dims[0] = 1 << 40  # would be petabytes, were it believed
    path.write_bytes(proto.SerializeToString())
    refuses(path, "'w'", "holds 10752 numbers")


def test_a_graph_that_asks_for_too_much_memory_is_refused(saved):
    path = saved([helper.make_node("Relu", ["images"], ["map"])], {}, (1, 3, 60000, 60000))
    refuses(path, "'images'", "beyond 268435456 elements")


def test_old_and_future_operator_sets_are_refused(saved):
    refuses(saved(opset=5), "operator set 5")


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("tatami.task", None, "is missing"),
        ("tatami.task", '"dream"', "not one of 'detect'"),
        ("tatami.task", "{", "is not JSON"),
        ("tatami.color", "1", "is not a key"),
        ("tatami.classes", "[]", "is not a list"),
        ("tatami.classes", '["a", "a"]', "doubled"),
        ("tatami.classes", "[1, 2]", "not text"),
        ("tatami.input", "[]", "is not a JSON object"),
        ("tatami.input", '{"size": "64x32"}', "lacks member"),
        ("tatami.input", ("64x32", "64 by 32"), "is not a size"),
        ("tatami.input", ('"64x32"', "64"), "a size that is not text"),
        ("tatami.input", ("stretch", "crop"), "resize 'crop'"),
        ("tatami.input", ("bgr", "gray"), "channels 'gray'"),
        ("tatami.input", ("3.5", "NaN"), "is not JSON"),
        ("tatami.input", ("3.5", '"3.5"'), "3 finite numbers"),
        ("tatami.input", ('"pad": 0.0', '"pad": 256'), "0 to 255"),
        ("tatami.input", ('"pad": 0.0', '"pad": true'), "1 finite number"),
        ("tatami.input", ('"pad": 0.0', '"pad": 0, "gamma": 1'), "unknown member 'gamma'"),
        ("tatami.decoding", ("yolov3", "yolov9"), "kind 'yolov9'"),
        ("tatami.decoding", ("1.5", "-1.5"), "not positive"),
        ("tatami.decoding", ("1.5", "1e999"), "2 finite numbers"),
        ("tatami.decoding", ("0.3", "1.3"), "outside 0 to 1"),
        ("tatami.decoding", ("500", "0"), "max_candidates"),
        ("tatami.decoding", ('"agnostic": true', '"agnostic": 1'), "not true or false"),
        ("tatami.provenance", '{"a": 1}', "table of texts"),
        ("tatami.provenance", "[" * 100000, "is not JSON"),
    ],
)
def test_bad_metadata_is_refused_by_key(key, text, reason):
    entries = to_metadata(SPEC)
    if text is None:
        del entries[key]
    elif isinstance(text, tuple):
        assert text[0] in entries[key]
        entries[key] = entries[key].replace(*text, 1)
    else:
        entries[key] = text
    with pytest.raises(TatamiError) as caught:
        from_metadata(entries)
    assert reason in str(caught.value)


def test_metadata_that_contradicts_the_graph_is_refused(saved, tmp_path):
    model = graph.read(saved()).model
    path = tmp_path / "bad.onnx"
    graph.write(Network(model, replace(SPEC, classes=("one", "two", "three"))), path)
    refuses(path, "3 classes", "(16, 2, 4)", "(14, 2, 4)")
    graph.write(Network(model, replace(SPEC, input=InputSpec(Size(32, 64)))), path)
    refuses(path, "input of 32x64")


def test_a_folder_that_cannot_be_written_leaves_the_old_file(saved, tmp_path, monkeypatch):
    path = tmp_path / "kept.onnx"
    network = graph.read(saved())
    graph.write(network, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        graph.write(Network(network.model, SPEC), path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["kept.onnx", "net.onnx"]


def test_a_file_with_damaged_bytes_is_read_or_refused_never_worse(saved):
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["a"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Pad", ["a", "p"], ["padded"], mode="edge"),
        helper.make_node("MaxPool", ["padded"], ["b"], kernel_shape=[2, 2]),
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Mul", ["b", "two"], ["c"]),
        helper.make_node("Reshape", ["c", "r"], ["map"]),
    ]
    weights = {
        "w": np.ones((2, 3, 3, 3), np.float32),
        "p": np.array([0, 0, 0, 0, 0, 0, 1, 1]),
        "r": np.array([1, 4, -1, 4]),
    }
    path = saved(nodes, weights, (1, 3, 8, 8))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(250):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            network = graph.read(path)
        except TatamiError:
            continue
        read += 1
        shape = tuple(network.graph.inputs[0].shape.numpy())
        graph.values(network, np.zeros(shape, np.float32))
    assert 20 < read < 230  # both happen: a weight's bit is still a weight
