"""``facestats key``: a key, and the entry that lets it in."""

from __future__ import annotations

import hashlib

from typer.testing import CliRunner

from facestats_cli.main import app
from facestats_gateway.access import parse_api_keys


def test_entry_belongs_to_the_key_and_no_two_are_alike() -> None:
    seen = set()
    for _ in range(2):
        result = CliRunner().invoke(app, ["key", "mobile-app"])
        assert result.exit_code == 0
        secret, entry = (line.split()[-1] for line in result.stdout.splitlines())
        (parsed,) = parse_api_keys(entry)
        assert (parsed.name, parsed.digest) == ("mobile-app", hashlib.sha256(secret.encode()).digest())
        assert secret not in entry
        seen.add(secret)
    assert len(seen) == 2


def test_name_that_cannot_stand_in_the_setting_is_refused() -> None:
    result = CliRunner().invoke(app, ["key", "a,b"])
    assert result.exit_code == 1
    assert "'a,b' is no name for a key" in result.stderr
