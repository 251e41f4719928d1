"""Networks of other programs in: one file a format, each giving an ONNX model and what it says."""
