"""PyTorch and scikit-learn models to ONNX in Triton's model repository, with proof that they compute the same."""
