"""Subjects that are plain calls in this process: the engines under CLIP, the gateway's parts, the replaced backend."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Sample, sample_of
from benchmarks.workload import Workload
from facestats.faces.captures import capture
from facestats.geometry import Capture, CaptureMode, measure
from facestats.images.alignment import aligned_crop
from facestats.images.imaging import decode_image
from facestats.images.limits import ImageLimits
from facestats.images.preprocessing import clip_pixels
from facestats.landmarks.engines import LandmarkEngines
from facestats.landmarks.mediapipe_engine import MediaPipeEngine


def time_calls(call: Callable[[], Any], images: int, seconds: float, threads: int = 1) -> Sample:
    """Calls again and again for a while, from ``threads`` threads.

    Args:
        call: What is measured; it has been warmed up by one call when measuring starts.
        images: Images each call handles.
        seconds: For how long; at least three calls a thread are made.
        threads: Threads that call at the same time.
    """
    call()
    end = time.perf_counter() + seconds

    def loop(_: int) -> list[float]:
        durations: list[float] = []
        while len(durations) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            durations.append(time.perf_counter() - start)
        return durations

    with ThreadPoolExecutor(threads) as pool:
        cpu, start = time.process_time(), time.perf_counter()
        durations = [each for one in pool.map(loop, range(threads)) for each in one]
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    return sample_of(durations, len(durations) * images, elapsed, cpu_seconds=cpu)


class OnnxRuntime:
    """CLIP's exported graph in this process, with the threads Triton gives it.

    Args:
        model: ``model.onnx`` of ``clip_image_encoder``.
        intra_op_threads: Threads of one session.
        instances: Sessions called at the same time.
    """

    def __init__(self, model: Path, intra_op_threads: int, instances: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._instances = instances

    def embed(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[N, 512] for [N, 224, 224, 3] uint8."""
        embedding: NDArray[np.float32] = self._session.run(["EMBEDDING"], {"PIXELS": batch})[0]
        return embedding

    def measure(self, batch: NDArray[np.uint8], seconds: float) -> Sample:
        """Images a second at this batch size."""
        return time_calls(lambda: self.embed(batch), len(batch), seconds, self._instances)


class OpenVino:
    """CLIP's exported graph on OpenVINO in this process, at a precision and with all cores, as Triton runs it.

    Args:
        model: ``model.onnx`` of ``clip_image_encoder``.
        bf16: Whether matrices are multiplied in bfloat16.
        threads: Threads of one request.
    """

    def __init__(self, model: Path, *, bf16: bool, threads: int) -> None:
        import openvino

        self._compiled = openvino.Core().compile_model(
            str(model),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
            },
        )
        self._request = self._compiled.create_infer_request()

    def embed(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[N, 512] for [N, 224, 224, 3] uint8."""
        return np.asarray(self._request.infer({0: batch})[0], np.float32)

    def measure(self, batch: NDArray[np.uint8], seconds: float) -> Sample:
        """Images a second at this batch size."""
        return time_calls(lambda: self.embed(batch), len(batch), seconds)


ClipEngine = OnnxRuntime | OpenVino


class GatewayParts:
    """What a photo costs in the gateway before Triton, each part alone on one thread.

    Args:
        workload: The photo.
        engines: The landmark engine that is served.
    """

    def __init__(self, workload: Workload, engines: LandmarkEngines) -> None:
        self._workload = workload
        self._reference, self._engine = MediaPipeEngine(), engines.open(1)
        found = capture(self._engine, workload.rgb, "stable")
        assert found is not None, "Workload.pixels has proved that there is a face"
        self._found: Capture = found
        self._crop = aligned_crop(workload.rgb, found.photo_points())

    def measure(self, seconds: float) -> dict[str, Sample]:
        """Each part's cost by name."""
        rgb, data, points = self._workload.rgb, self._workload.data, self._found.photo_points()
        parts: dict[str, Callable[[], Any]] = {
            "decode": lambda: decode_image(data),
            "MediaPipe, one mesh run": lambda: self._reference.detect([rgb]),
            "MediaPipe, capture stable": lambda: capture(self._reference, rgb, "stable"),
            "capture fast": lambda: capture(self._engine, rgb, "fast"),
            "capture stable": lambda: capture(self._engine, rgb, "stable"),
            "geometry": lambda: measure(self._found),
            "align": lambda: aligned_crop(rgb, points),
            "resize": lambda: clip_pixels(self._crop),
        }
        return {name: time_calls(part, 1, seconds) for name, part in parts.items()}

    def measure_in_turn(self, mode: CaptureMode, clip: ClipEngine, seconds: float) -> Sample:
        """A photo's parts and CLIP one after another, photo after photo: what a request cannot be faster than.

        A part on its own, called again and again, finds its caches warm; here each finds what the others left.
        """

        def score() -> None:
            rgb = decode_image(self._workload.data)
            found = capture(self._engine, rgb, mode)
            assert found is not None, "Workload.pixels has proved that there is a face"
            measure(found)
            clip.embed(clip_pixels(aligned_crop(rgb, found.photo_points()))[np.newaxis])

        return time_calls(score, 1, seconds)

    def measure_phone_photo(self, seconds: float) -> dict[str, Sample]:
        """Decoding and resizing a 12-megapixel JPEG: at reduced scale, as served, and in full."""
        data = self._workload.phone_photo

        def prepare(limits: ImageLimits) -> NDArray[np.uint8]:
            return clip_pixels(decode_image(data, limits))

        return {
            "12 MP decode + resize, reduced": time_calls(lambda: prepare(ImageLimits()), 1, seconds),
            "12 MP decode + resize, full": time_calls(lambda: prepare(ImageLimits(reduced_decode_side=0)), 1, seconds),
        }


class ReplacedBackend:
    """What the backend before this one does per photo, one photo at a time, in PyTorch fp32.

    Decode, one Face Mesh run, transformers' CLIP image processor, the CLIP image tower and the regressor. The weights
    are random: they do not change the time.
    """

    def __init__(self, workload: Workload) -> None:
        import torch
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        self._torch = torch
        self._data = workload.data
        self._mesh = MediaPipeEngine()
        self._processor = CLIPImageProcessorPil()
        config = CLIPVisionConfig(patch_size=32, projection_dim=512)
        clip: Any = CLIPVisionModelWithProjection(config)
        self._clip = clip.eval()
        self._regressor = torch.nn.Sequential(
            *(torch.nn.Linear(512, 256), torch.nn.ReLU(), torch.nn.Linear(256, 64), torch.nn.ReLU()),
            torch.nn.Linear(64, 1),
        )

    def measure(self, seconds: float) -> Sample:
        """Photos a second."""
        return time_calls(self._score, 1, seconds)

    def _score(self) -> float:
        import io

        from PIL import Image

        image = Image.open(io.BytesIO(self._data)).convert("RGB")
        self._mesh.detect([np.asarray(image)])
        with self._torch.no_grad():
            embedding = self._clip(**self._processor(images=image, return_tensors="pt")).image_embeds
            return float(self._regressor(embedding / embedding.norm(dim=-1, keepdim=True)))
