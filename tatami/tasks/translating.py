"""The structure of translators: an encoder that reads a sentence, a decoder that writes another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.graph.run import run
from tatami.graph.state import states_of, whole_calls
from tatami.graph.write import write
from tatami.program import interpret
from tatami.program.join import as_given
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.rules.text import Tokens
from tatami.rules.translation import EncoderDecoder, fitted, translate
from tatami.shrink.calibrate import Method, Observation, Range, choose_range, merge
from tatami.tasks.structure import Part, Structure
from tatami.tasks.translation_calls import calls_of
from tatami.train.run import DECODER, NETWORK
from tatami.types import Float32, Forward, Int64, Size
from tatami.types.search import Search
from tatami.types.specs import TranslationSpec

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

ENCODES: Literal["encoder"] = "encoder"
DECODES: Literal["decoder"] = "decoder"
"""What the two networks are called."""


class SearchTranslator:
    """Translate by the text rule and the translation rule.

    Args:
        spec: What the networks are for.
        networks: Both of them.
    """

    def __init__(self, spec: TranslationSpec, networks: EncoderDecoder) -> None:
        self.spec, self.networks = spec, networks
        self.tokens = Tokens(spec.input)

    def searching(self, search: Search) -> SearchTranslator:
        """Give the same translator with another search."""
        return SearchTranslator(replace(self.spec, search=search), self.networks)

    def source(self, text: str, language: str | None = None) -> Int64:
        """Give the tokens of a source, (max_source,).

        Args:
            text: The sentence.
            language: The target language, for a network that knows several.
        """
        return fitted(self.tokens.source(text, self._known(language)), self.spec.input.max_source)

    def found(self, text: str, language: str | None = None, search: Search | None = None) -> Int64:
        """Give the tokens of the translation, without those around it."""
        rule = self.spec.input
        source = self.source(text, language)
        chosen = self.spec.search if search is None else search
        return np.array(translate(self.networks, source, rule.max_target, chosen), np.int64)

    def translate(
        self, text: str, language: str | None = None, search: Search | None = None
    ) -> str:
        """Translate a sentence.

        Args:
            text: The sentence.
            language: The target language, for a network that knows several.
            search: How it is searched for; None: as the spec says.

        Raises:
            TatamiError: For a language that the network does not know.
        """
        return self.tokens.decode(self.found(text, language, search).tolist())

    def _known(self, language: str | None) -> str | None:
        languages = self.spec.input.languages
        if not languages:
            return None  # it knows one only
        if language not in languages:
            raise TatamiError(
                f"the network does not translate into '{language}'",
                hint=f"it knows {', '.join(languages)}",
            )
        return language


class Graphs:
    """Both networks as ONNX graphs, run in NumPy: floats by the specification, integers exactly.

    Args:
        encoder: Reads the source.
        decoder: Takes a token a call.
    """

    def __init__(self, encoder: Network, decoder: Network) -> None:
        self.encoder, self.decoder = lower(encoder), lower(decoder)
        self.given: dict[str, NDArray[Any]] = {}

    def begin(self, source: Int64) -> Any:
        """Read a source (max_source,)."""
        shape = self.encoder.values[self.encoder.inputs[0]].shape
        read_ = interpret.run(self.encoder, [source.reshape(shape)])
        wanted = [name for name in self.decoder.inputs if name not in ("token", "place")]
        self.given = dict(zip(wanted, read_, strict=True))
        return interpret.memory_of(self.decoder)

    def step(self, memory: Any, token: int, place: int) -> tuple[Float32, Any]:
        """Give the logits of what follows a token, and the memory that has it."""
        after = dict(memory)
        shape = self.decoder.values["token"].shape
        given: dict[str, NDArray[Any]] = {
            "token": np.full(shape, token, np.int64),
            "place": np.full(shape, place, np.int64),
            **self.given,
        }
        inputs = [given[name] for name in self.decoder.inputs]
        logits, *_ = interpret.run(self.decoder, inputs, after)
        return np.asarray(logits, np.float32).ravel(), after


class EncoderAndDecoder(Structure):
    """The structure of a translator: an encoder, and a step of a decoder."""

    def names(self, spec: TranslationSpec) -> tuple[str, ...]:
        """Name both networks."""
        return (ENCODES, DECODES)

    def begins(self, spec: TranslationSpec) -> bool:
        """Say whether the network is the encoder."""
        return spec.part == ENCODES

    def parts(self, network: Network, file: Path) -> tuple[Part, ...]:
        """Find the decoder beside the file of the encoder.

        Raises:
            TatamiError: Where it is not there, and where the two do not belong together.
        """
        spec = cast(TranslationSpec, network.spec)
        if spec.part != ENCODES:
            raise TatamiError(
                "the network is the decoder of a translator",
                file=file,
                hint=f"give the folder that holds its {NETWORK} and its {DECODER}",
            )
        files = self.files(file, spec)
        decoder = read(files[1])
        if decoder.spec is None or decoder.spec != replace(
            spec, part=DECODES, provenance=decoder.spec.provenance
        ):
            raise TatamiError(
                "not the decoder of this translator",
                file=files[1],
                hint=f"put the {files[0].name} and the {files[1].name} of one training there",
            )
        return Part(ENCODES, network, files[0]), Part(DECODES, decoder, files[1])

    def files(self, first: Path, spec: TranslationSpec) -> tuple[Path, ...]:
        """Name the decoder beside the encoder: decoder-int8.onnx beside network-int8.onnx.

        Raises:
            TatamiError: For a name that does not begin with "network".
        """
        before, after = Path(NETWORK).stem, Path(DECODER).stem
        if not first.stem.startswith(before):
            raise TatamiError(
                f"'{first.name}' does not begin with '{before}'",
                file=first,
                hint=f"give it such a name: the decoder beside it is called {after}...",
            )
        return first, first.with_name(after + first.name.removeprefix(before))

    def predictor(
        self, spec: TranslationSpec, forwards: Sequence[Forward], answer: Size | None = None
    ) -> SearchTranslator:
        """Put the text rule and the search around both networks.

        Args:
            spec: The encoder's.
            forwards: One that has ``begin`` and ``step``, or one for each network, in NumPy.
            answer: Nothing.
        """
        if len(forwards) == 1:
            return SearchTranslator(spec, cast("EncoderDecoder", forwards[0]))
        encoder, decoder = (cast("Any", one).network for one in forwards)
        return SearchTranslator(spec, Graphs(encoder, decoder))

    def forwards(self, model: nn.Module, spec: TranslationSpec) -> tuple[Forward, ...]:
        """Give the model as one that has ``begin`` and ``step``."""
        from tatami.models.transformer_search import TorchNetworks

        return (cast("Forward", TorchNetworks(cast("Any", model))),)

    def export(self, model: nn.Module, spec: TranslationSpec, folder: Path) -> None:
        """Write both networks as ONNX files of a run folder."""
        from tatami.models.transformer_graphs import to_networks

        parts = to_networks(cast("Any", model), (spec, replace(spec, part=DECODES)))
        for network, name in zip(parts, (NETWORK, DECODER), strict=True):
            write(network, folder / name)

    def inputs(
        self, spec: TranslationSpec, forwards: Sequence[Forward], pictures: Sequence[Any], most: int
    ) -> tuple[list[Any], ...]:
        """Give what each network is fed with by pairs of sentences: every input of every call.

        Args:
            spec: The encoder's.
            forwards: Both networks in float32, in NumPy.
            pictures: The pairs.
            most: Nothing.
        """
        encoder, decoder = (cast("Any", one).network for one in forwards)
        given: tuple[list[Any], list[Any]] = ([], [])
        for pair in pictures:
            first, steps = calls_of(spec, lambda source: run(encoder, [source]), pair)
            given[0].extend(first)
            given[1].extend(whole_calls(decoder, steps))
        return given

    def calls(
        self, spec: TranslationSpec, parts: Sequence[Any], pictures: Sequence[Any]
    ) -> tuple[list[Any], ...]:
        """Give the calls of both networks by pairs, one after another.

        What the memory holds of the pair before is behind the place of a step, where none looks.

        Args:
            spec: The encoder's.
            parts: The forms of both networks, whose ``forward`` takes calls.
            pictures: The pairs.
        """
        given: tuple[list[Any], list[Any]] = ([], [])
        for pair in pictures:
            both = calls_of(spec, lambda source: parts[0].forward([[source]]), pair)
            for one, several in zip(given, both, strict=True):
                one.extend(several)
        return [given[0]], [given[1]]

    def folded(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Leave the networks as they are: layer normalization is not folded."""
        return tuple(parts)

    def shared(
        self,
        networks: Sequence[Network],
        observed: Sequence[Mapping[str, Observation]],
        method: Method,
    ) -> dict[str, Range]:
        """Choose the ranges of what the decoder attends to, and of what lives from call to call."""
        encoder, decoder = observed
        found = {
            name: choose_range(merge([encoder[name], decoder[name]]), method)
            for name in encoder.keys() & decoder.keys()
        }
        for before, after in states_of(networks[1]).items():
            found[before] = found[after] = choose_range(
                merge([decoder[before], decoder[after]]), method
            )
        return found

    def programs(self, programs: Sequence[Program]) -> tuple[Program, ...]:
        """Let the encoder end in the bytes that the decoder takes.

        Raises:
            TatamiError: Where the two were quantized apart.
        """
        encoder, decoder = programs
        return as_given(encoder, decoder), decoder


TRANSLATING = EncoderAndDecoder()
