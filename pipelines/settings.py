"""Settings: secrets and places of this machine. From the environment only, and none of them changes a row."""

from functools import lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from variables with the prefix ``HOPYARD_``."""

    model_config = SettingsConfigDict(env_prefix="HOPYARD_", frozen=True)

    output: Path = Path("output")
    """Where datasets land when --out is not given."""
    engine_memory: str = "512MB"
    """Most memory the steps over a whole dataset use before they spill to disk."""
    query_memory: str = "2GB"
    """Most memory one query uses."""
    server_patience: float = 120.0
    """Seconds without an answer of the Prefect server after which a run by the clock that has nothing to do ends."""


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Returns the settings, read once."""
    return Settings()
