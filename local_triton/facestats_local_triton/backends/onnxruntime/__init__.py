"""Stand-in for NVIDIA's native ONNX Runtime backend: same configuration keys, same refusals, same answers."""
