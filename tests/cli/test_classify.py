"""A classifier from folders of pictures to C: every command, on a set that is learnt in seconds."""

from __future__ import annotations

import collections
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami import graph
from tatami.cli.main import main
from tatami.evaluate.classification import evaluate
from tatami.models.table import MODELS
from tatami.pipeline.artifact import open_artifact
from tatami.pipeline.initial_weights import initial_weights
from tatami.pipeline.plan import Asked, Source, plan
from tatami.ship.c.tasks.classification import CompiledClassifier
from tatami.tasks.classification_report import rocs_of
from tatami.types import ClassificationSpec, Size
from tatami.types.progress import quiet

Command = Callable[..., int]
COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def save_set(root: Path, splits: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    for split, count in splits.items():
        for name, color in COLORS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                picture = rng.normal(color, 40, (24, 36, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(picture).save(folder / f"{index}.png")


def run(*arguments: object) -> int:
    before = sys.argv
    sys.argv = ["tatami", *map(str, arguments)]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
    raise AssertionError("main always exits")


QUICK = ("--threads", 1, "--batch", 6, "--learning-rate", 0.05, "--augment", "flip=0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("colors")
    save_set(root, {"train": 8, "test": 4})
    return root


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "colors"
    smooth = ("--label-smoothing", 0.05, "--evaluate-every", 5)
    arguments = ("train", "lenet5", "--data", data, "-o", folder, "--epochs", 10, *smooth, *QUICK)
    assert run(*arguments) == 0
    return folder


def test_training_learns_and_says_what_it_learnt(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    told = [json.loads(line) for line in (trained / "evaluations.jsonl").read_text().splitlines()]
    assert [set(row) for row in told] == [{"step", "top1"}] * 2
    spec = graph.read(trained / "network.onnx").spec
    assert isinstance(spec, ClassificationSpec)
    assert spec.classes == ("blue", "green", "red")
    assert str(spec.input.size) == "32x32"


def test_evaluate(command: Command, trained: Path, data: Path, capsys) -> None:
    assert command("evaluate", trained, "--data", data, "--split", "test", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pictures"], answer["top1"], answer["top5"]) == (12, 1.0, 1.0)
    assert answer["confusion"] == [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
    part = ("--split", "train", "--hold-out", 5)
    assert command("evaluate", trained / "network.onnx", "--data", data, *part) == 0
    assert "5 pictures" in capsys.readouterr().out
    assert command("evaluate", trained, "--data", data, "--split", "test", "--diagnose") == 2
    assert "--diagnose: it is an option of a detector" in capsys.readouterr().err


def test_classifiers_are_compared(
    command: Command, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    arguments = ("pareto", trained, "--data", data, "--split", "test", "--no-time")
    assert command(*arguments, "-o", tmp_path / "out", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    (one,) = answer["networks"]
    assert (answer["metric"], one["top1"], one["on_front"]["multiply_adds"]) == ("top1", 1.0, True)
    assert command(*arguments, "-o", tmp_path / "out", "--metric", "voc07") == 2
    assert "give top1 or top5" in capsys.readouterr().err


def test_predict(command: Command, trained: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # its own results may be replaced
        assert command("predict", trained, data / "test" / "green", "-o", out) == 0
    answer = json.loads((out / "classes.json").read_text())
    assert len(answer["pictures"]) == 4
    for one in answer["pictures"]:
        assert one["classes"][0]["class"] == "green"
        assert sum(each["score"] for each in one["classes"]) == pytest.approx(1, abs=1e-5)
        with Image.open(out / one["drawn"]) as drawn:
            assert drawn.size == (320, 213)


@pytest.mark.slow
def test_from_torch_to_integers_in_c(
    command: Command, trained: Path, data: Path, tmp_path: Path, capsys
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    network = folder / "network.onnx"
    assert command("fold", network) == 0
    quiet = ("--data", data, "--split", "train", "--pictures", 8)
    assert command("quantize", folder / "network-folded.onnx", *quiet) == 0
    assert command("ship", folder / "network-folded.onnx", "-o", folder / "c") == 0
    assert (folder / "c" / "network_folded_classify").is_file()
    assert command("ship", folder / "network-int8.onnx", "-o", folder / "c-int8") == 0
    capsys.readouterr()
    proof = ("prove", folder, "--data", data, "--split", "test", "--variants")
    assert command(*proof, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["passed"], answer["measure"]) == (True, "top-1")
    scores = [row for row in answer["rows"] if row["stage"].endswith("scores")]
    assert len(scores) >= 4
    assert all(row["worst"] == 0 for row in scores)
    assert {row["mean_ap"] for row in answer["rows"] if row["mean_ap"] is not None} == {1.0}
    assert command("report", folder) == 0
    page = (folder / "report.html").read_text()
    assert "where it looks for" in page[page.index('id="what-it-sees"') :]
    page = (folder / "report.html").read_text()
    assert "top-1" in page
    assert "mAP@0.5" not in page
    assert "ROC of each class against the rest" in page
    assert "1.000  mean of the classes" in page

    picture = np.asarray(Image.open(data / "test" / "red" / "0.png"))
    expected = open_artifact(folder / "network-int8.onnx").predictor.classify(picture)
    with (
        CompiledClassifier(folder / "c-int8") as shipped,
        CompiledClassifier(folder / "c-int8", variant="portable") as plain,
    ):
        np.testing.assert_array_equal(shipped.classify(picture), expected)
        np.testing.assert_array_equal(plain.classify(picture), expected)


def test_transfer_makes_the_head_anew_and_freezes(
    command: Command, trained: Path, tmp_path: Path, capsys
) -> None:
    save_set(tmp_path / "more", {"train": 4})
    shutil.copytree(tmp_path / "more" / "train" / "red", tmp_path / "more" / "train" / "scarlet")
    target = tmp_path / "tuned"
    arguments = ("train", "lenet5", "--data", tmp_path / "more", "-o", target, "--epochs", 1)
    others = ("--from", trained, "--freeze", "c1", "--freeze", "s2", "--layer-rate", 0.5)
    assert command(*arguments, *others, "--hold-out", 4, *QUICK) == 0
    assert "the head is new: output.weight, output.bias" in capsys.readouterr().err
    import safetensors.numpy

    before = safetensors.numpy.load_file(trained / "weights.safetensors")
    after = safetensors.numpy.load_file(target / "weights.safetensors")
    assert after["output.weight"].shape == (4, 84)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert same == {"c1.weight", "c1.bias", "s2.line.weight", "s2.line.bias"}
    again = (*arguments[:5], tmp_path / "again", *arguments[6:], "--hold-out", 4, *QUICK)
    file = trained / "weights.safetensors"
    assert command(*again, "--from", file, "--partial") == 2
    assert "which layer comes first" in capsys.readouterr().err
    assert command(*again, "--from", trained, "--partial") == 0
    assert "layer f6; the rest is new" in " ".join(capsys.readouterr().err.split())
    begun = safetensors.numpy.load_file(tmp_path / "again" / "initial.safetensors")
    same = {name for name in before if np.array_equal(before[name], begun[name])}
    assert same == {name for name in before if not name.startswith("output")}


def other_net(**changes: object) -> dict[str, object]:
    """The weights of a narrow ResNet-18 of seven classes, in torchvision's names, as torch has
    them: the counts of batches are left out, as in the files of its first versions."""
    import torch

    torch.manual_seed(7)
    row = MODELS["resnet18"]
    state = row.build(row.spec([str(k) for k in range(7)]), width=0.1).state_dict()
    old = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    return {**old, **changes}


FROM_TORCH = ("--size", "40x32", "--width", 0.1, "--epochs", 1)


def test_a_training_begins_from_the_weights_of_torch(
    command: Command, data: Path, tmp_path: Path, capsys
) -> None:
    import safetensors.numpy
    import torch

    file = tmp_path / "resnet18.pth"
    theirs = other_net()
    torch.save(theirs, file)
    target = tmp_path / "run"
    frozen = ("--freeze", "conv1", "--freeze", "bn1", "--freeze", "layer1")
    arguments = ("train", "resnet18", "--data", data, "-o", target, *FROM_TORCH, *frozen)
    assert command(*arguments, "--from", file, *QUICK) == 0
    assert "the head is new: fc.weight, fc.bias" in capsys.readouterr().err
    begun = safetensors.numpy.load_file(target / "initial.safetensors")
    ended = safetensors.numpy.load_file(target / "weights.safetensors")
    assert ended["fc.weight"].shape[0] == 3
    learnt = set()
    for name, tensor in theirs.items():
        if not name.startswith("fc."):
            np.testing.assert_array_equal(begun[name], tensor.numpy())
        if not np.array_equal(begun[name], ended[name]):
            learnt.add(name.split(".")[0])
    assert learnt == {"layer2", "layer3", "layer4", "fc"}


@pytest.mark.parametrize("prefix", ["", "module.", "net.model."])
def test_an_older_densenet_is_a_beginning(prefix: str, data: Path, tmp_path: Path) -> None:
    """Its published file says norm.1 where the network now says norm1; wrapped, all begin alike."""
    import safetensors.torch
    import torch

    from tatami.train.distributed import join_team
    from tatami.train.recipe import Recipe

    row = MODELS["densenet121"]
    state = row.build(row.spec(COLORS), width=0.1).state_dict()
    old = {re.sub(r"(r\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name): state[name] for name in state}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    wrapped = {f"{prefix}{name}": tensor for name, tensor in old.items()}
    torch.save({"state_dict": wrapped}, tmp_path / "old.pth")
    threads = torch.get_num_threads()
    recipe, remarks = Recipe(size=Size(32, 32)), []
    asked = Asked("densenet121", 0.1, recipe, None, (), Source(data), threads, "cpu")
    run, _ = plan(asked, join_team(), quiet)
    begun = safetensors.torch.load(
        initial_weights(run, tmp_path / "old.pth", progress=lambda stage, *_: remarks.append(stage))
    )
    assert "the head too" in remarks[0]  # as many classes: it may be theirs
    assert begun.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(begun[name], tensor), name


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Weights that are not those of the network, and the reasons."""
    import torch

    weight = other_net()["layer1.0.conv1.weight"]
    assert isinstance(weight, torch.Tensor)
    wide, endless = torch.zeros(9, *weight.shape[1:]), torch.full_like(weight, float("nan"))
    contents: dict[str, tuple[object, str]] = {
        "shape": (other_net(**{"layer1.0.conv1.weight": wide}), "'layer1.0.conv1.weight' is (9, "),
        "many": (other_net(**{"layer9.weight": weight}), "'layer9.weight' is (8, 8, 3, 3) in the"),
        "few": ({"conv1.weight": other_net()["conv1.weight"]}, "is absent in the file"),
        "nan": (other_net(**{"layer1.0.conv1.weight": endless}), "numbers that are not finite"),
        "call": (collections.Counter("a"), "collections.Counter"),
    }
    found = {}
    for name, (content, reason) in contents.items():
        torch.save(content, folder / f"{name}.pth")
        found[name] = (folder / f"{name}.pth", reason)
    cut = folder / "cut.pth"
    cut.write_bytes((folder / "nan.pth").read_bytes()[:4000])
    return {**found, "cut": (cut, "the file is damaged")}


def test_weights_of_torch_that_do_not_fit_are_refused(
    command: Command, data: Path, tmp_path: Path, capsys
) -> None:
    for file, reason in bad_files(tmp_path).values():
        target = tmp_path / "run"
        arguments = ("train", "resnet18", "--data", data, "-o", target, *FROM_TORCH)
        assert command(*arguments, "--from", file, *QUICK) == 2, file
        error = capsys.readouterr().err
        assert reason in error
        assert str(file) in error
        assert not target.exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--freeze", "nowhere"), "no weight's name begins with 'nowhere'"),
        (("--augment", "mosaic=0.5"), "a mosaic of pictures has no one class"),
        (("--anchors", "3"), "is for detectors"),
        (("--hold-out", "400"), "none would be left"),
        (("--hold-out", "4", "--test-split", "test"), "--hold-out: a test split is named, too"),
        (("--layer-rate", "0"), "layer_rate is 0"),
        (("--width", "0.5", "--from", "RUN"), "weight 'c1.bias'"),
        (("--width", "0.5", "--from", "RUN", "--partial"), "not even the first layer"),
        (("--partial",), "--partial: it says what to take of other weights"),
        (("--min-scale", "0.1"), "is for detectors"),
        (("--nms", "agnostic"), "is for detectors"),
        (("--size", "16"), "too small"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    command: Command, trained: Path, data: Path, tmp_path: Path, options, reason: str, capsys
) -> None:
    chosen = [trained if option == "RUN" else option for option in options]
    target = tmp_path / "run"
    assert command("train", "lenet5", "--data", data, "-o", target, *chosen) == 2
    assert reason in capsys.readouterr().err
    assert not (target / "weights.safetensors").exists()


def test_of_many_classes_the_worst_are_drawn() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 15
    scores = rng.random((300, 15)).astype(np.float32)
    scores[np.arange(300), labels] += np.linspace(0.1, 1.2, 15, dtype=np.float32)[labels]
    result = evaluate(labels, scores, [f"class {number}" for number in range(15)])
    drawn = rocs_of(result)
    assert (drawn[0].name, len(drawn)) == ("mean of the classes", 11)
    areas = sorted(one.roc.auc for one in result.classes)
    assert [one.auc for one in drawn[1:]] == areas[:10]
    few = evaluate(labels[:90] % 3, scores[:90, :3], ["a", "b", "c"])
    assert [one.name for one in rocs_of(few)[1:]] == ["a", "b", "c"]


def test_the_summary_of_a_classifier(command: Command, capsys) -> None:
    assert command("summary", "resnet18", "--size", "64x32", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["input"] == [1, 3, 32, 64]
    # The paper's, and the statistics of 4,800 normalized channels, which the file holds too.
    assert answer["total"]["parameters"] == 11_689_512 + 2 * 4_800
