from __future__ import annotations

from typing import Any

import pytest

from facestats.models.parameters import ConfigurationError
from facestats_local_triton.backends.tensors import GraphTensor, check_tensors

INPUTS = [GraphTensor("PIXELS", "TYPE_UINT8", (-1, 224, 224, 3))]
OUTPUTS = [GraphTensor("EMBEDDING", "TYPE_FP32", (-1, 512)), GraphTensor("POOLED", "TYPE_FP32", (-1, 768))]


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
        ({"input": one("PIXELS", "TYPE_FP32", [224, 224, 3])}, r"datatype TYPE_FP32 for input 'PIXELS', .*TYPE_UINT8"),
        ({"output": one("EMBEDDING", "TYPE_FP16", [512])}, r"datatype TYPE_FP16 for output 'EMBEDDING', .*TYPE_FP32"),
        ({"output": one("EMBEDDING", "TYPE_BF16", [512])}, "unsupported datatype TYPE_BF16 for output 'EMBEDDING'"),
        ({"input": one("PIXELS", "TYPE_UINT8", [3, 224, 224])}, r"shape \[-1,224,224,3\] but .* \[-1,3,224,224\]"),
        ({"input": one("PIXELS", "TYPE_UINT8", [224, 224])}, r"\[-1,224,224\] \(with the batch dimension\)"),
        ({"output": one("EMBEDDING", "TYPE_FP32", [-1])}, r"output 'EMBEDDING': the model expects shape \[-1,512\]"),
        (
            {"input": one("PIXELS", "TYPE_UINT8", [224, 224, 3], optional=True)},
            "optional input 'PIXELS' is not supported",
        ),
        (
            {"input": one("PIXELS", "TYPE_UINT8", [-1], allow_ragged_batch=True)},
            r"shape \[-1\] for ragged input 'PIXELS', model provides \[-1,224,224,3\]",
        ),
        ({"sequence_batching": {"control_input": [{"name": "START"}]}}, "'sequence_batching.control_input' is not"),
        ({"sequence_batching": {"state": [{"input_name": "S"}]}}, "'sequence_batching.state' is not supported"),
        ({"batch_input": [{"kind": "BATCH_ELEMENT_COUNT"}]}, "'batch_input' is not supported"),
        ({"batch_output": [{"target_name": ["EMBEDDING"]}]}, "'batch_output' is not supported"),
        ({"max_batch_size": 0}, r"but the configuration specifies \[224,224,3\]$"),
    ],
)
def test_disagreement_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_tensors(config(**changes), INPUTS, OUTPUTS)


def test_a_fixed_batch_axis_is_refused_where_batches_are_wanted() -> None:
    fixed = [GraphTensor("PIXELS", "TYPE_UINT8", (1, 224, 224, 3))]
    with pytest.raises(ConfigurationError, match=r"max_batch_size 8 needs a symbolic first dimension.*\[1,224,224,3\]"):
        check_tensors(config(), fixed, OUTPUTS)


def test_a_scalar_is_refused_where_batches_are_wanted() -> None:
    with pytest.raises(ConfigurationError, match=r"symbolic first dimension, the model's shape is \[\]"):
        check_tensors(config(), [GraphTensor("PIXELS", "TYPE_UINT8", ())], OUTPUTS)


def test_without_batches_the_whole_shape_is_written_and_symbolic_dimensions_take_any_size() -> None:
    whole = config(
        max_batch_size=0,
        input=one("PIXELS", "TYPE_UINT8", [1, 224, 224, 3]),
        output=one("EMBEDDING", "TYPE_FP32", [-1, 512]),
    )
    check_tensors(whole, INPUTS, OUTPUTS)


def test_a_fixed_output_dimension_is_refused_where_the_graph_s_is_symbolic() -> None:
    symbolic = [GraphTensor("EMBEDDING", "TYPE_FP32", (-1, -1))]
    with pytest.raises(ConfigurationError, match=r"output 'EMBEDDING': .* \[-1,-1\] but .* \[-1,512\]"):
        check_tensors(config(), INPUTS, symbolic)
    check_tensors(config(output=one("EMBEDDING", "TYPE_FP32", [-1])), INPUTS, symbolic)
    with pytest.raises(ConfigurationError, match=r"\[-1,512\] but the configuration specifies \[1,512\]"):
        check_tensors(
            config(
                max_batch_size=0,
                input=one("PIXELS", "TYPE_UINT8", [1, 224, 224, 3]),
                output=one("EMBEDDING", "TYPE_FP32", [1, 512]),
            ),
            INPUTS,
            OUTPUTS,
        )


@pytest.mark.parametrize(("optional", "said"), [(False, "container-free backend"), (True, "for optional input")])
def test_a_ragged_input_is_refused(optional: bool, said: str) -> None:
    """The native backend serves the one that is not optional: documented as a difference."""
    ragged = one("PIXELS", "TYPE_UINT8", [-1], allow_ragged_batch=True, optional=optional)
    with pytest.raises(ConfigurationError, match=said):
        check_tensors(config(max_batch_size=0, input=ragged), [GraphTensor("PIXELS", "TYPE_UINT8", (-1,))], OUTPUTS)


def test_a_reshape_tells_the_graph_s_shape() -> None:
    reshaped = one("PIXELS", "TYPE_UINT8", [150528], reshape={"shape": ["224", "224", "3"]})
    check_tensors(config(input=reshaped), INPUTS, OUTPUTS)
