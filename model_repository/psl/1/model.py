"""Triton's side of the whole job: tensors to photos, answers to tensors, and the call to ``attractiveness``."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from facestats.holistic.backend import Holistic, HolisticRequestError
from facestats.holistic.provenance import Provenance
from facestats.landmarks.network_engine import NetworkEngine
from facestats.landmarks.networks import DETECTOR, MESH, SERVED_BATCH
from facestats.scoring.pipeline import unavailable
from facestats.scoring.served import Answer, Photo, ServedScorer
from facestats.settings import ScoringSettings

CHOICES = ("CROP", "FACES", "SEX", "CAPTURE", "INCLUDE")
NUMBERS = ("SCORE", "GEOMETRIC", "HOLISTIC", "RELIABILITY")


ROOM = 8
"""Photos inside at a time for each measuring thread. Others wait in Triton's queue and are counted there."""


class TritonPythonModel:
    """IMAGE and a caller's choices -> SCORE, GEOMETRIC, HOLISTIC, RELIABILITY, DOCUMENT, ERROR.

    Photos go through the gateway's pipeline on an event loop of their own, and each request is answered when its photos
    are: an execution that waited for all it was given would leave the cores idle while its last photo is measured.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the settings and what was exported, and loads every thread's Face Mesh."""
        self._settings = ScoringSettings()
        if "face_networks" not in self._settings.model_fields_set:
            repository = Path(args["model_repository"]).parent
            self._settings = self._settings.model_copy(update={"face_networks": repository})
        given = json.loads(args["model_config"]).get("parameters", {})
        parameters = {name: value["string_value"] for name, value in given.items()}
        asked = (
            parameters.pop("face_networks_run_by", "process") == "triton" and self._settings.landmarks != "mediapipe"
        )
        engines = TritonEngines() if asked else None
        self._scorer = ServedScorer(self._settings, Provenance(parameters), AttractivenessModel(), engines)
        self._metrics = Metrics()
        self._size = ROOM * self._settings.threads
        self._room = threading.Semaphore(self._size)
        self._loop = asyncio.new_event_loop()
        self._running = threading.Thread(target=self._loop.run_forever, name="psl", daemon=True)
        self._running.start()
        if engines is None:
            # Networks in Triton are warmed up there, and no model may be asked before this one is loaded.
            self._scorer.warm_up()

    def execute(self, requests: Sequence[Any]) -> None:
        """Takes the requests in, as soon as there is room for their photos."""
        for request in requests:
            photos = self._photos(request)
            for _ in range(self._places(photos)):
                self._room.acquire()
            asyncio.run_coroutine_threadsafe(self._answer(photos, request.get_response_sender()), self._loop)

    def finalize(self) -> None:
        """Ends the threads; Triton has every answer by then."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._running.join()
        self._scorer.close()

    async def _answer(self, photos: Sequence[Photo], sender: Any) -> None:
        """Scores a request's photos side by side. Whatever happens it is answered: Triton would wait for ever."""
        try:
            answers = await self._scorer.score(photos)
            self._metrics.count(answers)
            response = _response(answers)
        except Exception as error:
            pb_utils.Logger.log_error(f"psl failed on a request: {error!r}")
            response = pb_utils.InferenceResponse(error=pb_utils.TritonError("psl failed on this request"))
        finally:
            self._room.release(self._places(photos))
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _places(self, photos: Sequence[Photo]) -> int:
        """The room that a request takes up; one of more photos than there is room for has it all."""
        return min(len(photos), self._size)

    def _photos(self, request: Any) -> list[Photo]:
        images = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()[:, 0]
        choices = {name.lower(): _texts(request, name, len(images)) for name in CHOICES}
        asked = request.timeout() / 1e6 or None
        return [
            Photo(
                data=image,
                deadline=self._settings.deadline(asked, request.is_cancelled),
                choices={name: texts[index] for name, texts in choices.items()},
                request_id=request.request_id(),
            )
            for index, image in enumerate(images)
        ]


class AttractivenessModel:
    """The holistic half from the ensemble beside this model: a ``HolisticBackend`` of the core."""

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        """Scores [N, 224, 224, 3] uint8 pixels in one call."""
        names = ["SCORE", "RAW", *(["EMBEDDING"] if embedding else [])]
        names += [name + suffix for name in attributes for suffix in ("_LABEL", "_PROBABILITY")]
        request = pb_utils.InferenceRequest(
            model_name="attractiveness", requested_output_names=names, inputs=[pb_utils.Tensor("PIXELS", pixels)]
        )
        response = await request.async_exec()
        if response.has_error():
            raise HolisticRequestError(response.error().message())
        found = {name: pb_utils.get_output_tensor_by_name(response, name).as_numpy() for name in names}
        return Holistic(
            score=found["SCORE"][:, 0],
            raw=found["RAW"][:, 0],
            embedding=found["EMBEDDING"] if embedding else None,
            attributes={name: (found[f"{name}_LABEL"][:, 0], found[f"{name}_PROBABILITY"]) for name in attributes},
        )


class TritonEngines:
    """``LandmarkEngines`` of the core whose networks Triton runs: on the GPU, where they were exported for one."""

    name = "triton"

    def open(self, max_faces: int) -> NetworkEngine:
        """An engine for the calling thread."""
        return NetworkEngine(TritonNetworks(), max_faces)


class TritonNetworks:
    """``FaceNetworks`` of the core: ``face_detector`` and ``face_mesh`` beside this model.

    Each thread asks for its own photo; what many ask for at once Triton puts together.
    """

    name = "triton"

    def detector(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[N, 128, 128, 3] uint8 to ``BOXES`` and ``LOGITS``."""
        return self._ask(DETECTOR, pictures, "BOXES", "LOGITS")

    def mesh(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[N, 192, 192, 3] uint8 to ``LANDMARKS`` and ``FACE_LOGIT``."""
        return self._ask(MESH, pictures, "LANDMARKS", "FACE_LOGIT")

    def _ask(
        self, model: str, pictures: NDArray[np.uint8], *names: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        starts = range(0, len(pictures), SERVED_BATCH)
        answers = [self._ask_once(model, pictures[start : start + SERVED_BATCH], *names) for start in starts]
        if len(answers) == 1:
            return answers[0]
        first, second = (np.concatenate(part) for part in zip(*answers, strict=True))
        return first, second

    @staticmethod
    def _ask_once(
        model: str, pictures: NDArray[np.uint8], *names: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        request = pb_utils.InferenceRequest(
            model_name=model, requested_output_names=list(names), inputs=[pb_utils.Tensor("PIXELS", pictures)]
        )
        response = request.exec()
        if response.has_error():
            raise unavailable(f"'{model}' failed.")
        first, second = (pb_utils.get_output_tensor_by_name(response, name).as_numpy() for name in names)
        return first, second


class Metrics:
    """What Triton's metrics endpoint says of the photos, beside its own figures of the requests."""

    def __init__(self) -> None:
        counter = pb_utils.MetricFamily.COUNTER
        self._photos = pb_utils.MetricFamily(
            name="facestats_psl_photos", description="Photos by outcome: scored, or the problem's code.", kind=counter
        )
        self._seconds = pb_utils.MetricFamily(
            name="facestats_psl_stage_seconds", description="Time of scored photos by stage, seconds.", kind=counter
        )
        self._metrics: dict[tuple[str, str], Any] = {}

    def count(self, answers: Sequence[Answer]) -> None:
        """Counts the answers of one execution."""
        outcomes = Counter(answer.code or "scored" for answer in answers)
        self._add(self._photos, "outcome", outcomes)
        seconds: Counter[str] = Counter()
        for answer in answers:
            seconds.update(answer.seconds)
        self._add(self._seconds, "stage", seconds)

    def _add(self, family: Any, label: str, amounts: Mapping[str, float]) -> None:
        for value, amount in amounts.items():
            if (label, value) not in self._metrics:
                self._metrics[label, value] = family.Metric(labels={label: value})
            self._metrics[label, value].increment(amount)


def _texts(request: Any, name: str, count: int) -> list[str]:
    """An optional input as text, empty where it is absent."""
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return [""] * count if tensor is None else [text.decode(errors="replace") for text in tensor.as_numpy()[:, 0]]


def _response(answers: Sequence[Answer]) -> Any:
    numbers = [
        pb_utils.Tensor(name, np.array([[getattr(answer, name.lower())] for answer in answers], np.float32))
        for name in NUMBERS
    ]
    documents = np.array([[answer.document] for answer in answers], np.object_)
    errors = np.array([[answer.error.encode()] for answer in answers], np.object_)
    return pb_utils.InferenceResponse(
        output_tensors=[*numbers, pb_utils.Tensor("DOCUMENT", documents), pb_utils.Tensor("ERROR", errors)]
    )
