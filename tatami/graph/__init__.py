"""A network as data: ONNX read and checked, changed by passes, run with tatami.ops, written."""

from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.graph.run import run, values
from tatami.graph.write import write

__all__ = ["Network", "read", "run", "values", "write"]
