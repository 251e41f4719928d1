"""The operations of a network in NumPy: the executable specification, forward only so far.

Arrays are (n, c, h, w) = (pictures, channels, rows, columns), float32 unless a function says more.
Whatever else runs a network (torch, ONNX Runtime, the emitted C) is held to these functions.
"""
