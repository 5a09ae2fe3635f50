"""Which kind of regressor, and how well the choice does on photos it has not seen: nested cross-validation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from facestats_export.regressor import Layer, run_layers
from facestats_training.candidates import Candidate
from facestats_training.rated import RatedEmbeddings

FOLDS = 5
INNER_FOLDS = 3
TOLERANCE = 0.01
"""How much correlation a simpler kind may lack and still be taken."""

SEED = 0
CURVE_SHARES = (0.1, 0.2, 0.4, 0.7)
"""Shares of each fold's training photos for the learning curve, which ends with all of them."""

Factors = tuple[NDArray[np.str_], ...]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class CrossValidation:
    """What nested cross-validation gave.

    Attributes:
        fold: [N] int, the outer fold in which a row was kept back.
        predictions: Candidate to its [N] predictions of kept-back rows.
        chosen: Candidate chosen inside each outer fold.
        prediction: [N], each row by the candidate chosen without it: what to expect of the whole procedure.
        final: The candidate chosen on all rows.
    """

    fold: NDArray[np.intp]
    predictions: dict[str, NDArray[np.float64]]
    chosen: tuple[str, ...]
    prediction: NDArray[np.float64]
    final: str


def without(values: NDArray[np.float64], factors: Factors) -> NDArray[np.float64]:
    """[N] values less the mean differences between the classes of each factor; the overall mean stays."""
    if not factors:
        return values
    dummies = np.column_stack([labels[:, np.newaxis] == np.unique(labels) for labels in factors]).astype(np.float64)
    fitted = dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0]
    centred: NDArray[np.float64] = values - fitted + values.mean()
    return centred


def correlation(prediction: NDArray[np.float64], rating: NDArray[np.float64], factors: Factors) -> float:
    """Pearson's r of what the factors leave; 0 where predictions do not differ."""
    first, second = without(prediction, factors), without(rating, factors)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def cross_validate(
    data: RatedEmbeddings, factors: Factors, kinds: Sequence[Candidate], advance: Callable[[], None]
) -> CrossValidation:
    """Nested cross-validation; rows of one photo are always in one fold.

    Args:
        data: What to learn from.
        factors: Labels whose mean differences are taken out of the targets, and out of what judges.
        kinds: Candidates, the simplest first.
        advance: Called after each of ``fits(kinds)`` fits but the last.
    """
    with _pool() as pool:

        def submit(kind: Candidate, train: Index, test: Index) -> Future[NDArray[np.float64]]:
            future = pool.submit(lambda: predict(fit(kind, data, factors, train), data, test))
            future.add_done_callback(lambda _: advance())
            return future

        everything = np.arange(len(data))
        outer = list(_folds(data, everything, FOLDS))
        inner = [list(_folds(data, train, INNER_FOLDS)) for train, _ in outer]
        outer_fits = [[submit(kind, train, test) for kind in kinds] for train, test in outer]
        inner_fits = [[[submit(kind, *split) for kind in kinds] for split in splits] for splits in inner]
        fold = np.empty(len(data), np.intp)
        predictions = {kind.name: np.empty(len(data)) for kind in kinds}
        chosen, prediction = [], np.empty(len(data))
        for number, (train, test) in enumerate(outer):
            fold[test] = number
            for kind, future in zip(kinds, outer_fits[number], strict=True):
                predictions[kind.name][test] = future.result()
            judged = {kind.name: np.full(len(data), np.nan) for kind in kinds}
            for (_, held), futures in zip(inner[number], inner_fits[number], strict=True):
                for kind, future in zip(kinds, futures, strict=True):
                    judged[kind.name][held] = future.result()
            name = choose(judged, data.rating, factors, train)
            chosen.append(name)
            prediction[test] = predictions[name][test]
    final = choose(predictions, data.rating, factors, everything)
    return CrossValidation(fold, predictions, tuple(chosen), prediction, final)


def fits(kinds: Sequence[Candidate]) -> int:
    """How many times ``cross_validate`` trains."""
    return FOLDS * (1 + INNER_FOLDS) * len(kinds)


def choose(
    predictions: dict[str, NDArray[np.float64]], rating: NDArray[np.float64], factors: Factors, rows: Index
) -> str:
    """The simplest candidate whose correlation is within ``TOLERANCE`` of the best; candidates come simplest first."""
    there = tuple(labels[rows] for labels in factors)
    found = {name: correlation(values[rows], rating[rows], there) for name, values in predictions.items()}
    return next(name for name, r in found.items() if r >= max(found.values()) - TOLERANCE)


def learning_curve(
    data: RatedEmbeddings, factors: Factors, kind: Candidate, whole: CrossValidation, advance: Callable[[], None]
) -> list[tuple[int, float]]:
    """Photos trained on and out-of-fold correlation, for growing shares of each fold's training rows.

    Args:
        data: What to learn from.
        factors: As in ``cross_validate``.
        kind: The candidate.
        whole: Its cross-validation on all rows, the curve's last point.
        advance: Called after each of ``FOLDS * len(CURVE_SHARES)`` fits.
    """
    points = []
    with _pool() as pool:

        def learn(train: Index, test: Index) -> NDArray[np.float64]:
            result = predict(fit(kind, data, factors, train), data, test)
            advance()
            return result

        order = np.random.default_rng(SEED).permutation(len(data))
        splits = [(order[whole.fold[order] != number], whole.fold == number) for number in range(FOLDS)]
        for share in CURVE_SHARES:
            size = round(share * len(data) * (1 - 1 / FOLDS))
            futures = [pool.submit(learn, train[:size], np.flatnonzero(test)) for train, test in splits]
            prediction = np.empty(len(data))
            for (_, test), future in zip(splits, futures, strict=True):
                prediction[test] = future.result()
            points.append((size, correlation(prediction, data.rating, factors)))
    everything = round(len(data) * (1 - 1 / FOLDS))
    return [*points, (everything, correlation(whole.predictions[kind.name], data.rating, factors))]


def fit_all(kind: Candidate, data: RatedEmbeddings, factors: Factors) -> tuple[Layer, ...]:
    """Trains a candidate on all rows: what is written."""
    with _pool() as pool:
        return pool.submit(fit, kind, data, factors, np.arange(len(data))).result()


def fit(kind: Candidate, data: RatedEmbeddings, factors: Factors, rows: Index) -> tuple[Layer, ...]:
    """Trains a candidate on some rows."""
    target = without(data.rating[rows], tuple(labels[rows] for labels in factors))
    return kind.fit(data.embedding[rows], target, SEED)


def predict(layers: tuple[Layer, ...], data: RatedEmbeddings, rows: Index) -> NDArray[np.float64]:
    """[len(rows)] raw outputs."""
    return run_layers(layers, data.embedding[rows])[:, 0]


def _folds(data: RatedEmbeddings, rows: Index, count: int) -> Iterator[tuple[Index, Index]]:
    splitter = GroupKFold(count, shuffle=True, random_state=SEED)
    for train, test in splitter.split(rows, groups=data.photo[rows]):
        yield rows[train], rows[test]


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """A thread a core, each of which computes on one: the same numbers on any machine of a kind."""
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(os.cpu_count(), "train", initializer=lambda: torch.set_num_threads(1)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
