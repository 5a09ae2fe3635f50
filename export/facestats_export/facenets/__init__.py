"""MediaPipe's two face networks as ONNX graphs: read, converted, proved against MediaPipe's own graph."""
