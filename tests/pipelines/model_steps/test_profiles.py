"""Every profile from pictures to published rows, against the scripted stand-in for models."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.scripted_answers.rates import Rates
from pipelines.catalog import connect
from pipelines.config import RunConfig, load_profile
from pipelines.funnel import yield_lines
from pipelines.model_choice import with_models
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from pipelines.store import Dataset
from pipelines.verify import verify_dataset
from pipelines.why import explain
from schemas.decision import Decision, Route
from schemas.rollout import View
from tests.pipelines.model_steps.conftest import Serve, Served

RATES = Rates(
    wrong=0.2, ambiguous=0.1, give_away=0.1, malformed=0.05, skill=0.7, spread=0.5, changed=0.3, flawed_steps=0.15,
    invented=0.3, colour_errors=0.1, parser_lost=0.1,
)  # fmt: skip


KINDS = ("count", "rank", "closer", "between", "same_attribute", "same", "counts_apart", "read", "touching")
"""Ends of questions whose answers are not made even here: a dozen pictures are too few for that."""


def small(profile: str) -> RunConfig:
    """A profile with few questions, and quotas that a dozen pictures can meet."""
    config = load_profile(profile)
    update = {
        "compose": config.compose.model_copy(update={"per_image": 2}),
        "synthesize": config.synthesize.model_copy(update={"per_image": 1, "oversample": 2.0}),
        "route": config.route.model_copy(update={"min_support": 1, "min_cell": 1, "capped": KINDS, "cap": 9.0}),
        "solve": config.solve.model_copy(update={"attempts": {View.BLIND: 4, View.FULL: 4}}),
        "trace": config.trace.model_copy(update={"paths": 2}),
        "domain": "general",
    }
    return config.model_copy(update=update)


def run(profile: str, served: Served, source: tuple[Path, Path], out: Path, shard_size: int = 3) -> Dataset:
    config = with_models(small(profile), served.flags)
    images, annotations = source
    options = RunOptions(out=out, config=config, source=images, annotations=annotations, limit=5, shard_size=shard_size)
    produce_plain(options)
    return Dataset.open(out)


def counts(dataset: Dataset) -> Counter[str]:
    with connect(dataset) as connection:
        tables = (
            "questions",
            "rollouts",
            "verdicts",
            "traces",
            "replies",
            "calibration",
            "decisions",
            "looks",
            "named",
        )
        return Counter({name: connection.execute(f"select count(*) from {name}").fetchall()[0][0] for name in tables})


def some_id(dataset: Dataset, sql: str) -> str:
    with connect(dataset) as connection:
        return str(connection.execute(f"{sql} limit 1").fetchall()[0][0])


@pytest.mark.parametrize("profile", ["hopchain", "insight", "medgr2", "spatial"])
def test_a_profile_runs_to_the_end_and_verifies(
    profile: str, serve: Serve, tiny_source: tuple[Path, Path], tmp_path: Path
) -> None:
    with serve(RATES) as served:
        dataset = run(profile, served, tiny_source, tmp_path / "out")
        rows = counts(dataset)
        assert rows["questions"] > 0 and rows["rollouts"] > 0 and rows["decisions"] > 0
        assert rows["traces"] > 0 if profile == "insight" else rows["traces"] == 0
        assert (rows["calibration"] > 0) == (profile != "insight")
        paid = served.paid
        run(profile, served, tiny_source, tmp_path / "out")
        assert served.paid == paid, "a finished run asked again"
    assert verify_dataset(dataset).problems == ()
    routes = Counter(decision.route for decision in dataset.records("decisions", Decision))
    (told,) = [line for line in yield_lines(dataset.manifests()) if "accepted" in line]
    assert f"-> {routes[Route.ACCEPT]:,} accepted, " in told
    assert told.endswith(f"; {routes[Route.PEOPLE]:,} for people") or not routes[Route.PEOPLE]
    release = publish_dataset(dataset.root, allow_shortcuts=True)
    assert sum(release.rows.values()) > 0
    page = "\n".join(explain(dataset, some_id(dataset, "select question_id from rollouts")))
    assert "solver " in page and "judge " in page
    with connect(dataset) as connection:
        styles = connection.execute("select distinct style from questions").fetchall()
        unheard = connection.execute(
            "select count(*) from rollouts anti join replies on rollouts.request_key = replies.request_key"
        ).fetchall()[0][0]
    assert styles == [(profile,)] and unheard == 0
