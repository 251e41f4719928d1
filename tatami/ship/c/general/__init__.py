"""Operators that have no step of their own, as loops over values of any rank and kind."""
