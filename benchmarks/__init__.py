"""Measures this machine: raw ONNX Runtime, Triton, the gateway and the backend it replaces, in one interleaved run."""
