"""What people decided, put over what routing decided. The view `decisions_in_effect` says the same in SQL.

That is the one meaning of "accepted" wherever something follows from it: publishing, traces, audits, reports, numbers.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from schemas.annotation import Standing
from schemas.decision import Route

PEOPLE = "people: "
"""How the reason of a decision begins that people made where routing had not accepted."""
REWARD_MODEL = "reward model: "
"""The same, of the reward model."""


def decisions_in_effect(decisions: pa.Table, people: pa.Table) -> pa.Table:
    """Returns the decisions as they stand with people's word: one row per decision, in any order.

    What people confirmed with the question's own number is accepted; what they rejected, or confirmed with another
    number, is dropped: the published answer, its program and its trace would not be theirs. What is still open stays
    as routed: waiting where it was sent to people, accepted where it is only audited.
    """
    decided = people.filter(pc.not_equal(people["standing"], Standing.OPEN.value))
    if decided.num_rows == 0:
        return decisions
    agreed = pc.fill_null(pc.equal(decided["answer"], decided["own"]), False)
    confirmed = pc.and_(pc.equal(decided["standing"], Standing.CONFIRMED.value), agreed)
    route = pc.if_else(confirmed, Route.ACCEPT.value, Route.DROP.value)
    by_model = pc.equal(decided["decided_by"], "reward model")
    begin = pc.if_else(by_model, REWARD_MODEL, PEOPLE)
    reason = pc.binary_join_element_wise(begin, decided["reason"], "")
    word = pa.table({"question_id": decided["question_id"], "their_route": route, "their_reason": reason})
    joined = decisions.join(word, "question_id", join_type="left outer")
    # Accepted by both: what routing said of balance stays true.
    changed = pc.fill_null(pc.not_equal(joined["their_route"], joined["route"]), False)
    for column in ("reason", "route"):
        place = joined.schema.get_field_index(column)
        joined = joined.set_column(place, column, pc.if_else(changed, joined[f"their_{column}"], joined[column]))
    return joined.select(decisions.column_names).cast(decisions.schema)


def accepted_questions(decisions: pa.Table, people: pa.Table) -> frozenset[str]:
    """Returns the ids of the questions that are accepted in effect."""
    standing = decisions_in_effect(decisions, people)
    return frozenset(standing.filter(pc.equal(standing["route"], Route.ACCEPT.value))["question_id"].to_pylist())


def decided_annotations(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Returns the votes on questions that people confirmed: those of an open one settle nothing yet."""
    people = tables["people"]
    confirmed = people.filter(pc.equal(people["standing"], Standing.CONFIRMED.value))["question_id"]
    annotations = tables["annotations"]
    return annotations.filter(pc.is_in(annotations["question_id"], value_set=confirmed.combine_chunks()))
