"""Trained networks as files: one bit a weight on disk, and ONNX."""
