"""The two face networks on OpenVINO: compiled once for all threads, run by each thread on itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats.landmarks.networks import DETECTOR_SIDE, GOLDEN_LANDMARKS, GOLDEN_PHOTO, MESH_SIDE, FaceGraphs

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]


class CompiledNetworks:
    """Both networks, for one picture at a time: a pair takes twice as long as one, and would be compiled in addition.

    Args:
        graphs: What is run.
        threads: Threads that will run them at once.

    Attributes:
        detector: The compiled detector.
        mesh: The compiled mesh.
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

        detector, mesh = core.read_model(graphs.detector), core.read_model(graphs.mesh)
        self.metadata = _metadata(mesh, (GOLDEN_PHOTO, GOLDEN_LANDMARKS))
        detector.reshape([1, DETECTOR_SIDE, DETECTOR_SIDE, 3])
        mesh.reshape([1, MESH_SIDE, MESH_SIDE, 3])
        self.detector = core.compile_model(detector, "CPU", settings)
        self.mesh = core.compile_model(mesh, "CPU", settings)


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

    def __init__(self, model: Any, outputs: Sequence[str]) -> None:
        import openvino

        self._tensor = openvino.Tensor
        self._request = model.create_infer_request()
        self._found = [self._request.get_tensor(name).data for name in outputs]

    def run(self, pictures: NDArray[np.uint8]) -> Outputs:
        """Both outputs for any number of pictures, at least one."""
        if len(pictures) == 1:
            self._run_one(pictures)
            first, second = self._found
            return first, second
        first, second = (np.empty((len(pictures), *found.shape[1:]), found.dtype) for found in self._found)
        for number in range(len(pictures)):
            self._run_one(pictures[number : number + 1])
            first[number], second[number] = (found[0] for found in self._found)
        return first, second

    def _run_one(self, picture: NDArray[np.uint8]) -> None:
        self._request.set_input_tensor(self._tensor(picture, shared_memory=True))
        self._request.infer()
