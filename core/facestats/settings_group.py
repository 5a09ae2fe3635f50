"""The base of all settings."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

from facestats.environment import PREFIX


class SettingsGroup(BaseSettings):
    """Base of the groups; each field's description is its documentation."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)
