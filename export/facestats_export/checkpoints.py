"""Regressor files: state dicts and skops; from trusted authors TorchScript and pickles of scikit-learn models, too."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_export.clip import EMBEDDING_SIZE
from facestats_export.errors import ExportError
from facestats_export.estimators import is_skops, load_estimator_bytes
from facestats_export.layer_stack import (
    BATCH_NORM_EPSILON,
    BatchNorm,
    NotAStackError,
    Operation,
    Relu,
    fold,
    operations_of_state_dict,
)
from facestats_export.regressor import TRAINING_REPORT, Layer, Regressor, run_layers

_CHECK_TOLERANCE = 1e-4
"""Largest relative difference between a TorchScript or scikit-learn model and the layers read out of it."""


def load_regressor(path: Path, *, trust_pickle: bool = False) -> Regressor:
    """Reads a regressor.

    Args:
        path: A state dict, a TorchScript archive, a skops file, or a pickle of a scikit-learn model.
        trust_pickle: Whether a file may be loaded that runs the code in it: a pickle, or TorchScript.

    Raises:
        ExportError: The file is none of these, is damaged, or does not lead from 512 numbers to one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"the regressor '{path}' cannot be read ({error.strerror or error}).") from error
    try:
        layers = _layers(data, path, trust_pickle)
    except NotAStackError as error:
        raise ExportError(f"the regressor '{path}' is not a stack of linear layers with ReLU: {error}.") from error
    _check(layers, path)
    sha256 = hashlib.sha256(data).hexdigest()
    return Regressor(layers, sha256, trained=True, training=_training(path, sha256))


def _training(path: Path, sha256: str) -> str:
    """What the report beside the file says of its training; empty where there is none, or it is another file's."""
    try:
        report = json.loads(path.with_name(TRAINING_REPORT).read_bytes())
        return str(report["statement"]) if report["regressor_sha256"] == sha256 else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _layers(data: bytes, path: Path, trust_pickle: bool) -> tuple[Layer, ...]:
    if is_skops(data):
        return _layers_of_estimator(load_estimator_bytes(data, path, trust_pickle=False))
    if _is_torchscript(data):
        if not trust_pickle:
            raise ExportError(
                f"the regressor '{path}' is TorchScript, a program that loading it runs; nothing in it was executed. "
                "Save its state dict instead (`torch.save(module.state_dict(), ...)`) or, if you trust its author, "
                "give --trust-pickle."
            )
        return _layers_of_torchscript(data, path)
    try:
        return fold(operations_of_state_dict(_state_dict(data, path)))
    except ExportError:
        if not trust_pickle or zipfile.is_zipfile(io.BytesIO(data)):
            raise
    return _layers_of_estimator(load_estimator_bytes(data, path, trust_pickle=True))


def _check(layers: Sequence[Layer], path: Path) -> None:
    widths = [layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in layers)]
    fits = all(before.weight.shape[0] == after.weight.shape[1] for before, after in pairwise(layers))
    if not fits or (widths[0], widths[-1]) != (EMBEDDING_SIZE, 1):
        raise ExportError(
            f"the regressor '{path}' has layers of {' -> '.join(map(str, widths))}; it must lead from "
            f"{EMBEDDING_SIZE} to 1."
        )
    if not all(np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all() for layer in layers):
        raise ExportError(f"the regressor '{path}' holds weights that are not finite.")


def _state_dict(data: bytes, path: Path) -> Mapping[str, Any]:
    import torch

    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError, IndexError) as error:
        # torch's own message advises to load without protection.
        raise ExportError(
            f"the regressor '{path}' is no plain state dict of weights, or is damaged ({type(error).__name__}); "
            "nothing in it was executed. A pickle of scikit-learn whose author you trust needs --trust-pickle."
        ) from error
    if not isinstance(state, Mapping):
        raise ExportError(f"the regressor '{path}' holds a {type(state).__name__}, not a state dict.")
    tensors = {str(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ExportError(
            f"the regressor '{path}' holds no weights but {', '.join(map(str, list(state)[:3])) or 'nothing'}; "
            "save the state dict itself."
        )
    try:
        return {key: value.detach().to_dense().float().numpy() for key, value in tensors.items()}
    except RuntimeError as error:
        raise ExportError(f"the regressor '{path}' holds weights that are not plain numbers.") from error


def _is_torchscript(data: bytes) -> bool:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return False
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _layers_of_torchscript(data: bytes, path: Path) -> tuple[Layer, ...]:
    import torch

    try:
        module = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ExportError(f"the TorchScript file '{path}' is damaged ({str(error).splitlines()[0]}).") from error
    operations: list[Operation] = []
    for child in module.modules():
        kind = child.original_name
        if kind == "Linear":
            weight = child.weight.detach().float().numpy()
            operations.append(Layer(weight, _parameter(child, "bias", np.zeros(len(weight), np.float32))))
        elif kind == "BatchNorm1d":
            mean, variance = (value.detach().float().numpy() for value in (child.running_mean, child.running_var))
            weight = _parameter(child, "weight", np.ones_like(mean))
            bias = _parameter(child, "bias", np.zeros_like(mean))
            # A traced module does not tell its epsilon; running it does.
            operations.append(BatchNorm(weight, bias, mean, variance, getattr(child, "eps", BATCH_NORM_EPSILON)))
        elif kind == "ReLU":
            operations.append(Relu())
        elif kind not in ("Dropout", "Identity", "Flatten") and any(True for _ in child.parameters(recurse=False)):
            raise NotAStackError(f"it has a {kind}")
    layers = fold(operations)
    inputs = _random_embeddings(layers[0].weight.shape[1])
    try:
        with torch.inference_mode():
            expected = module(torch.from_numpy(inputs)).numpy()
    except RuntimeError as error:
        raise NotAStackError("it does not take a batch of embeddings") from error
    # The order of the parts is that of their definition; only running the module tells whether it also computes so.
    if Relu() not in operations and not _is_same(layers, inputs, expected):
        layers = fold(_with_relu(operations))
    _require_same(layers, inputs, expected)
    return layers


def _with_relu(operations: Sequence[Operation]) -> list[Operation]:
    """With a ReLU before each linear layer but the first: one that is called as a function is no part of a module."""
    first = next(index for index, operation in enumerate(operations) if isinstance(operation, Layer))
    parts: list[Operation] = list(operations[: first + 1])
    for operation in operations[first + 1 :]:
        parts += [Relu(), operation] if isinstance(operation, Layer) else [operation]
    return parts


def _parameter(module: Any, name: str, absent: NDArray[np.float32]) -> NDArray[np.float32]:
    parameter = getattr(module, name, None)
    return absent if parameter is None else parameter.detach().float().numpy()


def _layers_of_estimator(estimator: Any) -> tuple[Layer, ...]:
    """Layers of a scikit-learn regressor: linear ones and multi-layer perceptrons, after any standard scaling."""
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    operations: list[Operation] = []
    for step in steps[:-1]:
        if not isinstance(step, StandardScaler):
            raise NotAStackError(f"it has a {type(step).__name__} before the regressor")
        width = step.n_features_in_
        mean = step.mean_ if step.with_mean else np.zeros(width)
        variance = step.scale_**2 if step.with_std else np.ones(width)
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        operations.append(BatchNorm(ones, zeros, mean, variance, 0.0))
    last = steps[-1]
    if isinstance(last, MLPRegressor):
        if last.activation != "relu" or last.out_activation_ != "identity":
            raise NotAStackError(f"its activation is {last.activation}")
        for weight, bias in zip(last.coefs_, last.intercepts_, strict=True):
            operations += [Layer(weight.T.astype(np.float32), bias.astype(np.float32)), Relu()]
        operations.pop()
    elif hasattr(last, "coef_") and hasattr(last, "intercept_") and not hasattr(last, "classes_"):
        weight = np.atleast_2d(last.coef_).astype(np.float32)
        operations.append(Layer(weight, np.broadcast_to(last.intercept_, len(weight)).astype(np.float32)))
    else:
        raise NotAStackError(f"it is a {type(last).__name__}")
    layers = fold(operations)
    inputs = _random_embeddings(layers[0].weight.shape[1])
    _require_same(layers, inputs, np.asarray(estimator.predict(inputs)))
    return layers


def _random_embeddings(width: int) -> NDArray[np.float32]:
    numbers = np.random.default_rng(0).standard_normal((64, width))
    unit: NDArray[np.float32] = (numbers / np.linalg.norm(numbers, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _is_same(layers: tuple[Layer, ...], inputs: NDArray[np.float32], expected: NDArray[Any]) -> bool:
    ours = run_layers(layers, inputs)
    theirs = expected.reshape(len(inputs), -1)
    return ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=_CHECK_TOLERANCE, atol=_CHECK_TOLERANCE)


def _require_same(layers: tuple[Layer, ...], inputs: NDArray[np.float32], expected: NDArray[Any]) -> None:
    if not _is_same(layers, inputs, expected):
        raise NotAStackError("it computes something else than its layers in their order")
