"""Translators in C: token by token those of the rule in NumPy and of torch."""

import shutil
import subprocess
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.rules.translation import translate
from tatami.ship.c.build import WARNINGS, build
from tatami.ship.c.emit import emit_plan, plan_programs
from tatami.ship.c.operator import DEFAULT
from tatami.ship.c.run.network import CompiledNetwork
from tatami.ship.c.targets import TARGETS
from tatami.ship.c.tasks.translation import TRANSLATION_IN_C, asked, build_translator
from tatami.shrink.floats import floats_of
from tatami.types.search import Search
from tests.small_translator import RULE, SOURCES, TEXTS, TOKENS, calls, networks, quantized, trained
from tests.small_translator import TARGETS as KNOWN

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
CHECKED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *WARNINGS)


class Programs:
    """The two programs as an encoder and a decoder of the rule."""

    def __init__(self, encoder, decoder):
        self.encoder, self.decoder = encoder, decoder

    def begin(self, source):
        shape = self.encoder.values["source"].shape
        read = interpret.run(self.encoder, [source.reshape(shape)])
        names = [name for name in self.decoder.inputs if name not in ("token", "place")]
        self.read = dict(zip(names, read, strict=True))
        return interpret.memory_of(self.decoder)

    def step(self, memory, token, place):
        after = dict(memory)
        whole = {"token": np.full((1, 1, 1), token), "place": np.full((1, 1, 1), place)} | self.read
        logits = interpret.run(self.decoder, [whole[n] for n in self.decoder.inputs], after)[0]
        return logits.ravel(), after


class InTorch:
    """The Transformer itself."""

    def begin(self, source):
        with torch.no_grad():
            self.read = trained().encode(torch.from_numpy(source[None]))
        return trained().no_tokens(1), trained().no_tokens(1)

    def step(self, memory, token, place):
        with torch.no_grad():
            logits, *memory = trained().step(
                torch.tensor([token]), torch.tensor([place]), *self.read, *memory
            )
        return logits[0].numpy(), tuple(memory)


@lru_cache(maxsize=4)
def programs(kind, beam):
    pair = networks(beam) if kind == "float" else quantized(beam)
    return dict(zip(("encoder", "decoder"), map(lower, pair), strict=True))


def shipped(kind, beam, folder, options=DEFAULT):
    plan = plan_programs(programs(kind, beam), "net", options, TRANSLATION_IN_C)
    for file, content in emit_plan(plan).files.items():
        (folder / file).write_bytes(content)
    return plan.programs


def test_nothing_of_a_quantized_transformer_stays_float():
    for network in quantized():
        assert floats_of(network) == []
    decoder = programs("int8", 1)["decoder"]
    assert all(decoder.values[name].quantization for name in decoder.states)


@pytest.mark.parametrize(("kind", "beam"), [("float", 1), ("int8", 4)])
def test_the_same_tokens_in_c(kind, beam, tmp_path):
    arranged = shipped(kind, beam, tmp_path)
    program = tmp_path / "checked"
    build(tmp_path, "net", program, options=CHECKED, networks=("net_encoder", "net_decoder"))
    found = asked([str(program)], tmp_path, TEXTS)
    own = Programs(*arranged.values())
    expected = [translate(own, each, RULE.max_target, Search(beam)) for each in SOURCES]
    assert found == expected
    assert len(set(map(tuple, found))) > 8
    lines = "".join(f"{text}\n" for text in TEXTS).encode()
    said = subprocess.run([program], input=lines, capture_output=True, check=True).stdout
    assert said.split(b"\n")[:-1] == [TOKENS.decode_bytes(tokens) for tokens in found]
    if kind == "float":
        right = [translate(InTorch(), each, RULE.max_target, Search(beam)) for each in SOURCES]
        assert found == right
    else:
        same = [one == known[1:-1] for one, known in zip(found, KNOWN, strict=True)]
        assert sum(same) >= 8


def test_every_value_of_every_step_bit_for_bit(tmp_path):
    """Of the int8 networks, with what lives from call to call."""
    arranged = shipped("int8", 1, tmp_path)
    given, steps = calls()
    for part, several in (("encoder", given[:3]), ("decoder", steps[:8])):
        program = arranged[part]
        names = ["source"] if part == "encoder" else decoder_inputs()
        own = [
            [dict(zip(names, one, strict=True))[name].reshape(program.values[name].shape)
             for name in program.inputs]
            for one in several
        ]  # fmt: skip
        bytes_ = [
            [array if program.values[name].quantization is None
             else interpret.quantize(array, program.values[name].quantization)
             for name, array in zip(program.inputs, one, strict=True)]
            for one in own
        ]  # fmt: skip
        with CompiledNetwork(tmp_path, part=f"net_{part}") as network:
            found = network.values_of_calls(bytes_)
        for right, left in zip(interpret.values_of_calls(program, bytes_), found, strict=True):
            for name, array in left.items():
                assert array.tobytes() == right[name].tobytes(), name


def test_a_text_that_is_no_line_is_refused(tmp_path):
    with pytest.raises(TatamiError, match="holds a 0"):
        asked(["true"], tmp_path, ["a\0b"])
    with pytest.raises(TatamiError, match="the program failed"):
        asked(["false"], tmp_path, ["a"])


def decoder_inputs():
    return [str(value.name) for value in networks()[1].graph.inputs]


@pytest.mark.slow
@pytest.mark.parametrize("machine", [n for n, t in TARGETS.items() if t.runner and not t.board])
def test_the_same_tokens_on_every_machine(machine, tmp_path):
    target = TARGETS[machine]
    if shutil.which(target.compiler[0]) is None or shutil.which(target.runner[0]) is None:
        pytest.skip(f"no compiler or emulator of {machine}")
    for beam in (1, 4):
        folder = tmp_path / str(beam)
        folder.mkdir()
        arranged = shipped("int8", 2, folder, replace(DEFAULT, weights="array"))
        command = build_translator(folder, "net", folder / "program", machine, beam=beam)
        own = Programs(*arranged.values())
        expected = [translate(own, each, RULE.max_target, Search(beam)) for each in SOURCES]
        assert asked(command, folder, TEXTS) == expected
