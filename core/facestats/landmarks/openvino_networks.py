"""The two face networks on OpenVINO: compiled once for all threads, run by each thread on itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats.landmarks.networks import DETECTOR_SIDE, GOLDEN_LANDMARKS, GOLDEN_PHOTO, MESH_SIDE, FaceGraphs

_BATCHES = (2, 1)
"""Numbers of pictures that the networks are compiled for, largest first: the second pass looks at two."""

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]


class CompiledNetworks:
    """Both networks, for pictures alone and in pairs.

    Args:
        graphs: What is run.
        threads: Threads that will run them at once.

    Attributes:
        detector: Number of pictures to the compiled detector.
        mesh: Number of pictures to the compiled mesh.
        metadata: The golden face in the mesh's file, by name; empty where it has none.
    """

    def __init__(self, graphs: FaceGraphs, threads: int) -> None:
        import openvino

        core = openvino.Core()
        settings = {
            # OpenVINO's own choice is bf16 where the processor has it: landmarks off by 1.4 % of the face's width.
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }

        def compiled(graph: bytes, side: int) -> Mapping[int, Any]:
            models = {}
            for batch in _BATCHES:
                model = core.read_model(graph)
                model.reshape([batch, side, side, 3])
                models[batch] = core.compile_model(model, "CPU", settings)
            return models

        self.detector = compiled(graphs.detector, DETECTOR_SIDE)
        self.mesh = compiled(graphs.mesh, MESH_SIDE)
        self.metadata = _metadata(core.read_model(graphs.mesh), (GOLDEN_PHOTO, GOLDEN_LANDMARKS))


def _metadata(model: Any, names: Sequence[str]) -> dict[str, str]:
    """Entries of an ONNX file's metadata, as far as it has them."""
    places = {name: ["framework", name] for name in names}
    return {
        name: str(model.get_rt_info(place).astype(str)) for name, place in places.items() if model.has_rt_info(place)
    }


class OpenVinoNetworks:
    """One thread's way of running the networks; see ``FaceNetworks``.

    Args:
        compiled: What all threads share.
    """

    name = "openvino"

    def __init__(self, compiled: CompiledNetworks) -> None:
        self._detector = _Runner(compiled.detector, ("BOXES", "LOGITS"))
        self._mesh = _Runner(compiled.mesh, ("LANDMARKS", "FACE_LOGIT"))

    def detector(self, pictures: NDArray[np.uint8]) -> Outputs:
        """Boxes and their logits."""
        return self._detector.run(pictures)

    def mesh(self, pictures: NDArray[np.uint8]) -> Outputs:
        """Landmarks and the logits of a face."""
        return self._mesh.run(pictures)


class _Runner:
    """One network in one thread."""

    def __init__(self, models: Mapping[int, Any], outputs: Sequence[str]) -> None:
        import openvino

        self._tensor = openvino.Tensor
        self._requests = {batch: model.create_infer_request() for batch, model in models.items()}
        self._outputs = outputs

    def run(self, pictures: NDArray[np.uint8]) -> Outputs:
        """Both outputs for any number of pictures, at least one."""
        parts = []
        for size, start in _portions(len(pictures)):
            request = self._requests[size]
            request.set_input_tensor(self._tensor(pictures[start : start + size], shared_memory=True))
            request.infer()
            found = tuple(request.get_tensor(name).data for name in self._outputs)
            if size == len(pictures):
                return found[0], found[1]
            parts.append(tuple(part.copy() for part in found))
        first, second = (np.concatenate(column) for column in zip(*parts, strict=True))
        return first, second


def _portions(count: int) -> list[tuple[int, int]]:
    """Size and start of the batches that ``count`` pictures are run in."""
    portions, start = [], 0
    for size in _BATCHES:
        while count - start >= size:
            portions.append((size, start))
            start += size
    return portions
