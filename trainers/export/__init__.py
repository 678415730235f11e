"""Trained networks as files: one bit per weight, or ONNX."""
