"""`hopyard why`: the life of anything that has an id, as a page of plain lines: parents, stages, verdicts, end."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import duckdb

from pipelines import why_models
from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.store import Dataset

MIN_PREFIX = 4

Row = dict[str, Any]

LOOKUPS = (
    ("question", "questions", "question_id"),
    ("image", "images", "image_id"),
    ("image", "images", "uri"),
    ("instance", "instances", "instance_id"),
    ("family", "questions", "family_id"),
    ("sample", "samples", "id"),
    ("category", "categories", "image_id || ':' || category"),
    ("file", "sources", "uri"),
    ("dropped", "drops", "id"),
    ("source", "drops", "parent_id"),
    ("instance", "segments", "instance_id"),
    ("trace", "traces", "trace_id"),
    ("reply", "replies", "request_key"),
)
"""Kind of thing, and the table and column that know it; the first that matches tells the story."""


class Found(NamedTuple):
    """What an id turned out to be."""

    kind: str
    id: str


def explain(dataset: Dataset, wanted: str) -> Iterator[str]:
    """Yields the lines of the page.

    Raises:
        UserError: nothing has such an id, or several things have an id that starts so.
    """
    with connect(dataset, internal=True) as connection:
        story = _Story(dataset, connection)
        found = _find(story, wanted)
        yield from story.tell(found)


def _find(story: "_Story", wanted: str) -> Found:
    for exact in (True, False):
        if not exact and len(wanted) < MIN_PREFIX:
            break
        for kind, table, column in LOOKUPS:
            condition = f"{column} = $1" if exact else f"starts_with({column}, $1)"
            ids = [
                row["id"]
                for row in story.rows(f"select distinct {column} id from {table} where {condition} limit 3", wanted)
            ]
            if len(ids) == 1:
                return Found(kind, ids[0])
            if ids:
                raise UserError(f"several ids in {table} start with {wanted}: {', '.join(sorted(ids))}, ...")
    for failure in story.failures:
        if failure.id == wanted:
            return Found("failed", wanted)
    raise UserError(f"{story.dataset.root} knows nothing with the id {wanted}")


class _Story:
    """Reads the tables and tells what they say of one thing."""

    def __init__(self, dataset: Dataset, connection: duckdb.DuckDBPyConnection) -> None:
        self.dataset = dataset
        self._connection = connection
        self.failures = [failure for manifest in dataset.manifests() for failure in manifest.failures]

    def rows(self, sql: str, *values: object) -> list[Row]:
        cursor = self._connection.execute(sql, list(values))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def tell(self, found: Found) -> Iterator[str]:
        tellers: dict[str, Callable[[str], Iterator[str]]] = {
            "question": self._question,
            "sample": self._question,
            "family": self._family,
            "image": self._image,
            "file": self._file,
            "instance": self._instance,
            "category": self._category,
            "trace": partial(why_models.tell_of_trace, self),
            "reply": partial(why_models.tell_of_reply, self),
        }
        yield from tellers.get(found.kind, self._dropped)(found.id)

    def _question(self, question_id: str) -> Iterator[str]:
        question = self.rows("from questions where question_id = $1", question_id)[0]
        yield f"question {question_id}"
        yield f"  {question['question']}"
        yield f"  answer {question['answer']}; {question['variant']}, {question['hop_count']} hops, {question['style']}"
        yield f"  program {question['program'] or 'none was recovered from the words'}"
        for hop in question["hops"]:
            yield f"  hop {hop['step']}: {hop['text']} -> {hop['value']} (luck {hop['luck']:.2f})"
        yield f"  margin {question['margin']:.2f} at {question['weakest_fact']}"
        for certificate in question["certificates"]:
            yield f"  {'holds' if certificate['passed'] else 'FAILS'} {certificate['name']}: {certificate['detail']}"
        made = f"version {question['stage_version']}, config {question['config_hash']}, seed {question['seed']}"
        yield f"made by {'compose' if question['wording'] == 'written' else 'synthesize'} {made}"
        yield from self._others(question)
        yield from self._image_line(question["image_id"])
        yield from why_models.tell_of_question(self, question)
        for verdict in self.rows("from verdicts where question_id = $1 order by judge", question_id):
            yield f"judge {verdict['judge']}: {verdict['outcome']}{_because(verdict['reason'])}"
        for decision in self.rows("from decisions where question_id = $1", question_id):
            yield f"route: {decision['route']}{_because(decision['reason'])}"
        yield from self._people(question_id)
        yield from self._drops(question_id)
        for sample in self.rows("from samples where question_id = $1", question_id):
            yield f"published: row {sample['row']} of {sample['file']} ({sample['split']})"

    def _people(self, question_id: str) -> Iterator[str]:
        """Yields what people say of a question, or the reward model for them, and what follows from it."""
        for said in self.rows("from people where question_id = $1", question_id):
            votes = f"{said['agreeing']} of {said['votes']} gave its answer, asked as {said['purpose']}"
            yield f"people: {said['standing']} by {said['decided_by']} ({votes}){_because(said['reason'])}"
        for stands in self.rows(
            """
            select e.route from decisions_in_effect e join decisions d using (question_id)
            where question_id = $1 and e.route <> d.route
            """,
            question_id,
        ):
            yield f"so its route is now: {stands['route']}"

    def _others(self, question: Row) -> Iterator[str]:
        others = self.rows(
            "from questions where family_id = $1 and question_id <> $2 order by question_id",
            question["family_id"],
            question["question_id"],
        )
        yield f"family {question['family_id']}: {len(others) + 1} variants"
        for other in others:
            yield f"  {other['variant']} {other['question_id']}"

    def _family(self, family_id: str) -> Iterator[str]:
        members = self.rows(
            """
            select q.*, coalesce(d.route, x.stage || ' dropped it: ' || x.reason, 'not routed') fate
            from questions q left join decisions_in_effect d using (question_id)
            left join drops x on x.id = q.question_id
            where family_id = $1 order by hop_count desc, question_id
            """,
            family_id,
        )
        yield f"family {family_id}: {len(members)} variants"
        for member in members:
            yield f"  {member['variant']} {member['question_id']} (answer {member['answer']}): {member['fate']}"
            yield f"    {member['question']}"
        yield from self._image_line(members[0]["image_id"])

    def _image(self, key: str) -> Iterator[str]:
        image = self.rows("from images where image_id = $1 or uri = $1", key)[0]
        image_id = image["image_id"]
        yield f"image {image_id}"
        yield f"  file {image['uri']}, {image['file_bytes']:,} bytes, {image['format']} {image['mode']}"
        yield f"  {image['width']} x {image['height']} pixels, split {image['split']}, licence {image['licence']}"
        for drop in self.rows("from drops where stage = 'admit' and detail like $1 order by id", f"%{image_id}%"):
            yield f"  the same picture is in {drop['id']}, which was dropped"
        found = self.rows(
            "select category, count(*) n from instances where image_id = $1 group by 1 order by 1", image_id
        )
        yield from why_models.tell_of_image(self, image_id)
        yield f"segment: {sum(row['n'] for row in found)} instances{_because(_listed(found))}"
        yield from self._drop_counts("segment", image_id)
        for category in self.rows("from categories where image_id = $1 order by category", image_id):
            usable = "countable" if category["countable"] else f"not countable: {category['reason']}"
            yield f"describe: {category['category']} x {category['instance_count']}, {usable}"
        questions = self.rows(
            "select variant category, count(*) n from questions where image_id = $1 group by 1 order by 1", image_id
        )
        yield f"synthesize: {sum(row['n'] for row in questions)} certified questions{_because(_listed(questions))}"
        for stage in (
            "synthesize",
            "draft",
            "compose",
            "judge",
            "check",
            "blind",
            "solve",
            "rubric",
            "route",
            "publish",
        ):
            yield from self._drop_counts(stage, image_id)
        routed = self.rows(
            "select route category, count(*) n from decisions where image_id = $1 group by 1 order by 1", image_id
        )
        yield f"route: {_listed(routed) or 'no question came here'}"
        yield from self._drops(image_id)
        published = self.rows("select count(*) n from samples where image_id = $1", image_id)[0]["n"]
        yield f"published: {published} rows"

    def _file(self, uri: str) -> Iterator[str]:
        if self.rows("select 1 from images where uri = $1", uri):
            yield from self._image(uri)
            return
        listed = self.rows("from sources where uri = $1", uri)
        yield f"file {uri}, {listed[0]['file_bytes']:,} bytes"
        ended = [*self._drops(uri)]
        yield from ended or ["no stage has finished with it yet"]

    def _instance(self, instance_id: str) -> Iterator[str]:
        described = self.rows("from instances where instance_id = $1", instance_id)
        instance = (described or self.rows("from segments where instance_id = $1", instance_id))[0]
        x0, y0, x1, y1 = instance["box_xyxy"]
        yield f"instance {instance_id}: {instance['category']}"
        yield f"  box {x0:g},{y0:g} to {x1:g},{y1:g}, {instance['area']:,} pixels, found by {instance['source']}"
        for attribute in instance["attributes"]:
            yield f"  {attribute['key']} {attribute['value']} (confidence {attribute['confidence']:.2f})"
        yield from why_models.tell_of_instance(self, instance_id)
        yield from self._image_line(instance["image_id"])
        used = self.rows(
            """
            select question_id, question from questions
            where list_contains(flatten(list_transform(hops, lambda hop: hop.instance_ids)), $1) order by question_id
            """,
            instance_id,
        )
        yield f"{len(used)} questions land on it"
        for question in used[:10]:
            yield f"  {question['question_id']} {question['question']}"

    def _category(self, category_id: str) -> Iterator[str]:
        image_id, _, name = category_id.partition(":")
        category = self.rows("from categories where image_id = $1 and category = $2", image_id, name)[0]
        yield f"category {name} in image {image_id}: {category['instance_count']} instances"
        yield "  countable" if category["countable"] else "  not countable, so no question names it"
        yield from self._drops(category_id)
        yield from self._image_line(image_id)

    def _dropped(self, thing: str) -> Iterator[str]:
        """Tells of what has no row of its own: a dropped proposal, annotation or file, a failed record."""
        yield thing
        yield from self._drops(thing)
        children = self.rows("select stage, reason, count(*) n from drops where parent_id = $1 group by all", thing)
        for row in children:
            yield f"  {row['stage']} dropped {row['n']} of it: {row['reason']}"
        for row in self.rows("select distinct parent_id from drops where id = $1 and parent_id <> id", thing):
            yield from self._image_line(row["parent_id"])

    def _drops(self, thing: str) -> Iterator[str]:
        for drop in self.rows("from drops where id = $1 order by stage, reason", thing):
            yield f"dropped by {drop['stage']}: {drop['reason']}{_because(drop['detail'])}"
        for failure in self.failures:
            if failure.id == thing:
                yield f"failed in {failure.stage}: {failure.error}"

    def _drop_counts(self, stage: str, image_id: str) -> Iterator[str]:
        for row in self.rows(
            """
            select reason, count(*) n, min(detail) detail from drops
            where stage = $1 and parent_id = $2 and id <> $2 group by reason order by n desc, reason
            """,
            stage,
            image_id,
        ):
            example = f" ({'e.g. ' if row['n'] > 1 else ''}{row['detail']})" if row["detail"] else ""
            yield f"  {stage} dropped {row['n']}: {row['reason']}{example}"

    def _image_line(self, image_id: str) -> Iterator[str]:
        for image in self.rows("from images where image_id = $1", image_id):
            yield f"image {image_id} from {image['uri']} ({image['width']} x {image['height']}, {image['split']})"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _listed(rows: list[Row]) -> str:
    return ", ".join(f"{row['n']} {row['category']}" for row in rows)
