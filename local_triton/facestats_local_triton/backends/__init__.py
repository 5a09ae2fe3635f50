"""Python-based Triton backends; each folder is given to ``tritonserver`` as one backend."""
