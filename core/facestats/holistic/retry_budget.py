"""How much may be asked again: repetitions must not multiply the load of a service that is failing."""

from __future__ import annotations


class RetryBudget:
    """A bucket of tokens, as in gRPC's retry throttling: a repetition takes one, an answer gives some back.

    Args:
        tokens: Repetitions in a row, without an answer, after which there are no more.
        per_answer: Tokens that an answer gives back: the share of repetitions that can go on for ever.
    """

    def __init__(self, tokens: float, per_answer: float) -> None:
        self._most = self._tokens = tokens
        self._per_answer = per_answer

    def answered(self) -> None:
        """An answer came."""
        self._tokens = min(self._most, self._tokens + self._per_answer)

    def take(self) -> bool:
        """Whether one more repetition may be made."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
