"""The real ``tritonserver`` without a container: launcher, ONNX Runtime backend, perf_analyzer."""
