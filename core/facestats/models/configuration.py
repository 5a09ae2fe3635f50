"""Triton's model configurations: the one reader and the one writer of their text form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.json_format import MessageToDict
from tritonclient.grpc import model_config_pb2

from facestats.errors import FaceStatsError


class RepositoryError(FaceStatsError):
    """A model repository cannot be read; the message names the file."""


def read_config(path: Path) -> model_config_pb2.ModelConfig:
    """Reads a model configuration.

    Raises:
        RepositoryError: It is missing or no model configuration.
    """
    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(path.read_text("utf-8"), config)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise RepositoryError(f"the model configuration '{path}' cannot be read: {error}.") from error
    return config


def write_config(path: Path, config: model_config_pb2.ModelConfig) -> None:
    """Replaces the file at once, and only if it changes: a polling Triton loads a touched model anew."""
    text = str(text_format.MessageToString(config)).encode()
    if path.is_file() and path.read_bytes() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def config_json(config: model_config_pb2.ModelConfig) -> dict[str, Any]:
    """The JSON form, with the names of the text form; what Triton hands to a model."""
    document: dict[str, Any] = MessageToDict(config, preserving_proto_field_name=True)
    return document
