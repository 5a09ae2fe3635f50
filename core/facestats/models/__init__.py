"""Triton's model repository as it lies on disk, and its ONNX graphs in sessions of this process."""
