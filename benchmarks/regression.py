"""Compares a run's ratios with stored ones: ratios are steady where absolute figures are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.ratios import Ratio

MOST_LOSS = 0.10
"""Largest loss of a ratio against the stored one."""


def losses(measured: Sequence[Ratio], reference: Mapping[str, float], most: float = MOST_LOSS) -> list[str]:
    """One sentence for each ratio that is worse than its stored value by more than ``most``, or missing.

    Args:
        measured: This run's ratios.
        reference: Name to the stored value.
        most: Largest share that may be lost.
    """
    found = {ratio.name: ratio for ratio in measured}
    sentences = []
    for name, stored in reference.items():
        ratio = found.get(name)
        if ratio is None:
            sentences.append(f"{name}: stored as {stored:.3g}, not measured in this run.")
            continue
        loss = 1 - ratio.value / stored if ratio.at_least else ratio.value / stored - 1
        if loss > most:
            sentences.append(f"{name}: {ratio.value:.3g}, stored {stored:.3g}, a loss of {loss:.0%}.")
    return sentences
