"""Translation in C: an encoder and a step of a decoder, and the search between them.

Each network is emitted bare, as NAME_encoder and NAME_decoder; kernels/translation.c, with the text
rule, calls them.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.program.join import as_given
from tatami.program.steps import Program
from tatami.rules.text import Tokens
from tatami.ship.backend import Plan, Programs
from tatami.ship.c.build import build_for
from tatami.ship.c.files import DESCRIPTION, description_of_several
from tatami.ship.c.operator import Options, c_type
from tatami.ship.c.run.description import describe_joined
from tatami.ship.c.run.network import HOST
from tatami.ship.c.run.predictor import Machine
from tatami.ship.c.targets import target_of
from tatami.ship.c.tasks.base import Macro, StructureInC, TaskInC
from tatami.ship.c.tasks.text import text_macros, text_rule
from tatami.ship.c.text import (
    banner,
    beginning,
    filled,
    kernel,
    number_lines,
    renamed,
    text,
)
from tatami.types import Int64
from tatami.types.search import MAX_BEAM, Search
from tatami.types.specs import TranslationSpec
from tatami.types.text import TextInput

ENCODER, DECODER = "encoder", "decoder"
PARTS = (ENCODER, DECODER)
MAX_TEXT = 1 << 20
"""Bytes of a text that is translated at once, at most."""


class TranslatorInC(StructureInC):
    """Two networks with a search between them: net_translate, kernels/translation.c."""

    name = "translate"

    def arranged(self, programs: Programs) -> Programs:
        """Check that the programs are of one translator, and fit the encoder to the decoder.

        Raises:
            TatamiError: Where they are not, and where they were quantized apart.
        """
        if tuple(programs) != PARTS:
            raise TatamiError("not a translator", hint="ship its encoder and its decoder")
        encoder, decoder = programs.values()
        return {ENCODER: as_given(encoder, decoder), DECODER: decoder}

    def parts(self, spec: Any) -> tuple[str, ...]:
        """Name the networks of a shipped folder."""
        return PARTS

    def files(self, plan: Plan[Any, Options]) -> Mapping[str, str]:
        """Write header, source, example and description."""
        programs, name = plan.programs, plan.name
        spec = programs[ENCODER].spec
        if not isinstance(spec, TranslationSpec):
            raise TatamiError("not a translator", hint="ship its encoder and its decoder")
        return {
            **joined_files(spec, programs, name, plan.options),
            DESCRIPTION: description_of_several(spec, name, plan.options, {"stages": 2}),
        }

    def open(self, folder: Path, machine: Machine) -> CompiledTranslator:
        """Run a shipped folder as a translator."""
        return CompiledTranslator(
            folder, variant=machine.variant, target=machine.target, built=machine.built
        )


TRANSLATOR_IN_C = TranslatorInC()


class TranslationInC(TaskInC[TranslationSpec]):
    """Translation: two networks are joined, and none of them is shipped as a task's by itself."""

    name = "translate"
    noun = "translator"
    letter = "T"

    def structure(self, spec: TranslationSpec) -> StructureInC:
        """Give what joins the encoder and the decoder."""
        return TRANSLATOR_IN_C

    def maps(self, spec: TranslationSpec) -> int:
        """Refuse one network."""
        raise _half()

    def results(self, program: Program) -> Mapping[str, str]:
        """Refuse one network."""
        raise _half()

    def source(self, spec: TranslationSpec) -> tuple[str, ...]:
        """Refuse one network."""
        raise _half()

    def example(self) -> str:
        """Give a program that translates lines."""
        return text("main_translate.c")

    def open(self, folder: Path, machine: Machine) -> Any:
        """Refuse one network."""
        raise _half()


TRANSLATION_IN_C = TranslationInC()


def _half() -> TatamiError:
    return TatamiError(
        "the network is half of a translator", hint="ship its encoder and its decoder"
    )


def joined_files(
    spec: TranslationSpec, programs: Programs, name: str, options: Options
) -> dict[str, str]:
    """Write the header, the source and the example that join both networks.

    Args:
        spec: The rules of text and search.
        programs: The encoder and the decoder.
        name: Begins every C name.
        options: How they are written.
    """
    return {
        f"{name}.h": _header(spec, name),
        f"{name}.c": _source(spec, programs, name, options),
        "main.c": renamed(text("main_translate.c"), name),
    }


def _header(spec: TranslationSpec, name: str) -> str:
    rule = spec.input
    longest = max(map(len, _bytes_of(rule)))
    macros = [
        *text_macros(rule),
        Macro("LANGUAGES", len(rule.languages), "that a source names; 0 where there is one"),
        Macro("MAX_TEXT", MAX_TEXT, "bytes of a text"),
        Macro("LONGEST", longest, "bytes of a token"),
    ]
    lines = "\n".join([*(macro.line() for macro in macros), *_beam(spec.search)])
    return banner() + renamed(filled(text("translation.h"), constants=lines), name)


def _beam(search: Search) -> list[str]:
    """Write how many hypotheses are followed at once, which whoever compiles may choose."""
    return [
        f"/* Hypotheses that are followed at once: 1 is greedy; another by -DNET_BEAM=..., to"
        f" {MAX_BEAM}. */",
        "#ifndef NET_BEAM",
        f"#define NET_BEAM {search.beam}",
        "#endif",
    ]


def _bytes_of(rule: TextInput) -> Sequence[bytes]:
    return Tokens(rule).bytes_of


def _source(spec: TranslationSpec, programs: Programs, name: str, options: Options) -> str:
    rule, search = spec.input, spec.search
    weights = "\n".join(number_lines(search.weights(rule.max_target)))
    own = text_rule(rule).replace(_longest_line(rule), "")
    parts = [
        banner() + renamed(beginning(options, target_of(options.target)), name),
        renamed("#include <stdlib.h>\n", name),
        "".join(f'#include "{name}_{part}.h"\n' for part in PARTS),
        kernel("exponential.c", name),
        kernel("logarithm.c", name),
        renamed(own, name),
        renamed(_between(programs), name),
        renamed(filled(text("translation.c"), weights=weights), name),
    ]
    return "\n".join(parts)


def _longest_line(rule: TextInput) -> str:
    """Give the macro that the header has already."""
    return f"#define NET_LONGEST {max(map(len, _bytes_of(rule)))}\n"


def _between(programs: Programs) -> str:
    """Write the memory between the two networks, and their calls."""
    encoder, decoder = programs[ENCODER], programs[DECODER]
    sources = _named(encoder, encoder.outputs, decoder)
    lines = ["/* What the encoder gives, and the decoder takes. */"]
    lines += [
        f"static {c_type(encoder.values[value])} {name}[{prod(encoder.values[value].shape)}];"
        for name, value in zip(sources.values(), encoder.outputs, strict=True)
    ]
    lines += [
        "static int64_t net_source[NET_MAX_SOURCE];",
        "static float net_logits[NET_VOCABULARY];",
        "",
        "static void net_read(void)",
        "{",
        f"    net_encoder_forward(net_source, {', '.join(sources.values())});",
        "}",
        "",
        "static void net_step(int32_t token, int place)",
        "{",
        "    const int64_t tokens[1] = {token}, places[1] = {place};",
        "",
    ]
    given = {"token": "tokens", "place": "places", **sources}
    inputs = ", ".join(given[name] for name in decoder.inputs)
    lines += [f"    net_decoder_forward({inputs}, net_logits);", "}", ""]
    return "\n".join(lines)


def _named(encoder: Program, outputs: Sequence[str], decoder: Program) -> dict[str, str]:
    """Name an array in C for each input of the decoder that the encoder makes, in its order."""
    wanted = [name for name in decoder.inputs if name not in ("token", "place")]
    if len(wanted) != len(outputs):
        raise TatamiError(
            "the encoder does not give what the decoder takes", hint="export both again"
        )
    return {name: f"net_from_source{index}" for index, name in enumerate(wanted)}


class CompiledTranslator:
    """Translate with the example program of a folder.

    The program is compiled to a temporary folder where the folder has none.

    Args:
        folder: The shipped folder.
        variant: The kind of kernels; None: the best.
        target: "host", or one of ship/c/targets.py, whose program runs in its emulator.
        built: Whether the built program in the folder may be run.

    Raises:
        TatamiError: Where there is no such folder, and where it cannot be compiled or run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        variant: str | None = None,
        target: str = HOST,
        built: bool = True,
    ) -> None:
        self.folder = folder
        self._built, self.target, self.variant = built, target, variant
        about = describe_joined(folder)
        if about is None or not isinstance(about.spec, TranslationSpec):
            raise TatamiError(
                "network.json is damaged", hint="ship again", file=folder / DESCRIPTION
            )
        self.name, self._spec, self._threads = about.name, about.spec, about.threads
        self._search = about.spec.search
        self.tokens = Tokens(about.spec.input)
        self._whose: CompiledTranslator | None = None
        self._commands = {self._spec.search.beam: self._compiled(self._spec.search.beam)}

    def _compiled(self, beam: int) -> list[str]:
        """Give the command that runs the program of the folder on its machine."""
        shipped = self.folder / f"{self.name}_translate"
        usual = beam == self._spec.search.beam
        if usual and self._built and self.target == HOST and shipped.is_file():
            return [str(shipped.resolve())]
        temporary = tempfile.mkdtemp(prefix="tatami-")
        weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
        program = Path(temporary) / "translate"
        return build_translator(
            self.folder, self.name, program, self.target, self._threads, None if usual else beam
        )

    @property
    def spec(self) -> TranslationSpec:
        """Say what its networks are for, and how it searches."""
        return replace(self._spec, search=self._search)

    def searching(self, search: Search) -> CompiledTranslator:
        """Give the same program with another search, which it is compiled for when it is used."""
        other = copy.copy(self)
        other._search, other._whose = search, self  # whose temporary folders are used, too
        return other

    @property
    def own_rule(self) -> None:
        """Give None: tokens are compared as answers."""
        return None

    def found(self, text: str, language: str | None = None, search: Search | None = None) -> Int64:
        """Give the tokens of the translation of a sentence, without those around it.

        Args:
            text: The sentence.
            language: The target language, for a network that knows several.
            search: None: as ``spec`` says. Another beam is compiled anew, once.

        Raises:
            TatamiError: For an unknown language and another penalty, and where the program fails.
        """
        languages = self._spec.input.languages
        if languages and language not in languages:
            raise TatamiError(
                f"the network does not translate into '{language}'",
                hint=f"it knows {', '.join(languages)}",
            )
        wanted = self._search if search is None else search
        if wanted.beam > 1 and wanted.penalty != self._spec.search.penalty:
            raise TatamiError(
                f"the program searches with a penalty of {self._spec.search.penalty:g}",
                hint="search with that, or in another form of the network",
            )
        if wanted.beam not in self._commands:
            self._commands[wanted.beam] = self._compiled(wanted.beam)
        number = languages.index(str(language)) if languages else 0
        (tokens,) = asked(self._commands[wanted.beam], self.folder, [text], number, self.variant)
        return np.array(tokens, np.int64)

    def translate(
        self, text: str, language: str | None = None, search: Search | None = None
    ) -> str:
        """Translate a sentence; arguments and errors as of ``found``."""
        return self.tokens.decode(self.found(text, language, search).tolist())


def build_translator(
    folder: Path,
    name: str,
    program: Path,
    target: str = HOST,
    threads: int = 1,
    beam: int | None = None,
) -> list[str]:
    """Compile the example of a shipped translator, and give the command that runs it.

    Args:
        folder: The shipped folder.
        name: Begins its C names.
        program: The file that is made.
        target: "host", or one of ship/c/targets.py.
        threads: As many as it was shipped for.
        beam: Hypotheses that are followed at once; None: as it was shipped.

    Raises:
        TatamiError: Where it cannot be compiled, and for a board, whose program reads no lines.
    """
    machine = target_of("any" if target == HOST else target)
    if machine.board:
        raise TatamiError(
            f"a {machine.name} reads no lines here", hint="run its networks by themselves"
        )
    parts = tuple(f"{name}_{part}" for part in PARTS)
    options = ("-O3", *([] if beam is None else [f"-D{name.upper()}_BEAM={beam}"]))
    build_for(machine, folder, name, program, options=options, threads=threads, networks=parts)
    return [*machine.runner, str(program)]


def asked(
    command: Sequence[str],
    folder: Path,
    texts: Sequence[str],
    language: int = 0,
    variant: str | None = None,
) -> list[list[int]]:
    """Let a compiled translator translate texts, and give the tokens.

    Raises:
        TatamiError: Where it fails.
    """
    kernels = [] if variant is None else ["--kernels", variant]
    if any("\0" in one for one in texts):
        raise TatamiError("a text holds a 0, which ends a line in C", hint="leave it out")
    lines = "".join(one.replace("\n", " ") + "\n" for one in texts)
    line = [*command, *kernels, "--tokens", str(language)]
    done = subprocess.run(line, input=lines.encode(), capture_output=True, check=False)
    found = done.stdout.decode(errors="replace").split("\n")[:-1]
    if done.returncode != 0 or len(found) != len(texts):
        raise TatamiError(
            f"the program failed: {done.stderr.decode(errors='replace').strip()}",
            hint="ship again",
            file=folder,
        )
    return [[int(token) for token in each.split()] for each in found]
