"""The operations of a network in NumPy, forward and backward: the executable specification.

Arrays are (n, c, h, w) = (pictures, channels, rows, columns). What is float32 may as well be
float64, as a check of gradients by finite differences needs, if all arrays of a call are. A
function x_backward takes dy, the derivative of a loss with respect to what x gave, and gives the
derivatives with respect to what x was given: dx, dweight, ... of the shapes of these. These
functions are the reference of whatever else runs a network (torch, ONNX Runtime, the emitted C).
"""
