"""A run of a profile that asks models, in a process that may be killed at any moment."""

from pathlib import Path

from pipelines.cli_models import model_flags
from pipelines.config import RunConfig, load_profile
from pipelines.model_choice import with_models
from pipelines.options import RunOptions
from pipelines.produce import RunResult, produce_plain
from schemas.model_request import ModelRole

PRICED = {"input_price": 1.0, "output_price": 4.0, "max_in_flight": 4, "attempts": 12}
PATIENCE = {"call_seconds": 6.0, "row_seconds": 200.0}


def small_config(
    profile: str, urls: tuple[str, str], names: tuple[str, str] = ("small-writer", "arbiter")
) -> RunConfig:
    """A profile with few questions, quotas that a few pictures can meet, and models with prices."""
    flags = model_flags([[urls[0]], [urls[1]], None, None], [*names, None, None])
    config = with_models(load_profile(profile), flags)
    update = {
        "compose": config.compose.model_copy(update={"per_image": 2}),
        "route": config.route.model_copy(update={"min_support": 1, "min_cell": 1}),
        "models": {role: spec.model_copy(update=PRICED | PATIENCE) for role, spec in config.models.items()},
    }
    assert set(config.models) == set(ModelRole)
    return config.model_copy(update=update)


def run_small(out: str, source: tuple[str, str], urls: tuple[str, str], limit: int = 3, **options: object) -> RunResult:
    """Runs the smallest of hopchain to its end."""
    config = small_config("hopchain", urls)
    images, annotations = map(Path, source)
    asked = RunOptions(out=Path(out), config=config, source=images, annotations=annotations, limit=limit, shard_size=2)
    return produce_plain(asked._replace(**options))
