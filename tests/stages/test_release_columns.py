"""Rows made as columns are the rows that are made one by one, whatever the questions are like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arrow import records_to_table
from schemas.decision import DECISION_SCHEMA, Decision, Route
from schemas.drop import Drop
from schemas.image import IMAGE_SCHEMA
from schemas.question import QUESTION_SCHEMA, Certificate, Hop, HopKind, Question, TraceStep, Variant
from schemas.release_row import EmbeddedImage, SolveRate, Vote
from schemas.verdict import Outcome, Verdict
from stages.publish import REWARD_MODEL, Accepted, Place, PublishConfig, Tried, publish, unfit_of
from stages.release_columns import COLUMNS, AskedRows, release_columns, suspects
from tests.makers import make_image

PICTURE = EmbeddedImage(bytes=b"picture", path="a.png")
words = st.text("ab <>|/\N{SNOWMAN}\n\"'image", max_size=12)
shares = st.floats(0, 1)
ids = st.lists(st.sampled_from(["cup", "ball", "dog"]), max_size=3).map(tuple)


@st.composite
def boxes(draw, count):
    """Boxes of which one in some leaves the picture."""
    found = []
    for _ in range(count):
        x0, x1 = sorted(draw(st.tuples(st.integers(0, 30), st.integers(31, 64))))
        y0, y1 = sorted(draw(st.tuples(st.integers(0, 20), st.integers(21, 48))))
        found.append((x0, y0, x1 + draw(st.sampled_from([0, 0, 0, 9])), y1))
    return tuple(found)


@st.composite
def hops(draw):
    names = draw(ids)
    return Hop(
        step=1, operator=draw(words), kind=draw(st.sampled_from(HopKind)), text=draw(words), value=draw(words),
        instance_ids=names, boxes_xyxy=draw(boxes(len(names))), candidates=2, luck=draw(shares),
    )  # fmt: skip


@st.composite
def steps(draw):
    names = draw(ids)
    return TraceStep(
        title=draw(words), content=draw(words), next_action="continue", value=draw(words), instance_ids=names,
        boxes_xyxy=draw(boxes(len(names))),
    )  # fmt: skip


certificates = st.builds(Certificate, name=words, passed=st.booleans(), detail=words)
rates = st.builds(
    lambda model, n, share: SolveRate(model=model, n=n, correct=int(share * n), rate=int(share * n) / n),
    words, st.integers(1, 9), shares,
)  # fmt: skip
numbers = st.integers(-(2**62), 2**62) | st.integers(-2, 2)


@st.composite
def accepted(draw):
    """Anything that somebody vouches for."""
    image = make_image(width=draw(st.sampled_from([64, 70])), height=48)
    answer = draw(numbers)
    program = draw(st.sampled_from(["", "{}"]))
    agreed = draw(st.booleans())
    votes = (Vote(answer=str(answer if agreed else answer + 1), n=3),) if draw(st.booleans()) else None
    vouched = program or (votes and agreed)
    question = Question(
        question_id=f"q{draw(st.integers(0, 10**9))}", image_id=image.image_id, family_id=draw(words),
        variant=draw(st.sampled_from(Variant)), style=draw(words), question=draw(words), answer=answer, program=program,
        shape=draw(words), cell=draw(words), hops=draw(st.lists(hops(), max_size=3)), hop_count=draw(st.integers(1, 9)),
        margin=draw(st.floats(-9, 9)), weakest_fact=draw(words), luck=draw(shares), strict=draw(st.booleans()),
        certificates=draw(st.lists(certificates, max_size=3)), trace=draw(st.lists(steps(), max_size=3)),
        categories=draw(ids), stage_version=2, config_hash="c", seed=draw(st.integers(0, 2**40)),
    )  # fmt: skip
    reason = draw(words) if vouched else f"{REWARD_MODEL}sure"
    decision = Decision(question_id=question.question_id, image_id=image.image_id, route=Route.ACCEPT, reason=reason)
    tried = Tried(
        draw(st.none() | st.lists(rates, min_size=1, max_size=2).map(tuple)), votes, (), draw(st.none() | shares)
    )
    named = {"question_id": question.question_id, "image_id": image.image_id, "reason": ""}
    verdicts = tuple(Verdict(judge=judge, outcome=Outcome.PASS, **named) for judge in ("second_executor", "text_rules"))
    return Accepted(question, image, decision, verdicts, tried)


def as_tables(found):
    """Returns accepted questions as publishing reads them."""
    questions, images, decisions = zip(*(one[:3] for one in found), strict=True)
    passed = {judge: {one.question_id for one in questions} for judge in ("second_executor", "text_rules")}
    return AskedRows(
        records_to_table(questions, QUESTION_SCHEMA),
        records_to_table(images, IMAGE_SCHEMA),
        records_to_table(decisions, DECISION_SCHEMA),
        [one.tried for one in found],
        passed,
    )


places = st.builds(
    Place, row=st.integers(0, 10**6), image_source=words, domain=st.none() | words, level=st.integers(1, 5)
)


@given(st.lists(st.tuples(accepted(), places), min_size=1, max_size=4))
def test_columns_of_many_are_the_rows_of_each(found):
    config = PublishConfig()
    asked = as_tables([one for one, _ in found])
    refused = [row for row, (one, _) in enumerate(found) if unfit_of(one) is not None]
    assert suspects(asked) == refused
    fit = [row for row in range(len(found)) if row not in refused]
    rows = [publish(found[row][0], PICTURE, found[row][1], config) for row in fit]
    assert not any(isinstance(row, Drop) for row in rows)
    columns = release_columns(asked.take(fit), [found[row][1] for row in fit], config)
    columns.validate(full=True)
    assert columns.to_pylist() == records_to_table(rows, COLUMNS).to_pylist()


@pytest.mark.parametrize(
    ("judge", "program", "reason", "said"),
    [
        ("second_executor", "{}", "", "without a pass of second_executor"),
        ("text_rules", "{}", "", "without a pass of text_rules"),
        (None, "", "", "neither a program nor people vouch"),
    ],
)
def test_what_nobody_proved_is_refused_as_one_by_one(judge, program, reason, said):
    image = make_image(width=64, height=48)
    question = Question(
        question_id="q", image_id=image.image_id, family_id="f", variant=Variant.FULL, style="s", question="How many?",
        answer=3, program=program, shape="", cell="", hops=(), hop_count=1, margin=1, weakest_fact="", luck=0,
        strict=True, certificates=(), trace=(), categories=(), stage_version=1, config_hash="", seed=0,
    )  # fmt: skip
    decision = Decision(question_id="q", image_id=image.image_id, route=Route.ACCEPT, reason=reason)
    asked = as_tables([Accepted(question, image, decision, (), Tried())])
    asked = asked._replace(passed={name: ids for name, ids in asked.passed.items() if name != judge})
    with pytest.raises(ValueError, match=said):
        release_columns(asked, [Place(0)], PublishConfig())
