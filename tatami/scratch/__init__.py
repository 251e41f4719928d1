"""A small framework for learning from, in NumPy alone: layers, optimizers and SimpleConvNet.

Nothing differentiates here by itself: every layer says in ``backward`` what tatami.ops works out.
"""
