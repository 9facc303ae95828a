"""What people decided, put over what routing decided."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from schemas.annotation import Standing
from schemas.decision import Route


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
    word = pa.table(
        {
            "question_id": decided["question_id"],
            "their_route": route,
            "their_reason": pc.binary_join_element_wise(
                decided["decided_by"], decided["standing"], decided["reason"], ": "
            ),
        }
    )
    joined = decisions.join(word, "question_id", join_type="left outer")
    for column in ("route", "reason"):
        theirs = joined[f"their_{column}"]
        place = joined.schema.get_field_index(column)
        joined = joined.set_column(place, column, pc.coalesce(theirs, joined[column]))
    return joined.select(decisions.column_names).cast(decisions.schema)


def decided_annotations(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Returns the votes on questions that people confirmed: those of an open one settle nothing yet."""
    people = tables["people"]
    confirmed = people.filter(pc.equal(people["standing"], Standing.CONFIRMED.value))["question_id"]
    annotations = tables["annotations"]
    return annotations.filter(pc.is_in(annotations["question_id"], value_set=confirmed.combine_chunks()))
