"""A caller's choices as text, the same words in the gateway's query and in Triton's ``psl`` inputs."""

from __future__ import annotations

from typing import Any, get_args

from facestats.faces.options import Crop, Extra, Faces, ScoreOptions
from facestats.geometry import CaptureMode, Sex
from facestats.problems import Problem


def parse_options(
    *, crop: str = "", faces: str = "", sex: str = "", capture: str = "", include: str = ""
) -> ScoreOptions:
    """Reads a caller's choices; an empty text means the default.

    Raises:
        Problem: ``bad-parameter``.
    """
    return ScoreOptions(
        crop=_one_of("crop", crop, Crop) or "aligned",
        all_faces=_one_of("faces", faces, Faces) == "all",
        sex=_one_of("sex", sex, Sex),
        capture=_one_of("capture", capture, CaptureMode) or "stable",
        include=parse_include(include),
    )


def option_texts(options: ScoreOptions) -> dict[str, str]:
    """A caller's choices as ``parse_options`` reads them; empty where they are the default."""
    texts = {
        "crop": options.crop,
        "faces": "all" if options.all_faces else "largest",
        "sex": options.sex or "",
        "capture": options.capture,
        "include": ",".join(sorted(options.include)),
    }
    usual = {"crop": "aligned", "faces": "largest", "capture": "stable"}
    return {name: "" if text == usual.get(name) else text for name, text in texts.items()}


def parse_include(text: str) -> frozenset[Extra]:
    """Reads a comma list of further parts of the answer.

    Raises:
        Problem: ``bad-parameter``.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(get_args(Extra)))
    if unknown:
        raise Problem("bad-parameter", f"`include`: {', '.join(unknown)} is none of {', '.join(get_args(Extra))}.")
    return frozenset(extra for extra in get_args(Extra) if extra in names)


def _one_of(name: str, text: str, words: Any) -> Any:
    if text and text not in get_args(words):
        raise Problem("bad-parameter", f"`{name}`: {text[:40]!r} is none of {', '.join(get_args(words))}.")
    return text or None
