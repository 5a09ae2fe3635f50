"""What asks for the holistic half: Triton over gRPC, or the same ONNX graphs in this process."""
