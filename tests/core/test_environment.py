"""What is wrong with the environment is said of the right variable."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from facestats.environment import (
    OTHER_VARIABLES,
    caller_s_key_only,
    setting_variables,
    settings_problem,
    unknown_variables,
)
from facestats_cli.main import installed_commands
from facestats_gateway.settings import Settings


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FACESTATS_RATELIMIT", "FACESTATS_RATE_LIMIT"),
        ("FACESTATS_APIKEYS", "FACESTATS_API_KEYS"),
        ("FACESTATS_API_KYES", "FACESTATS_API_KEYS"),
        ("FACESTATS_KEYS", "FACESTATS_API_KEYS"),
        ("FACESTATS_CORS", "FACESTATS_CORS_ORIGINS"),
        ("FACESTATS_ORIGINS", "FACESTATS_CORS_ORIGINS"),
        ("FACESTATS_PROXIES", "FACESTATS_TRUSTED_PROXIES"),
        ("FACESTATS_TRITON_URL", "FACESTATS_TRITON_URLS"),
        ("FACESTATS_WEIGHT", "FACESTATS_WEIGHTS"),
        ("FACESTAT_RATE_LIMIT", "FACESTATS_RATE_LIMIT"),
        ("FACE_STATS_API_KEYS", "FACESTATS_API_KEYS"),
        ("FACESTATS_ZZZ", ""),
    ],
)
def test_what_sets_nothing_is_named_with_what_was_meant(name: str, meant: str) -> None:
    (unknown,) = unknown_variables({name: "x", "PATH": "/bin", "FACEBOOK_KEY": "x"}, Settings.model_fields)
    assert (unknown.name, unknown.meant) == (name, meant)


def test_every_known_variable_is_known() -> None:
    names = [*setting_variables(Settings.model_fields), *OTHER_VARIABLES]
    assert unknown_variables(dict.fromkeys([*names, *map(str.lower, names)], "x"), Settings.model_fields) == []
    assert unknown_variables({"FACESTATS_NOTHING": ""}, Settings.model_fields) == []


def test_variables_that_commands_read_are_settings_or_listed() -> None:
    commands = installed_commands().values()
    read = {
        variable
        for command in commands
        for parameter in command.params
        for variable in ([parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ())
    }
    assert set(OTHER_VARIABLES) == read - set(setting_variables(Settings.model_fields))


def test_a_caller_s_key_is_none_of_the_service_s() -> None:
    assert caller_s_key_only({"FACESTATS_API_KEY": "x"})
    assert not caller_s_key_only({"FACESTATS_API_KEY": "x", "FACESTATS_API_KEYS": "a:b"})
    assert not caller_s_key_only({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("THREADS", "none"),
        ("PORT", "seventy"),
        ("RATE_LIMIT", "lots"),
        ("RATE_LIMIT", "0/minute"),
        ("RATE_LIMIT", "5/second;100/hour"),
        ("TRITON_URLS", "http://a:1"),
        ("API_KEYS", "secret"),
        ("MAX_FACES", "99"),
        ("TRACE_ENDPOINT", "collector:4318"),
        *(
            ("TRUSTED_PROXIES", value)
            for value in ("proxy.local", "10.0.0.1/8", "10.0.0.0/33", "*,10.0.0.1", "10.0.0.*")
        ),
        *(("CORS_ORIGINS", value) for value in ("app.example", "https://a.example/", "https://*.example", "null")),
        *(("CORS_ORIGINS", value) for value in ("https://A.example", "https://a.example:443", "*,https://a.example")),
        *(("CORS_ORIGINS", value) for value in ("https://a.example:99999", "https://a b")),
    ],
)
def test_a_wrong_value_names_its_own_setting_only(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FACESTATS_{name}", value)
    with pytest.raises(ValidationError) as error:
        Settings()
    said = settings_problem(error.value)
    assert said.count("FACESTATS_") == 1
    assert f"FACESTATS_{name}: " in said
    assert "Value error" not in said
    assert "default" not in said
    assert ".." not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TRUSTED_PROXIES", value) for value in ("", "*", "10.0.0.0/8, 127.0.0.1,::1, fd00::/8")),
        *(("CORS_ORIGINS", value) for value in ("", "*", "https://a.example, http://localhost:3000,http://[::1]:1")),
        ("RATE_LIMIT", "600/minute"),
        ("RATE_LIMIT", "10 per 2 hour"),
        ("TRACE_ENDPOINT", "https://collector:4318/v1/traces"),
    ],
)
def test_right_values_are_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FACESTATS_{name}", value)
    assert getattr(Settings(), name.lower()) == value
