"""Stand-in for NVIDIA's native OpenVINO backend: same configuration keys, same refusals, same answers."""
