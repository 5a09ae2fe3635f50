"""What the backends read of a Triton model configuration alike: its parameters and its file.

Pure functions of the configuration: no Triton, no runtime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_INT32 = range(-(2**31), 2**31)


class ConfigurationError(ValueError):
    """The model must not be loaded; the message names the model, the key and what was expected."""


class ModelParameters:
    """The ``parameters`` of one model's configuration.

    Args:
        config: The configuration in its JSON form.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._model = config["name"]
        self._values = {name: str(value["string_value"]) for name, value in config.get("parameters", {}).items()}

    def text(self, name: str, default: str = "") -> str:
        """A value as it is written."""
        return self._values.get(name, default)

    def integer(self, name: str, default: int) -> int:
        """A 32-bit integer.

        Raises:
            ConfigurationError: It is none.
        """
        text = self._values.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]+", text.strip()) or int(text) not in _INT32:
            raise self.refusal(name, text, "an integer")
        return int(text)

    def boolean(self, name: str, default: bool) -> bool:
        """A boolean as the ONNX Runtime backend writes it.

        Raises:
            ConfigurationError: It is none.
        """
        text = self._values.get(name)
        if text is None:
            return default
        if text.lower() not in _BOOLEANS:
            raise self.refusal(name, text, "a boolean (true, false, on, off, 1 or 0)")
        return _BOOLEANS[text.lower()]

    def starting_with(self, prefix: str) -> dict[str, str]:
        """All parameters whose name starts with ``prefix``."""
        return {name: text for name, text in self._values.items() if name.startswith(prefix)}

    def refusal(self, name: str, text: str, expected: str) -> ConfigurationError:
        """What to raise for a value that cannot be taken."""
        return ConfigurationError(
            f"unable to load model '{self._model}', parameter '{name}' is '{text}', expected {expected}"
        )


def model_path(config: Mapping[str, Any], version_directory: Path, default: str) -> Path:
    """The file of a model version: ``default_model_filename``, or the backend's default.

    A folder stands for the file of the default name inside it (external data).

    Raises:
        ConfigurationError: There is no such file.
    """
    path = version_directory / (config.get("default_model_filename") or default)
    if path.is_dir():
        path = path / default
    if not path.is_file():
        raise ConfigurationError(f"unable to find '{path}' for model '{config['name']}'")
    return path
