"""What `hopyard why` tells of what models said: rollouts, traces, screenings, names, looks, single replies."""

from collections.abc import Iterator
from typing import Any, Protocol

Row = dict[str, Any]


class Story(Protocol):
    """Reads rows of the dataset."""

    def rows(self, sql: str, *values: object) -> list[Row]: ...


def tell_of_question(story: Story, question: Row) -> Iterator[str]:
    """Yields who worded a question, how models fared with it, and the ways to its answer."""
    if question["wording"] != "template":
        mode = f", {question['mode']}" if question["mode"] else ""
        yield f"words: {question['wording']} by {question['model']}{mode}, prompt {question['prompt_hash'][:12]}"
    name = question["question_id"]
    for row in story.rows(
        """
        select view, model, count(*) n, count(*) filter (outcome = 'correct') correct,
            count(*) filter (outcome = 'unscored') unscored
        from rollouts where question_id = $1 group by all order by view, model
        """,
        name,
    ):
        unread = f", {row['unscored']} without a number" if row["unscored"] else ""
        yield f"solver {row['model']}, {row['view']}: {row['correct']} of {row['n']} right{unread}"
    for trace in story.rows("from traces where question_id = $1 order by path", name):
        score = "no score" if trace["score"] is None else f"score {trace['score']}"
        cause = f": {trace['cause']}" if trace["cause"] else ""
        yield f"trace {trace['trace_id']}: {trace['kind']}, {score}, {len(trace['steps'])} steps{cause}"
    for case in story.rows("from calibration where question_id = $1 order by kind", name):
        state = "caught" if case["caught"] else "missed"
        yield f"known case {case['kind']} made of it: {case['outcome']} by {case['model']} ({state})"


def tell_of_image(story: Story, image_id: str) -> Iterator[str]:
    """Yields what models said of a picture before anything was asked about it."""
    for row in story.rows("from screenings where image_id = $1", image_id):
        said = [f"{name} {row[name]}" for name in ("coarse", "fine") if row[name]]
        audited = ", looked at again by the audit" if row["audited"] else ""
        yield f"screen: {', '.join(said)}{audited}: {row['reason']}"
    for row in story.rows("from named where image_id = $1 order by category", image_id):
        yield f"identify: {row['category']}, sure {row['sure']:.2f}, segmenting found {row['instance_count']}"


def tell_of_instance(story: Story, instance_id: str) -> Iterator[str]:
    """Yields what a model said of an instance's looks."""
    for row in story.rows("from looks where instance_id = $1 order by key", instance_id):
        measured = f", measured {row['measured']}" if row["measured"] else ""
        yield f"  a model says {row['key']} {row['value']} ({row['confidence']:.2f}{measured}): {row['check']}"


def tell_of_trace(story: Story, trace_id: str) -> Iterator[str]:
    """Yields one way to an answer."""
    trace = story.rows("from traces where trace_id = $1", trace_id)[0]
    yield f"trace {trace_id}: path {trace['path']} of question {trace['question_id']}"
    for number, step in enumerate(trace["steps"], 1):
        again = f" (after {step['retries']} answers that could not be used)" if step["retries"] else ""
        yield f"  {number}. {step['title']}: {step['content']}{again}"
    yield f"  ends in {trace['answer']}: {trace['outcome']}; {trace['kind']}, score {trace['score']}"
    if trace["cause"]:
        yield f"  cause: {trace['cause']}"
    yield f"written by {trace['model']}, graded by {trace['judge_model'] or 'nobody'}, seed {trace['seed']}"


def tell_of_reply(story: Story, key: str) -> Iterator[str]:
    """Yields one reply of a model."""
    reply = story.rows("from replies where request_key = $1 limit 1", key)[0]
    yield f"reply {key}: {reply['job']} by {reply['model']} about {reply['subject_id'] or 'nothing in particular'}"
    tokens = f"{reply['input_tokens']:,} + {reply['output_tokens']:,} tokens"
    yield f"  {tokens}, {reply['seconds']:.1f} s, {reply['attempts']} attempts, prompt {reply['prompt_hash'][:12]}"
    if reply["error"]:
        yield f"  no answer: {reply['error']}: {reply['error_detail']}"
    for text in reply["texts"]:
        yield f"  {' '.join(text.split())[:2_000]}"
