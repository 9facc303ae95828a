"""`hopyard verify`: is a dataset what its manifests say, and does everything that it claims come out again?

Checked: every part against the digest and row count of its manifest, every balance, that rows refer to rows that exist,
and every stored question again from the stored geometry (`stages.recheck`), shard by shard.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from pipelines.catalog import connect
from pipelines.config import parse_config
from pipelines.ledger import check_run
from pipelines.parts import file_sha256, readable
from pipelines.pool import worker_context
from pipelines.scene_reader import SceneParts, read_scenes
from pipelines.store import Dataset
from schemas.manifest import Part, ShardManifest
from schemas.question import Question
from stages.judge import JudgeConfig
from stages.recheck import recheck

REFERENCES = {
    "instances name an image that images lacks": "from instances anti join images using (image_id)",
    "questions name an image that images lacks": "from questions anti join images using (image_id)",
    "verdicts name a question that questions lacks": "from verdicts anti join questions using (question_id)",
    "decisions name a question that questions lacks": "from decisions anti join questions using (question_id)",
    "questions that routing accepted lack a passing verdict of every judge": """
        from decisions where route = 'accept' and question_id not in
        (select question_id from verdicts group by 1 having bool_and(outcome = 'pass'))
        """,
    "samples are not of accepted questions, or people rejected them since": """
        from samples where question_id not in (select question_id from decisions_in_effect where route = 'accept')
        """,
    "samples give another answer than their question": """
        from samples s join questions q using (question_id) where s.answer <> q.answer::varchar
        """,
    "ids occur twice in images": "from (from images select image_id group by 1 having count(*) > 1)",
    "ids occur twice in instances": "from (from instances select instance_id group by 1 having count(*) > 1)",
    "ids occur twice in questions": "from (from questions select question_id group by 1 having count(*) > 1)",
}
"""What must not exist, and the rows that would show it."""


CODE_JUDGES = frozenset({"second_executor", "certificates", "text_rules"})


class ShardCheck(NamedTuple):
    """What was recomputed of one shard."""

    questions: int
    rejected: int
    """Questions that a judge refused when they were made, and again now."""
    programs: int
    problems: tuple[str, ...]


class VerifyReport(NamedTuple):
    """What was checked, and everything that did not come out."""

    parts: int
    rows: int
    balances: int
    questions: int
    accepted: int
    rejected: int
    programs: int
    problems: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yields the counts in words."""
        yield f"{self.parts:,} parts with {self.rows:,} rows against digests and row counts"
        yield f"{self.balances:,} balances of in = kept + dropped + failed"
        yield (
            f"{self.questions:,} questions recomputed with {self.programs:,} programs in SQL: "
            f"{self.accepted:,} accepted, {self.rejected:,} rejected by a judge then and now"
        )
        yield f"{len(self.problems):,} mismatches"


def verify_dataset(dataset: Dataset, workers: int = 1) -> VerifyReport:
    """Returns the outcome of checking everything; a damaged part is not read any further."""
    manifests = dataset.manifests()
    parts = [part for manifest in manifests for part in manifest.parts]
    problems = [*(problem for part in parts for problem in _check_part(dataset.root, part)), *check_run(manifests)]
    checks: list[ShardCheck] = []
    accepted = 0
    if not problems:
        problems += _check_references(dataset)
        checks = _check_shards(dataset, manifests, workers)
        accepted = _accepted(dataset)
    return VerifyReport(
        parts=len(parts),
        rows=sum(part.rows for part in parts),
        balances=sum(len(manifest.counts) for manifest in manifests),
        questions=sum(check.questions for check in checks),
        accepted=accepted,
        rejected=sum(check.rejected for check in checks),
        programs=sum(check.programs for check in checks),
        problems=(*problems, *(problem for check in checks for problem in check.problems)),
    )


def _check_part(root: Path, part: Part) -> Iterator[str]:
    path = root / part.path
    if not path.is_file():
        yield f"{part.path} is missing"
    elif file_sha256(path) != part.sha256:
        yield f"{part.path} is not the file that was committed: its digest differs"
    elif (rows := pq.read_metadata(readable(path)).num_rows) != part.rows:
        yield f"{part.path} has {rows} rows, its manifest says {part.rows}"


def _check_references(dataset: Dataset) -> list[str]:
    problems = []
    with connect(dataset) as connection:
        for what, rows in REFERENCES.items():
            found = connection.execute(f"select count(*) {rows}").fetchone()
            if found and found[0]:
                problems.append(f"{found[0]} {what}")
    return problems


def _accepted(dataset: Dataset) -> int:
    with connect(dataset) as connection:
        found = connection.execute("select count(*) from decisions_in_effect where route = 'accept'").fetchone()
    return int(found[0]) if found else 0


def _check_shards(dataset: Dataset, manifests: Sequence[ShardManifest], workers: int) -> list[ShardCheck]:
    by_shard: dict[int, dict[str, list[Part]]] = defaultdict(lambda: defaultdict(list))
    for manifest in manifests:
        for part in manifest.parts:
            by_shard[part.shard][part.table].append(part)
    shards = [dict(tables) for _, tables in sorted(by_shard.items()) if "questions" in tables]
    config = parse_config(dict(dataset.info.config), f"{dataset.root}/dataset.json").judge
    check = partial(check_shard, dataset.root, config)
    if workers == 1 or len(shards) < 2:
        return [check(shard) for shard in shards]
    with ProcessPoolExecutor(min(workers, len(shards)), worker_context()) as pool:
        return list(pool.map(check, shards))


def check_shard(root: Path, config: JudgeConfig, tables: dict[str, list[Part]]) -> ShardCheck:
    """Returns the outcome of recomputing every question of one shard from its stored scenes."""
    dataset = Dataset(root)
    needed = ("images", "instances", "categories", "source_annotations")
    images, instances, categories, stated = (tables.get(name, []) for name in needed)
    parts = SceneParts(images, instances, categories, stated, tables.get("looks", []))
    scenes = list(read_scenes(dataset, parts))
    questions = list(dataset.records("questions", Question, tables["questions"]))
    found = recheck(scenes, questions, config)
    verdicts = dataset.read("verdicts", tables.get("verdicts", []), ["question_id", "judge", "outcome"]).to_pylist()
    said = [row for row in verdicts if row["judge"] in CODE_JUDGES]  # what a model said cannot be said again by code
    rejected = {row["question_id"] for row in said if row["outcome"] != "pass"}
    passed = {row["question_id"] for row in said} - rejected
    wrong = {mismatch.question_id for mismatch in found.mismatches}
    problems = [
        f"question {mismatch.question_id}: {mismatch.what}"
        for mismatch in found.mismatches
        if mismatch.question_id not in rejected
    ]
    problems += [f"question {name}: a judge refused it, and now none does" for name in sorted(rejected - wrong)]
    unjudged = {question.question_id for question in questions} - passed - rejected
    problems += [f"question {name}: no judge said anything" for name in sorted(unjudged)]
    return ShardCheck(found.questions, len(rejected & wrong), found.programs, tuple(problems))
