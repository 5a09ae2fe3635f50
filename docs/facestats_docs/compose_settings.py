"""The settings that ``docker-compose.yml`` passes through, made from their declarations.

``python -m facestats_docs.compose_settings docker-compose.yml``
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from facestats.settings import ModelServerSettings, ScoringSettings
from facestats_gateway.settings import ListeningSettings, Settings

_BLOCK = re.compile(r"(?P<indent> *)# (?P<of>psl|gateway) settings \(make docs\)\n.*?# end of settings\n", re.DOTALL)


def with_settings(compose: str) -> str:
    """The file with its two blocks of variables written anew: what ``psl`` reads, and what else the gateway does.

    A variable without a value is passed through where it is set. Where the gateway listens is its image's affair, and
    where Triton is found the file's own.
    """
    psl = [name for name in ScoringSettings.model_fields if name not in ModelServerSettings.model_fields]
    fixed = {*psl, *ListeningSettings.model_fields, "triton_urls"}
    of = {"psl": psl, "gateway": [name for name in Settings.model_fields if name not in fixed]}
    return _BLOCK.sub(lambda block: _block(block["indent"], block["of"], of[block["of"]]), compose)


def _block(indent: str, of: str, names: Iterable[str]) -> str:
    lines = (f"# {of} settings (make docs)", *(f"FACESTATS_{name.upper()}:" for name in names), "# end of settings")
    return "".join(f"{indent}{line}\n" for line in lines)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_settings(file.read_text()))
