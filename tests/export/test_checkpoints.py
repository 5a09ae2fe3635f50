"""Regressor files: what is read, what is refused, and that no file is ever executed unasked."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from facestats_export.checkpoints import load_regressor
from facestats_export.errors import ExportError
from tests.export.pickle_bomb import Bomb, assert_harmless

INPUTS = np.random.default_rng(1).standard_normal((64, 512)).astype(np.float32)
INPUTS /= np.linalg.norm(INPUTS, axis=1, keepdims=True)


class Net(nn.Module):
    """As the published files' class: the layers in ``net``."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*parts)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.net(embedding)
        return result


class FunctionalRelu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(512, 32), nn.Linear(32, 1)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.relu(self.first(embedding)))
        return result


class OtherOrder(nn.Module):
    """Defined in one order and called in another."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(512, 512), nn.Linear(512, 512), nn.Linear(512, 1)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.last(torch.relu(self.first(torch.relu(self.second(embedding)))))
        return result


def plain() -> Net:
    return Net(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1))


def with_dropout() -> Net:
    return Net(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))


def with_norms(affine: bool = True) -> Net:
    net = Net(
        *(nn.Linear(512, 64), nn.BatchNorm1d(64, affine=affine), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.Linear(64, 32, bias=False), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 1)),
    )
    generator = torch.Generator().manual_seed(0)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean = torch.randn(part.num_features, generator=generator) * 0.1
            part.running_var = torch.rand(part.num_features, generator=generator) + 0.5
            if part.affine:
                part.weight.data = torch.randn(part.num_features, generator=generator)
                part.bias.data = torch.randn(part.num_features, generator=generator)
    return net


def prepared(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build().train(False)


def expected(module: nn.Module) -> np.ndarray:
    with torch.inference_mode():
        answer = module(torch.from_numpy(INPUTS))[:, 0].numpy()
    assert np.ptp(answer) > 1e-3, "the same answer for all could not be wrong"
    return np.asarray(answer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "regressor.pt"


@pytest.mark.parametrize(
    ("build", "keys", "sizes"),
    [
        (plain, "024", (512, 256, 64, 1)),
        (with_dropout, "035", (512, 256, 256, 1)),
        (with_norms, "01467", (512, 64, 32, 1)),
        (lambda: with_norms(affine=False), "01467", (512, 64, 32, 1)),
        (FunctionalRelu, None, (512, 32, 1)),
    ],
    ids=["net.0/2/4", "net.0/3/5 with dropout", "batch norm", "batch norm without weights", "named layers"],
)
def test_state_dicts(build: Callable[[], nn.Module], keys: str | None, sizes: tuple[int, ...], file: Path) -> None:
    module = prepared(build)
    state = module.state_dict()
    if keys is not None:
        assert "".join(sorted({key.split(".")[1] for key in state})) == keys
    torch.save(state, file)
    regressor = load_regressor(file)
    assert (512, *(len(layer.bias) for layer in regressor.layers)) == sizes
    assert regressor.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert regressor.id == f"sha256:{regressor.sha256}"
    np.testing.assert_allclose(regressor.predict(INPUTS), expected(module), rtol=1e-5, atol=1e-5)


def test_half_precision_weights(file: Path) -> None:
    module = prepared(plain).bfloat16()
    torch.save(module.state_dict(), file)
    np.testing.assert_allclose(load_regressor(file).predict(INPUTS), expected(module.float()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("attractiveness_regressor_512-256-64-1.pt", (256, 64, 1)),
        ("attractiveness_regressor_512-256-256-1.pt", (256, 256, 1)),
    ],
)
def test_published_files(name: str, sizes: tuple[int, ...], shared_dir: Path) -> None:
    path = shared_dir / "facestats" / name
    regressor = load_regressor(path)
    assert tuple(len(layer.bias) for layer in regressor.layers) == sizes
    state = torch.load(path, map_location="cpu", weights_only=True)
    flow = torch.from_numpy(INPUTS)
    weights = sorted((key for key in state if key.endswith("weight")), key=lambda key: int(key.split(".")[1]))
    for index, key in enumerate(weights):
        flow = flow @ state[key].T + state[key.replace("weight", "bias")]
        flow = flow.relu() if index < len(weights) - 1 else flow
    assert np.ptp(flow.numpy()) > 0.05
    np.testing.assert_allclose(regressor.predict(INPUTS), flow[:, 0].numpy(), rtol=1e-4)


@pytest.mark.parametrize("build", [plain, with_dropout, with_norms, FunctionalRelu])
@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript(build: Callable[[], nn.Module], how: str, file: Path) -> None:
    module = prepared(build)
    script = torch.jit.script(module) if how == "script" else torch.jit.trace(module, torch.from_numpy(INPUTS))  # type: ignore[no-untyped-call]
    script.save(str(file))
    regressor = load_regressor(file, trust_pickle=True)
    np.testing.assert_allclose(regressor.predict(INPUTS), expected(module), rtol=1e-4, atol=1e-4)


class Writer(nn.Module):
    """Computes what a regressor does, and leaves a file."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.linear, self.target = nn.Linear(512, 1), target

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        torch.save(inputs, self.target)
        read: torch.Tensor = self.linear(inputs)
        return read


class WriterAtLoading(nn.Module):
    """Leaves a file as soon as it is loaded."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.weight, self.target = torch.zeros(512, 1), target

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.weight

    @torch.jit.export
    def __getstate__(self) -> tuple[str, torch.Tensor, bool]:
        return self.target, self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, torch.Tensor, bool]) -> None:
        self.target = state[0]
        self.weight = state[1]
        self.training = state[2]
        torch.save(state[1], state[0])


@pytest.mark.parametrize("build", [Writer, WriterAtLoading])
def test_torchscript_is_a_program_that_is_run_only_if_trusted(
    build: Callable[[str], nn.Module], file: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "written"
    torch.jit.script(build(str(marker))).save(str(file))  # type: ignore[no-untyped-call]
    torch.jit.load(str(file))(torch.zeros(1, 512))  # type: ignore[no-untyped-call]
    assert marker.exists(), "the bomb does not work, so it shows nothing"
    marker.unlink()
    with pytest.raises(ExportError, match=r"is TorchScript, a program .*nothing in it was executed.*--trust-pickle"):
        load_regressor(file)
    assert not marker.exists()


@pytest.mark.parametrize(
    "build",
    [lambda: Net(nn.Linear(512, 8), nn.Sigmoid(), nn.Linear(8, 1)), OtherOrder, lambda: Net(nn.Conv1d(512, 1, 1))],
    ids=["sigmoid", "another order", "convolution"],
)
def test_torchscript_of_something_else_is_refused(build: Callable[[], nn.Module], file: Path) -> None:
    torch.jit.script(prepared(build)).save(str(file))  # type: ignore[no-untyped-call]
    with pytest.raises(ExportError, match="not a stack of linear layers"):
        load_regressor(file, trust_pickle=True)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: Net(nn.Linear(768, 64), nn.ReLU(), nn.Linear(64, 1)), "768 -> 64 -> 1"),
        (lambda: Net(nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 2)), "512 -> 64 -> 2"),
        (lambda: Net(nn.Linear(512, 64), nn.ReLU(), nn.Linear(32, 1)), "512 -> 64 -> 1"),
        (lambda: Net(nn.Conv1d(512, 1, 3)), "net.0"),
        (lambda: Net(nn.Linear(512, 512), nn.LayerNorm(512), nn.Linear(512, 1)), "net.1"),
    ],
    ids=["inputs", "outputs", "between", "convolution", "layer norm"],
)
def test_state_dicts_of_something_else_are_refused(build: Callable[[], nn.Module], why: str, file: Path) -> None:
    torch.save(build().state_dict(), file)
    with pytest.raises(ExportError, match=why):
        load_regressor(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, file: Path) -> None:
    state = plain().state_dict()
    state["net.2.weight"][3, 5] = value
    torch.save(state, file)
    with pytest.raises(ExportError, match="not finite"):
        load_regressor(file)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files_are_refused(share: float, file: Path) -> None:
    torch.save(plain().state_dict(), file)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ExportError, match="damaged"):
        load_regressor(file)


def test_truncated_torchscript_is_refused(file: Path) -> None:
    torch.jit.script(plain()).save(str(file))  # type: ignore[no-untyped-call]
    file.write_bytes(file.read_bytes()[:-100])
    for trusted in (False, True):
        with pytest.raises(ExportError):
            load_regressor(file, trust_pickle=trusted)


def test_a_whole_training_state_is_refused_with_what_to_do(file: Path) -> None:
    torch.save({"epoch": 3, "model": plain().state_dict()}, file)
    with pytest.raises(ExportError, match="epoch, model; save the state dict itself"):
        load_regressor(file)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read"):
        load_regressor(tmp_path / "nothing.pt")


@pytest.mark.parametrize("way", ["pickle", "joblib", "torch", "torch of old", "inside a state dict"])
def test_a_pickle_bomb_does_not_go_off(way: str, file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    bomb = Bomb(marker)
    if way == "pickle":
        file.write_bytes(pickle.dumps(bomb))
    elif way == "joblib":
        joblib.dump(bomb, file)
    elif way == "torch":
        torch.save(bomb, file)
    elif way == "torch of old":
        torch.save(bomb, file, _use_new_zipfile_serialization=False)
    else:
        torch.save(plain().state_dict() | {"net.6.weight": bomb}, file)
    with assert_harmless(marker), pytest.raises(ExportError, match="nothing in it was executed"):
        load_regressor(file)


def test_trust_is_for_pickles_not_for_torch_archives(file: Path, tmp_path: Path) -> None:
    torch.save(Bomb(tmp_path / "executed"), file)
    with assert_harmless(tmp_path / "executed"), pytest.raises(ExportError):
        load_regressor(file, trust_pickle=True)


def fitted(*steps: object) -> object:
    target = INPUTS[:, 0] * 3 + np.abs(INPUTS[:, 1]) + 1
    return make_pipeline(*steps).fit(INPUTS.astype(np.float64), target)


SCIKIT = [
    lambda: fitted(StandardScaler(), MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=20, random_state=0)),
    lambda: fitted(StandardScaler(with_mean=False), Ridge()),
    lambda: fitted(Ridge(fit_intercept=False)),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("build", SCIKIT, ids=["perceptron", "ridge", "no intercept"])
@pytest.mark.parametrize("way", ["skops", "pickle"])
def test_scikit_learn_regressors(build: Callable[[], object], way: str, file: Path) -> None:
    estimator = build()
    if way == "skops":
        skops.io.dump(estimator, file)
    else:
        joblib.dump(estimator, file)
        with pytest.raises(ExportError, match="--trust-pickle"):
            load_regressor(file)
    regressor = load_regressor(file, trust_pickle=way == "pickle")
    answer = estimator.predict(INPUTS)  # type: ignore[attr-defined]
    assert np.ptp(answer) > 0.01
    np.testing.assert_allclose(regressor.predict(INPUTS), answer, rtol=1e-4, atol=1e-4)


def test_skops_files_with_other_types_are_refused(file: Path) -> None:
    file.write_bytes(skops.io.dumps(fitted(FunctionTransformer(np.tanh), Ridge())))
    with pytest.raises(ExportError):
        load_regressor(file)


def test_trusted_pickles_of_something_else_are_refused(file: Path) -> None:
    buffer = io.BytesIO()
    joblib.dump(fitted(MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=5)), buffer)
    file.write_bytes(buffer.getvalue())
    with pytest.raises(ExportError, match="activation is tanh"):
        load_regressor(file, trust_pickle=True)
