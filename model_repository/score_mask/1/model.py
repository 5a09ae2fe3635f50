"""-1 instead of the answer for an item that could not be decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

MASKED = ("SCORE", "RAW", "EMBEDDING")

_NO_ANSWER = np.float32(-1)
"""Finite, since JSON has no NaN, and outside what any of the three can be."""


class TritonPythonModel:
    """ERROR, SCORE, RAW, EMBEDDING -> SCORE, RAW, EMBEDDING, ERROR, EMBEDDING_COPY."""

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Masks each request's items."""
        return [self._mask(request) for request in requests]

    @staticmethod
    def _mask(request: Any) -> Any:
        # [N, 1] bytes: empty where the image was decoded.
        errors = pb_utils.get_input_tensor_by_name(request, "ERROR").as_numpy()
        failed = np.array([[bool(error)] for error in errors[:, 0]])
        masked = [
            pb_utils.Tensor(
                name, np.where(failed, _NO_ANSWER, pb_utils.get_input_tensor_by_name(request, name).as_numpy())
            )
            for name in MASKED
        ]
        copy = pb_utils.Tensor("EMBEDDING_COPY", masked[MASKED.index("EMBEDDING")].as_numpy())
        return pb_utils.InferenceResponse(output_tensors=[*masked, pb_utils.Tensor("ERROR", errors), copy])
