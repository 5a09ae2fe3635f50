"""The output's columns: flat ones of the largest face for analysis, and the gateway's whole document, nested.

The nested part is derived from the gateway's own document classes, so that it has every field they have.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from facestats.geometry.reference import GROUPS
from facestats.problems import ProblemType
from facestats.scoring.schemas import ScoreDocument
from facestats_bulk.inputs import ImageInput
from facestats_bulk.locations import printable

UNREADABLE = ProblemType("unreadable", 404, "The image cannot be read")
"""Bulk scoring's own problem: the file of an input is missing or closed to us, or its row holds no bytes."""

_NARROW = {"embedding": pa.list_(pa.float32())}
"""Fields whose numbers are 32-bit where they are made."""

_PLAIN = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string()}


def arrow_type(annotation: Any) -> pa.DataType:
    """The Arrow type of a document's field.

    Args:
        annotation: As written in a pydantic class.

    Raises:
        TypeError: It has none.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return arrow_type(arguments[0])
    if origin in (Union, types.UnionType):
        (inner,) = (each for each in arguments if each is not type(None))
        return arrow_type(inner)
    if origin is Literal:
        return pa.string()
    if origin is list or origin is tuple:
        return pa.list_(arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(arrow_type(arguments[0]), arrow_type(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(
            [
                pa.field(name, _NARROW.get(name) or arrow_type(field.annotation))
                for name, field in annotation.model_fields.items()
            ]
        )
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    raise TypeError(f"no Arrow type for {annotation!r}")


def output_schema() -> pa.Schema:
    """Columns of the output, one row an input."""
    number, text = pa.float64(), pa.string()
    flat: dict[str, pa.DataType] = {
        "id": text,
        "path": text,
        "row": pa.int64(),
        "problem_type": text,
        "problem_title": text,
        "problem_status": pa.int64(),
        "problem_detail": text,
        "face_count": pa.int64(),
        "score": number,
        "geometric_score": number,
        "holistic_score": number,
        "raw": number,
        **{f"geometric_{group}": number for group in GROUPS},
        "reliability": number,
        "quality": text,
        **dict.fromkeys(("yaw", "pitch", "roll", "left", "top", "right", "bottom"), number),
        "weights": text,
        "receipt": text,
    }
    nested = {name: arrow_type(field.annotation) for name, field in ScoreDocument.model_fields.items()}
    return pa.schema([pa.field(name, kind) for name, kind in (flat | nested).items()])


def scored_row(item: ImageInput, document: ScoreDocument) -> dict[str, Any]:
    """The row of a scored image; its numbers are those of the gateway's JSON."""
    answer = document.model_dump(mode="json")
    face = answer["faces"][0]
    holistic, quality = face["holistic"] or {}, face["quality"]
    left, top, right, bottom = face["box"]
    return {
        **_identity(item),
        "face_count": len(answer["faces"]),
        "score": face["score"],
        "geometric_score": face["geometric"]["score"],
        "holistic_score": holistic.get("score"),
        "raw": holistic.get("raw"),
        **{f"geometric_{group}": face["geometric"]["groups"].get(group) for group in GROUPS},
        "reliability": quality["reliability"],
        "quality": quality["level"],
        **face["pose"],
        **{"left": left, "top": top, "right": right, "bottom": bottom},
        "weights": answer["model"]["weights"],
        "receipt": answer["model"]["receipt"],
        **answer,
    }


def problem_row(item: ImageInput, kind: ProblemType, detail: str) -> dict[str, Any]:
    """The row of an image that cannot be scored; everything but the problem is null."""
    return {
        **_identity(item),
        "problem_type": kind.urn,
        "problem_title": kind.title,
        "problem_status": kind.status,
        "problem_detail": detail,
    }


def document_of(row: dict[str, Any]) -> ScoreDocument:
    """The gateway's document of a scored row, as ``Table.to_pylist(maps_as_pydicts="strict")`` gives it."""
    return ScoreDocument.model_validate({name: row[name] for name in ScoreDocument.model_fields})


def _identity(item: ImageInput) -> dict[str, Any]:
    return {"id": item.id, "path": printable(item.path), "row": item.row}
