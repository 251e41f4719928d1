"""Write a network as one ONNX file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from tatami.files import write_atomically
from tatami.graph.metadata import PREFIX, to_metadata
from tatami.graph.network import Network


def write(network: Network, path: Path) -> None:
    """Write the ONNX file, weights inside, spec in its metadata, the same bytes every time.

    Raises:
        OSError: For a disk that is full or a folder that cannot be written.
    """
    write_atomically(path, to_bytes(network))


def to_bytes(network: Network) -> bytes:
    """Make the content of the ONNX file. A model that ONNX's own checker refuses is our mistake."""
    proto = ir.to_proto(network.model)
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    kept = {key: value for key, value in entries.items() if not key.startswith(PREFIX)}
    if network.spec is not None:
        kept |= to_metadata(network.spec)
    del proto.metadata_props[:]
    for key, value in kept.items():
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content
