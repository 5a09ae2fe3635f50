"""CLIP's image tower: real weights, or the same architecture with seeded random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from facestats_export.errors import ExportError

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

CLIP_ID = "openai/clip-vit-base-patch32"
CLIP_REVISION = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
EMBEDDING_SIZE = 512
UNTRAINED_SEED = 0

NETWORK_SECONDS = 10.0
"""Time after which an attempt to reach the model hub is given up."""


@dataclass(frozen=True)
class Clip:
    """An image tower.

    Attributes:
        model: The PyTorch model, in evaluation mode, float32.
        id: What it is, for the provenance.
        trained: Whether its weights mean anything.
    """

    model: CLIPVisionModelWithProjection
    id: str
    trained: bool


def load_clip(weights: str, notify: Callable[[str], None]) -> Clip:
    """Loads the image tower.

    Args:
        weights: ``auto`` (cache, network, else untrained), ``hf`` (cache or network), ``untrained``, or the path of a
            local snapshot.
        notify: Told in one sentence why ``auto`` fell back.

    Raises:
        ExportError: The weights asked for cannot be had.
    """
    if weights == "untrained":
        return _untrained()
    if weights not in ("auto", "hf"):
        return _from_snapshot(Path(weights))
    try:
        return _from_hub()
    except ExportError as error:
        if weights == "hf":
            raise
        notify(f"{error} Building the same architecture with untrained weights instead.")
        return _untrained()


def _untrained() -> Clip:
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=EMBEDDING_SIZE))
    tower: Any = model
    return Clip(tower.eval(), f"untrained ViT-B/32 (seed {UNTRAINED_SEED})", trained=False)


def _from_snapshot(path: Path) -> Clip:
    if not (path / "config.json").is_file():
        raise ExportError(f"'{path}' is no snapshot of a CLIP model: it holds no config.json.")
    return Clip(_checked(_load(str(path))), f"local:{path.name}", trained=True)


def _from_hub() -> Clip:
    """From the hub's local cache, else from the network."""
    clip_id = f"{CLIP_ID}@{CLIP_REVISION}"
    try:
        model = _load(CLIP_ID, revision=CLIP_REVISION, local_files_only=True)
    except ExportError:
        _require_hub()
        model = _load(CLIP_ID, revision=CLIP_REVISION)
    return Clip(_checked(model), clip_id, trained=True)


def _require_hub() -> None:
    """Asks the hub for the model's description, and gives up after ``NETWORK_SECONDS``."""
    from huggingface_hub import HfApi

    reached: list[Any] = []

    def ask() -> None:
        try:
            reached.append(HfApi().model_info(CLIP_ID, revision=CLIP_REVISION, timeout=NETWORK_SECONDS / 2))
        except Exception as error:
            reached.append(error)

    # The hub's client retries for longer than anyone wants to wait; a daemon thread can be left behind.
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(NETWORK_SECONDS)
    if not reached or isinstance(reached[0], Exception):
        why = type(reached[0]).__name__ if reached else "no answer"
        raise ExportError(f"CLIP's weights cannot be downloaded ({why} within {NETWORK_SECONDS:g} s).")


def _load(name: str, **options: Any) -> CLIPVisionModelWithProjection:
    from safetensors import SafetensorError
    from transformers import CLIPVisionModelWithProjection
    from transformers.utils import logging

    # The export shows its own progress.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        loaded: Any = CLIPVisionModelWithProjection.from_pretrained(name, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ExportError(f"CLIP cannot be loaded from '{name}': {str(error).splitlines()[0]}") from error
    model, report = loaded
    if report["missing_keys"]:
        raise ExportError(f"CLIP's weights in '{name}' are incomplete: {sorted(report['missing_keys'])[0]} is missing.")
    tower: CLIPVisionModelWithProjection = model.float().eval()
    return tower


def _checked(model: CLIPVisionModelWithProjection) -> CLIPVisionModelWithProjection:
    import torch

    config = model.config
    if config.image_size != 224 or config.projection_dim != EMBEDDING_SIZE:
        raise ExportError(
            f"this CLIP takes {config.image_size} pixels and gives {config.projection_dim} numbers; "
            f"the service needs 224 and {EMBEDDING_SIZE}."
        )
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        raise ExportError("CLIP's weights hold values that are not finite.")
    return model
