from __future__ import annotations

from pathlib import Path

import pytest

from facestats.models.parameters import ConfigurationError, ModelParameters, model_path


def test_a_parameter_that_is_absent_has_its_default() -> None:
    absent = ModelParameters({"name": "m"})
    assert (absent.text("a"), absent.integer("a", 7), absent.boolean("a", True)) == ("", 7, True)


def test_parameters_are_found_by_what_they_start_with() -> None:
    values = {"session.a": {"string_value": "1"}, "sessions": {"string_value": "2"}}
    assert ModelParameters({"name": "m", "parameters": values}).starting_with("session.") == {"session.a": "1"}


def test_model_file_is_the_default_one_the_named_one_or_the_one_in_a_folder(tmp_path: Path) -> None:
    for name in ("model.onnx", "other.onnx", "folder/model.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(name: str) -> Path:
        return model_path({"name": "m", "default_model_filename": name}, tmp_path, "model.onnx").relative_to(tmp_path)

    assert found("") == Path("model.onnx")
    assert found("other.onnx") == Path("other.onnx")
    assert found("folder") == Path("folder/model.onnx")
    with pytest.raises(ConfigurationError, match=r"unable to find '.*absent.onnx' for model 'm'"):
        found("absent.onnx")
