"""Views, formats and layouts of a finished dataset: what every row promises, read back from the files."""

import io
import json
import shutil
from collections import Counter

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.catalog import connect
from pipelines.config import parse_config
from pipelines.errors import UserError
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import default_folder, publish_dataset
from pipelines.publish_forms import form_of
from pipelines.publish_options import config_of
from pipelines.publish_rows import _answers, _with_picture, accepted_rows, tried_of
from pipelines.release import hopyard_process, hopyard_reward
from pipelines.store import Dataset
from schemas.program import Program
from schemas.release_row import RESERVED_COLUMNS, EmbeddedImage
from schemas.rollout import Scored
from schemas.trace import Trace, TraceKind, WrittenStep
from stages.erase import EraseConfig
from stages.publish import Format, Layout, PublishConfig, Tried, View
from stages.release_views.config import Shares, ViewConfig
from stages.release_views.supervised import flawed_paths, next_kind, reasoning_row, summary_row
from stages.second_executor import ProgramRun, SecondExecutor
from stages.traces.flaws import Flaw
from tests.pipelines.tiny_source import write_source

VIEWS = ViewConfig(contrasts=2)
RL_LIKE = (View.RL, View.MCQ, View.BOX, View.ERASURE)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    images, annotations = write_source(folder / "source", 16)
    sections = {"synthesize": {"per_image": 3, "oversample": 2.0}, "route": {"per_image": 3, "min_support": 1}}
    config = parse_config(sections, "test")
    return Dataset(
        produce_plain(RunOptions(out=folder / "out", config=config, source=images, annotations=annotations)).root
    )


@pytest.fixture(scope="module")
def releases(dataset):
    """Returns the rows of every view, and its report."""
    made = {}
    for view in View:
        report = publish_dataset(dataset.root, config=PublishConfig(view=view, views=VIEWS))
        rows = [row for path in sorted(report.folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
        made[view] = (report, rows)
    return made


def pixels_of(row):
    (picture,) = row["images"]
    return np.asarray(PIL.Image.open(io.BytesIO(picture["bytes"])).convert("RGB"))


def test_every_view_has_rows_and_a_balance(releases):
    for view, (report, rows) in releases.items():
        assert len(rows) == sum(report.rows.values()) > 10, view
        record = json.loads((report.folder / "release.json").read_text())
        (count,) = record["counts"]
        dropped = sum(drop["count"] for drop in count["dropped"])
        assert count["taken"] == count["kept"] + dropped + count["failed"]
        assert record["view"] == view and len({row["id"] for row in rows}) == len(rows)


def test_rl_rows_name_their_source_and_who_vouches(releases):
    _, rows = releases[View.RL]
    for row in rows:
        assert row["tier"] == "program" and row["solve_rates"] is None and row["votes"] is None
        assert row["image_source"] == "images" and row["domain"] == "general"
        assert (row["width"], row["height"]) == (192, 192)
        assert row["categories"] == sorted(row["categories"]) and row["stage_version"] >= 1
        assert all(hop["operator"] for hop in row["hops"])


def test_solve_rates_count_only_stated_answers_and_votes_are_told_by_number():
    rollouts = [{"model": "b", "answer": 3}, {"model": "a", "answer": 3}, {"model": "a", "answer": 4}]
    rollouts += [{"model": "a", "answer": None}]
    rates, votes, *_ = tried_of(3, rollouts, [{"answer": 3}, {"answer": 2}, {"answer": 3}, {"answer": None}])
    assert [(rate.model, rate.n, rate.correct, rate.rate) for rate in rates] == [("a", 2, 1, 0.5), ("b", 1, 1, 1.0)]
    assert [(vote.answer, vote.n) for vote in votes] == [("3", 2), ("2", 1)]
    assert tried_of(3, [{"model": "a", "answer": None}], []) == Tried()


def test_gold_scores_one_on_every_rl_like_row(releases):
    for view in RL_LIKE:
        for row in releases[view][1]:
            gold = row["reward_model"]["ground_truth"]
            assert gold == row["solution"] == row["answer"] == row["extra_info"]["answer"]
            assert hopyard_reward.score(f"Well. \\boxed{{{gold}}}", gold) == 1.0
            assert hopyard_reward.score(row["prompt"][0]["content"], gold) == 0.0
            assert row["prompt_tagged"][0]["content"] == "<image>" + row["prompt"][0]["content"]
            assert not RESERVED_COLUMNS & set(row)


def test_reasoning_rows_are_gold_traces(releases):
    for row in releases[View.SFT_REASONING][1]:
        asked, said = row["messages"]
        assert (asked["role"], said["role"]) == ("user", "assistant") and row["kind"] == "best"
        steps = hopyard_process.parse_steps(said["content"])
        assert len(steps) == said["content"].count("\n") + 1 and all(step.number for step in steps)
        assert json.loads(said["content"].split("\n")[-1])["content"] == f"The answer is {row['answer']}."


def test_summary_rows_keep_the_declared_shares(releases):
    _, rows = releases[View.SFT_SUMMARY]
    by_split = Counter((row["split"], row["kind"]) for row in rows)
    for split in {row["split"] for row in rows}:
        total = sum(count for (name, _), count in by_split.items() if name == split)
        for kind, share in Shares().model_dump().items():
            assert abs(by_split[split, kind] - share * total) <= 1
    for row in rows:
        asked, said = (message["content"] for message in row["messages"])
        assert hopyard_reward.score(said, row["answer"]) == 1.0
        assert (row["flaw"] is not None) is (row["kind"] == "flawed") is (f"step {row['wrong_step']} is wrong" in said)
        assert ("Reasoning process:" in asked) is (row["kind"] != "plain")
        if row["kind"] == "flawed":
            final = hopyard_process.parse_steps(asked)[-1]
            assert f"The answer is {row['answer']}." not in final.text
            assert row["trace_source"] == "corruption"


def test_pairs_differ_from_the_labelled_step_on(releases):
    _, rows = releases[View.DPO]
    flaws = Counter(row["flaw"] for row in rows)
    assert len(flaws) >= 7 and set(flaws) <= set(Flaw)
    for row in rows:
        chosen, rejected = (row[name][0]["content"].split("\n") for name in ("chosen", "rejected"))
        first = next(n for n, (a, b) in enumerate(zip(chosen, rejected, strict=False), 1) if a != b)
        assert first == row["wrong_step"]
        assert hopyard_reward.score("\n".join(chosen), row["answer"]) == 1.0
        same = row["flaw"] in ("lucky_path", "shifted_box")
        assert (row["rejected_answer"] == row["answer"]) is same
        assert hopyard_reward.score("\n".join(rejected), row["answer"]) == float(same)
        assert 0.8 <= row["length_ratio"] <= 1.25
    assert 0.95 < sum(row["length_ratio"] for row in rows) / len(rows) < 1.05


def test_process_rows_label_steps_in_their_spans(releases):
    _, rows = releases[View.PROCESS]
    assert {row["flaw"] is None for row in rows} == {True, False}
    for row in rows:
        assert [row["response"][s["start"] : s["end"]] for s in row["steps"]] == row["completions"]
        assert row["labels"] == [step["label"] for step in row["steps"]]
        wrong = row["wrong_step"]
        assert row["labels"] == [wrong is None or n < wrong for n in range(1, len(row["steps"]) + 1)]
        boxes = [step["gold_boxes_xyxy"] for step in row["steps"]]
        rewards = hopyard_process.step_rewards(row["response"], boxes)
        if wrong is None:
            assert rewards == [1.0] * len(rewards)
        right = hopyard_process.compute_score("", row["response"], row["solution"], None, steps=row["steps"])
        assert right == (1.5 if wrong is None else right)
        if row["response_answer"] != row["solution"]:
            assert right == 0.0


def test_options_hold_the_gold_number_once(releases):
    letters = Counter()
    for row in releases[View.MCQ][1]:
        assert len(row["options"]) == len(set(row["options"])) == 4
        assert row["options"]["ABCD".index(row["answer"])] == row["integer_answer"]
        assert all(int(option) >= 0 for option in row["options"])
        assert f"\nD. {row['options'][3]}" in row["prompt"][0]["content"]
        letters[row["answer"]] += 1
    assert len(letters) == 4


def test_a_box_row_asks_for_the_instance_its_program_ends_at(dataset, releases):
    scenes = {found.accepted.image.image_id: found.scene for found in accepted_rows(dataset, dataset.root / "x", True)}
    _, rows = releases[View.BOX]
    with SecondExecutor(list(scenes.values())) as executor:
        runs = [ProgramRun(row["image_id"], Program.from_json(row["program"])) for row in rows]
        ends = [denoted[-1] for denoted in executor.referents(runs)]
    for row, end in zip(rows, ends, strict=True):
        assert end == {row["target_id"]}
        assert json.loads(row["answer"]) == row["gold_box_xyxy"] == row["trace"][-1]["boxes_xyxy"][0]
        assert row["hop_count"] == len(row["hops"]) == row["extra_info"]["n_hops"] >= 1
        assert row["hops"][-1]["value"] == row["target_id"]
        x0, y0, x1, y1 = row["gold_box_xyxy"]
        assert hopyard_reward.score(f"\\boxed{{[{x0}, {y0}, {x1 + (x1 - x0)}, {y1}]}}", row["answer"]) == 1.0
        assert hopyard_reward.score(f"\\boxed{{[{x0}, {y0}, {x1 + 2 * (x1 - x0)}, {y1}]}}", row["answer"]) == 0.0


def test_the_second_answer_of_a_contrast_is_that_of_the_edited_scene(dataset, releases):
    scenes = {found.accepted.image.image_id: found.scene for found in accepted_rows(dataset, dataset.root / "x", True)}
    _, rows = releases[View.ERASURE]
    assert "erased" in {row["edit"] for row in rows}
    for original, edited in zip(rows[::2], rows[1::2], strict=True):
        assert original["pair_id"] == edited["pair_id"]
        assert (original["pair_role"], edited["pair_role"]) == ("original", "edited")
        assert original["answer"] == original["original_answer"] != edited["answer"] == edited["edited_answer"]
        assert original["prompt"] == edited["prompt"] and original["program"] == edited["program"]
        scene = edited_scene(scenes[original["image_id"]], original)
        with SecondExecutor([scene]) as executor:
            answers = executor.answers([ProgramRun(original["image_id"], Program.from_json(edited["program"]))])
        assert [str(answer) for answer in answers] == [edited["answer"]]


def edited_scene(scene, row):
    """The stored scene without the edited instance, or with its new colour: made again, not by the stage."""
    kept = []
    for instance in scene.instances:
        if instance.instance_id != row["edited_instance_id"]:
            kept.append(instance)
        elif row["edit"] == "recoloured":
            looks = [a.model_copy(update={"value": row["edit_detail"]}) if a.key == "colour" else a
                     for a in instance.attributes]  # fmt: skip
            kept.append(instance.model_copy(update={"attributes": tuple(looks)}))
    return scene.model_copy(update={"instances": tuple(kept)})


def test_an_edit_changes_the_referent_and_nothing_far_from_it(releases):
    _, rows = releases[View.ERASURE]
    for original, edited in zip(rows[::2], rows[1::2], strict=True):
        before, after = pixels_of(original), pixels_of(edited)
        hop = original["hops"][original["edited_hop"]]
        box = hop["boxes_xyxy"][hop["instance_ids"].index(original["edited_instance_id"])]
        x0, y0, x1, y1 = (int(edge) for edge in box)
        changed = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 12
        assert changed[y0:y1, x0:x1].mean() > 0.5
        reach = EraseConfig().least_grow + 12
        changed[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = False
        assert not changed.any()


def test_views_leave_the_datasets_own_tables_alone(dataset, releases):
    with connect(dataset) as connection:
        ids = {row[0] for row in connection.execute("select id from samples").fetchall()}
    assert ids == {row["id"] for row in releases[View.RL][1]}
    assert len(dataset.manifests("publish")) == 1


def test_a_view_that_is_there_is_left_alone(dataset, releases):
    config = PublishConfig(view=View.DPO, views=VIEWS)
    assert publish_dataset(dataset.root, config=config).up_to_date
    assert default_folder(config) == releases[View.DPO][0].folder.name == "release-dpo"


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("view", list(View))
def test_every_form_has_a_schema_or_says_what_fits(view, format):
    try:
        form = form_of(view, format)
    except UserError as error:
        assert f"--format {format} has no rows for --view {view}" in str(error) and "hopyard" in str(error)
        return
    empty = form.shape(form.columns.empty_table(), form.schema)
    assert empty.schema.equals(form.schema) and "images" in form.schema.names


@pytest.mark.parametrize(
    ("view", "format", "columns"),
    [
        (View.RL, Format.VERL, {"id", "data_source", "prompt", "images", "ability", "reward_model", "extra_info"}),
        (View.RL, Format.EASYR1, {"id", "problem", "answer", "images"}),
        (View.SFT_SUMMARY, Format.LLAMAFACTORY, {"id", "messages", "images"}),
        (View.DPO, Format.SWIFT, {"id", "messages", "rejected_response", "images"}),
        (View.DPO, Format.LLAMAFACTORY, {"id", "messages", "chosen", "rejected", "images"}),
        (View.PROCESS, Format.TRL, {"id", "prompt", "completions", "labels", "images"}),
    ],
)
def test_a_format_is_the_same_rows_under_other_names(dataset, releases, tmp_path, view, format, columns):
    report = publish_dataset(dataset.root, tmp_path / "out", PublishConfig(view=view, format=format, views=VIEWS))
    rows = [row for path in sorted(report.folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    whole = releases[view][1]
    assert set(rows[0]) == columns
    assert [row["id"] for row in rows] == [row["id"] for row in whole]
    for row, other in zip(rows, whole, strict=True):
        assert row["images"] == other["images"]
        text = json.dumps({name: value for name, value in row.items() if name != "images"})
        assert text.count("<image>") == (0 if format is Format.TRL else 1)
    if format is Format.LLAMAFACTORY:
        described = json.loads((report.folder / "dataset_info.json").read_text())
        assert all((report.folder / entry["file_name"]).is_file() for entry in described.values())


@pytest.mark.parametrize("view", [View.RL, View.ERASURE])
def test_paths_lead_to_the_same_pictures(dataset, releases, tmp_path, view):
    config = config_of(view, "paths", "hopyard", "some/where/").model_copy(update={"views": VIEWS})
    report = publish_dataset(dataset.root, tmp_path / "out", config)
    rows = [row for path in sorted(report.folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    for row, other in zip(rows, releases[view][1], strict=True):
        (picture,) = row["images"]
        assert picture["bytes"] is None and picture["path"].startswith("some/where/images/")
        file = report.folder / picture["path"].removeprefix("some/where/")
        assert file.read_bytes() == other["images"][0]["bytes"]
    assert len(list((report.folder / "images").iterdir())) == len({row["images"][0]["path"] for row in rows})
    assert publish_dataset(dataset.root, tmp_path / "out", config).up_to_date
    next((report.folder / "images").iterdir()).unlink()
    assert not publish_dataset(dataset.root, tmp_path / "out", config).up_to_date
    if view is View.RL:  # the tables now remember this release: put the usual one back
        shutil.rmtree(releases[view][0].folder)
        publish_dataset(dataset.root)


def test_unknown_words_are_refused_by_name():
    with pytest.raises(UserError, match="--view is 'ppo'; it can be rl, sft-reasoning"):
        config_of("ppo", "embedded", "hopyard")
    with pytest.raises(UserError, match="--path-prefix goes with --layout paths"):
        config_of("rl", "embedded", "hopyard", "/x/")
    assert config_of("rl", "paths", "verl", "/x/").layout is Layout.PATHS


@pytest.mark.parametrize("possible", [{"best", "plain"}, {"best", "flawed", "plain"}])
def test_kinds_that_are_impossible_now_are_made_up_for_later(possible):
    shares = Shares(best=0.5, flawed=0.3, plain=0.2)
    made = Counter()
    for number in range(1000):
        made[next_kind(made, shares, possible if number < 100 else {"best", "flawed", "plain"})] += 1
    assert all(abs(made[kind] - share * 1000) <= 1 for kind, share in shares.model_dump().items())


def test_shares_must_be_a_whole():
    with pytest.raises(ValueError, match="must be 1"):
        Shares(best=0.5, flawed=0.3, plain=0.3)
    assert ViewConfig().summary == Shares()


def test_the_croissant_file_names_every_file_and_column(releases):
    for report, rows in releases.values():
        croissant = json.loads((report.folder / "croissant.json").read_text())
        assert {entry["contentUrl"]: entry["sha256"] for entry in croissant["distribution"]} == {
            file.path: file.sha256 for file in report.files
        }
        for records in croissant["recordSet"]:
            named = {field["name"] for field in records["field"]}
            assert {"id", "answer", "split"} <= named < set(rows[0])
            assert all(name in records["description"] for name in set(rows[0]) - named)


def test_the_card_tells_the_view_the_funnel_and_how_it_was_measured(releases):
    for view, (report, rows) in releases.items():
        card = (report.folder / "README.md").read_text()
        assert f"View `{view}`" in card and f"{len(rows)} rows" in card
        for heading in ("From pictures to rows", "Why the others went", "How each number was measured", "Limits"):
            assert f"## {heading}" in card


def test_only_solvers_that_saw_the_picture_count():
    rows = pa.table(
        {
            "question_id": ["q"] * 3,
            "model": ["a"] * 3,
            "view": ["full", "blind", "caption"],
            "answer": pa.array([3, 4, None], pa.int64()),
        }
    )
    assert [row["answer"] for row in _answers(_with_picture(rows))["q"]] == [3]


def test_paths_of_models_come_before_our_own_corruptions(dataset, releases):
    found = next(accepted_rows(dataset, dataset.root / "x", True))
    accepted, question = found.accepted, found.accepted.question
    step = WrittenStep(
        title="Look",
        content="I see a cup.",
        next_action="summary",
        instance_ids=(),
        boxes_xyxy=((1, 2, 3, 4),),
        retries=0,
    )
    fields = {
        "trace_id": "t", "question_id": question.question_id, "image_id": question.image_id, "path": 0,
        "steps": (step,), "answer": question.answer + 1, "outcome": Scored.INCORRECT, "score": 20, "first_bad_step": 1,
        "kind": TraceKind.FLAWED, "cause": "It overlooks the ball.", "model": "some-model", "judge_model": "j",
        "prompt_hash": "", "config_hash": "", "seed": 0,
    }  # fmt: skip
    wrong = Trace(**fields)
    right_end = wrong.model_copy(update={"outcome": Scored.CORRECT})
    best = wrong.model_copy(update={"kind": TraceKind.BEST, "outcome": Scored.CORRECT, "answer": question.answer})
    (flawed,) = flawed_paths(accepted._replace(tried=Tried(paths=(right_end, wrong, best))))
    assert (flawed.source, flawed.wrong_step, flawed.correction) == ("some-model", 1, "It overlooks the ball.")
    assert hopyard_process.parse_steps(flawed.text)[0].evidence == ((1, 2, 3, 4),)
    picture = EmbeddedImage(bytes=b"x", path="x.png")
    row = summary_row(accepted, picture, "flawed", flawed, ViewConfig())
    assert row.trace_source == "some-model" and "step 1 is wrong. It overlooks the ball." in row.messages[1].content
    bare = accepted._replace(question=question.model_copy(update={"trace": ()}), tried=Tried(paths=(wrong, best)))
    assert reasoning_row(bare, picture, ViewConfig()).trace_source == "some-model"
    assert reasoning_row(bare._replace(tried=Tried()), picture, ViewConfig()) is None
