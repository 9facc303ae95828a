"""A whole run on a real model of random weights: its nonsense ends as drops and "no verdict", never as a question."""

from collections import Counter
from contextlib import closing

import pytest

from pipelines.catalog import connect
from pipelines.config import load_profile
from pipelines.errors import UserError
from pipelines.ledger import check_run
from pipelines.models.reply_store import read_replies
from pipelines.models.spec import ModelSpec
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from pipelines.store import Dataset
from schemas.model_request import ModelRole

pytestmark = pytest.mark.models


@pytest.mark.timeout(400)
@pytest.mark.parametrize("profile", ["hopchain", "insight", "medgr2", "spatial"])
def test_a_model_that_talks_nonsense_publishes_nothing_and_everything_is_accounted_for(
    profile, tiny_vlm, served_vlm, tiny_source, tmp_path
):
    spec = ModelSpec(model=str(tiny_vlm), urls=(served_vlm,), server="transformers", max_in_flight=2, attempts=2)
    config = load_profile(profile)
    config = config.model_copy(
        update={
            "models": dict.fromkeys(ModelRole, spec),
            "rubric": config.rubric.model_copy(update={"allow_same_family": True, "canaries": 0, "max_tokens": 200}),
            "synthesize": config.synthesize.model_copy(update={"per_image": 1}),
            "solve": config.solve.model_copy(update={"max_tokens": 200}),
            "screen": config.screen.model_copy(update={"enabled": False}),
            "domain": "general",
        }
    )
    images, annotations = tiny_source
    options = RunOptions(out=tmp_path / "out", config=config, source=images, annotations=annotations, limit=1)
    result = produce_plain(options)
    dataset = Dataset.open(tmp_path / "out")
    assert result.failed == 0 and check_run(dataset.manifests()) == ()
    replies = [reply for reply in read_replies(dataset.root) if reply.job != "probe"]
    assert replies and all(reply.texts and reply.raw and reply.output_tokens for reply in replies)
    with closing(connect(dataset)) as connection:
        accepted = connection.execute("select count(*) from decisions where route = 'accept'").fetchall()
        passed = connection.execute("select count(*) from verdicts where outcome = 'pass' and judge like '%tiny%'")
        assert accepted == [(0,)] and passed.fetchall() == [(0,)]
        in_table = connection.execute("select count(distinct request_key) from replies").fetchall()[0][0]
        drops = Counter(row[0] for row in connection.execute("select reason from drops").fetchall())
    assert in_table == len(replies) and drops
    with pytest.raises(UserError, match="nothing to publish"):
        publish_dataset(dataset.root, tmp_path / "release")
