"""Operators as rows: how each is run, differentiated, checked, and what becomes of it in 8 bits."""

from tatami.graph.operators.row import Operator
from tatami.graph.operators.table import OPERATORS

__all__ = ["OPERATORS", "Operator"]
