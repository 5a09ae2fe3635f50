"""``FACESTATS_...`` variables: what is wrong with them, in sentences for whoever set them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

PREFIX = "FACESTATS_"

OTHER_VARIABLES: dict[str, str] = {
    "FACESTATS_WEIGHTS": "facestats export",
    "FACESTATS_REGRESSOR": "facestats export",
    "FACESTATS_URL": "those who call the service",
    "FACESTATS_API_KEY": "those who call the service",
}
"""Variables that are no settings, and what reads them."""

_ALIKE, _ALIKE_WITH_PREFIX = 0.6, 0.85
"""How alike two names must be, 0..1, for one to be taken for a misspelling of the other: after the prefix, and with it
where the prefix itself is misspelt."""


@dataclass(frozen=True)
class UnknownVariable:
    """A variable that sets nothing.

    Attributes:
        name: As it is set.
        meant: The setting that was probably meant; empty when none is alike.
    """

    name: str
    meant: str

    def __str__(self) -> str:
        return f"{self.name} (did you mean {self.meant}?)" if self.meant else self.name


def setting_variables(names: Iterable[str]) -> list[str]:
    """The variables of settings with these field names."""
    return [PREFIX + name.upper() for name in names]


def unknown_variables(environment: Mapping[str, str], settings: Iterable[str]) -> list[UnknownVariable]:
    """Variables that look like settings and are none.

    Args:
        environment: Name to value; an empty value sets nothing and is passed over.
        settings: The settings' field names.
    """
    known = [*setting_variables(settings), *OTHER_VARIABLES]
    unknown = []
    for name in sorted(name for name, value in environment.items() if value and name.upper() not in known):
        if name.upper().startswith(PREFIX):
            unknown.append(UnknownVariable(name, _meant(name.upper().removeprefix(PREFIX), known)))
        elif meant := difflib.get_close_matches(name.upper(), known, 1, _ALIKE_WITH_PREFIX):
            unknown.append(UnknownVariable(name, meant[0]))
    return unknown


def _meant(rest: str, known: Sequence[str]) -> str:
    """The variable whose name after the prefix has all these words, or is spelt much like this."""
    rests = {name.removeprefix(PREFIX): name for name in known}
    words = set(rest.split("_"))
    found = [name for name in rests if words < set(name.split("_"))] or difflib.get_close_matches(
        rest, rests, 1, _ALIKE
    )
    return rests[found[0]] if found else ""


def caller_s_key_only(environment: Mapping[str, str]) -> bool:
    """Whether a caller's key is set where the service's keys are not: it lets everybody in."""
    given = {name.upper() for name, value in environment.items() if value}
    return "FACESTATS_API_KEY" in given and "FACESTATS_API_KEYS" not in given


def settings_problem(error: ValidationError) -> str:
    """One sentence naming each wrong setting, and no other."""
    said = [
        f"{PREFIX}{str(item['loc'][-1]).upper()}: {_reason(item['msg'], item.get('ctx', {}).get('error'))}"
        for item in error.errors()
        # A default that is computed from a wrong setting is not wrong itself.
        if item["type"] != "default_factory_not_called"
    ]
    return f"a setting is wrong: {'; '.join(said)}."


def _reason(message: str, raised: object) -> str:
    """What a validator raised, without pydantic's words before it."""
    return str(raised or message).rstrip(".")
