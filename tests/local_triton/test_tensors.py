from __future__ import annotations

from typing import Any

import pytest

from facestats.models.session_settings import ConfigurationError
from facestats_local_triton.backends.onnxruntime.tensors import GraphTensor, check_tensors

INPUTS = [GraphTensor("PIXELS", "tensor(uint8)", (-1, 224, 224, 3))]
OUTPUTS = [GraphTensor("EMBEDDING", "tensor(float)", (-1, 512)), GraphTensor("POOLED", "tensor(float)", (-1, 768))]


def config(**changes: Any) -> dict[str, Any]:
    return {
        "name": "m",
        "max_batch_size": 8,
        # As Triton hands it over: dimensions are 64-bit, so strings in JSON.
        "input": [{"name": "PIXELS", "data_type": "TYPE_UINT8", "dims": ["224", "224", "3"]}],
        "output": [{"name": "EMBEDDING", "data_type": "TYPE_FP32", "dims": ["512"]}],
        **changes,
    }


def one(name: str, data_type: str, dims: list[int], **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "data_type": data_type, "dims": dims, **more}]


def test_an_agreeing_configuration_passes_with_a_subset_of_the_outputs() -> None:
    check_tensors(config(), INPUTS, OUTPUTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": []}, r"expects 0 inputs, model provides 1 \(PIXELS\)"),
        ({"input": config()["input"] * 2}, "expects 2 inputs, model provides 1"),
        (
            {"input": one("IMAGE", "TYPE_UINT8", [224, 224, 3])},
            "unexpected inference input 'IMAGE', allowed inputs are: P",
        ),
        ({"output": []}, "names no output"),
        ({"output": one("SCORE", "TYPE_FP32", [1])}, "unexpected inference output 'SCORE', allowed outputs are: EMB"),
        ({"input": one("PIXELS", "TYPE_FP32", [224, 224, 3])}, r"datatype TYPE_FP32 for input 'PIXELS', .*uint8"),
        ({"output": one("EMBEDDING", "TYPE_FP16", [512])}, r"datatype TYPE_FP16 for output 'EMBEDDING', .*float"),
        ({"output": one("EMBEDDING", "TYPE_BF16", [512])}, "unsupported datatype TYPE_BF16 for output 'EMBEDDING'"),
        ({"input": one("PIXELS", "TYPE_UINT8", [3, 224, 224])}, r"shape \[-1,224,224,3\] but .* \[-1,3,224,224\]"),
        ({"input": one("PIXELS", "TYPE_UINT8", [224, 224])}, r"\[-1,224,224\] \(with the batch dimension\)"),
        ({"output": one("EMBEDDING", "TYPE_FP32", [-1])}, r"output 'EMBEDDING': the model expects shape \[-1,512\]"),
        ({"max_batch_size": 0}, r"but the configuration specifies \[224,224,3\]$"),
    ],
)
def test_disagreement_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_tensors(config(**changes), INPUTS, OUTPUTS)


def test_a_fixed_batch_axis_is_refused_where_batches_are_wanted() -> None:
    fixed = [GraphTensor("PIXELS", "tensor(uint8)", (1, 224, 224, 3))]
    with pytest.raises(ConfigurationError, match=r"max_batch_size 8 needs a symbolic first dimension.*\[1,224,224,3\]"):
        check_tensors(config(), fixed, OUTPUTS)


def test_a_scalar_is_refused_where_batches_are_wanted() -> None:
    with pytest.raises(ConfigurationError, match=r"symbolic first dimension, the model's shape is \[\]"):
        check_tensors(config(), [GraphTensor("PIXELS", "tensor(uint8)", ())], OUTPUTS)


def test_without_batches_the_whole_shape_is_written_and_symbolic_dimensions_take_any_size() -> None:
    whole = config(
        max_batch_size=0,
        input=one("PIXELS", "TYPE_UINT8", [1, 224, 224, 3]),
        output=one("EMBEDDING", "TYPE_FP32", [-1, 512]),
    )
    check_tensors(whole, INPUTS, OUTPUTS)


def test_a_reshape_tells_the_graph_s_shape() -> None:
    reshaped = one("PIXELS", "TYPE_UINT8", [150528], reshape={"shape": ["224", "224", "3"]})
    check_tensors(config(input=reshaped), INPUTS, OUTPUTS)
