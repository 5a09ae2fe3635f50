"""What an export is made of: the weights, the calibration, the parity photos and PyTorch's answers for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray

from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.answers import Answers
from facestats_export.attributes import AttributeHead, load_head
from facestats_export.calibration import Calibration, bundled_calibration, load_calibration, measure_calibration
from facestats_export.clip import Clip, load_clip
from facestats_export.drift import ALIKE, Comparison, FaceScale, compare, mean_cosine
from facestats_export.errors import ExportError
from facestats_export.facenets.proved import ProvedNetworks, prove_networks
from facestats_export.graph import clip_module, export_clip, regressor_graph
from facestats_export.options import ExportOptions
from facestats_export.parity import proving_calibration, torch_answers
from facestats_export.photos import parity_files
from facestats_export.regressor import Regressor
from facestats_export.sources import find_regressor

Step = Callable[[str], None]


@dataclass(frozen=True)
class Material:
    """What is converted, and what it must compute.

    Attributes:
        clip: The image tower.
        regressor: What reads its embeddings.
        calibration: Puts RAW on 0..100; ``None`` if none is wanted.
        heads: Attribute heads.
        photos: The parity photos, encoded.
        pixels: [N, 224, 224, 3] uint8, what the gateway makes of them.
        encoder: The tower's graph in fp32.
        head: The regressor's graph, ONNX bytes.
        reference: PyTorch's answers, scores on ``scale``.
        scale: On which the photos' own drift is told.
        faces: Real faces, on which drift is judged.
        face_networks: MediaPipe's two, converted and proved.
    """

    clip: Clip
    regressor: Regressor
    calibration: Calibration | None
    heads: tuple[AttributeHead, ...]
    photos: list[bytes]
    pixels: NDArray[np.uint8]
    encoder: onnx.ModelProto
    head: bytes
    reference: Answers
    scale: Calibration
    faces: FaceScale
    face_networks: ProvedNetworks

    @cached_property
    def encoder_bytes(self) -> bytes:
        """The tower's graph in fp32; the same for the same tower."""
        graph: bytes = self.encoder.SerializeToString(deterministic=True)
        return graph

    @property
    def trained(self) -> bool:
        """Whether both halves' weights mean anything."""
        return self.clip.trained and self.regressor.trained

    @property
    def photos_differ(self) -> bool:
        """Whether the photos' own scores tell drift as real faces' do, so that they are judged too."""
        return self.trained and mean_cosine(self.reference.embedding) <= ALIKE

    def compare(self, engine: str, answers: Answers) -> Comparison:
        """Holds an engine's answers against PyTorch's."""
        return compare(engine, self.reference, answers.on(self.scale), self.faces)


def read_material(options: ExportOptions, step: Step, notify: Callable[[str], None]) -> Material:
    """Loads everything and computes the reference.

    Args:
        options: What to export.
        step: Told what begins.
        notify: Told in one sentence where a wish could not be had.

    Raises:
        ExportError: Something asked for cannot be had.
    """
    from facestats_export.tower import ServedTower

    step("Loading the weights")
    regressor = find_regressor(options.regressor, options.weights_folder, notify, trust_pickle=options.trust_pickle)
    heads = tuple(
        load_head(name, path, trust_pickle=options.trust_pickle) for name, path in sorted(options.attributes.items())
    )
    clip = load_clip(options.weights, notify)
    calibration = _known_calibration(options, clip, regressor)
    step("Tracing CLIP to ONNX")
    module = clip_module(clip)
    encoder = export_clip(ServedTower(clip))
    step("Computing the reference in PyTorch")
    photos = parity_files(options.parity_images)
    pixels = np.stack([clip_pixels(decode_image(data)) for data in photos])
    embedding, raw = torch_answers(module, regressor, pixels)
    if calibration is None and not options.uncalibrated:
        calibration = measure_calibration("untrained", regressor.sha256, "the export's own parity images", raw)
    scale = proving_calibration(calibration, raw)
    step("Converting the face networks and proving them against MediaPipe")
    face_networks = prove_networks(photos)
    return Material(
        clip=clip,
        regressor=regressor,
        calibration=calibration,
        heads=heads,
        photos=photos,
        pixels=pixels,
        encoder=encoder,
        head=regressor_graph(regressor.layers, calibration).SerializeToString(deterministic=True),
        reference=Answers(embedding, raw, scale.score(raw)),
        scale=scale,
        faces=FaceScale(regressor),
        face_networks=face_networks,
    )


def _known_calibration(options: ExportOptions, clip: Clip, regressor: Regressor) -> Calibration | None:
    """The calibration asked for or shipped; none if none is wanted, or if untrained weights get one of their own."""
    if options.uncalibrated:
        return None
    if options.calibration is not None:
        calibration = load_calibration(options.calibration)
        if calibration.regressor_sha256 != regressor.sha256:
            raise ExportError(
                f"the calibration '{options.calibration}' belongs to the regressor "
                f"{calibration.regressor_sha256[:12]}, not to {regressor.sha256[:12] or 'an untrained one'}."
            )
        return calibration
    if not (clip.trained and regressor.trained):
        return None
    bundled = bundled_calibration(regressor.sha256)
    if bundled is None:
        raise ExportError(
            f"no calibration is known for the regressor {regressor.sha256[:12]}; give one with --calibration FILE "
            "(`facestats calibrate` makes it) or export with --uncalibrated."
        )
    return bundled
