"""Posteriors: more agreement, more probable; careless annotators weigh less; crowd-kit's estimates, our priors."""

from pipelines.people.posterior import Label, posteriors


def test_agreement_raises_and_dissent_lowers_and_priors_count() -> None:
    labels = [Label("twice", "ann", True), Label("twice", "bea", True), Label("once", "ann", True)]
    labels += [Label("never", "ann", False), Label("split", "ann", True), Label("split", "bea", False)]
    found, share = posteriors(labels, (), {})
    assert found["twice"] > found["once"] > found["split"] > found["never"]
    assert 0.02 <= share <= 0.98
    doubted, _ = posteriors(labels, (), {"once": 0.05})
    assert doubted["once"] < found["once"] and doubted.keys() == found.keys()
    assert posteriors((), (), {}) == ({}, 0.8)


def test_a_careless_annotator_is_found_out_by_gold_and_weighs_less() -> None:
    gold = [Label(f"gold {n}", name, name == "ann" or n % 2 == 0) for n in range(40) for name in ("ann", "dov")]
    labels = [Label("a", "ann", False), Label("b", "dov", False)]
    found, _ = posteriors(labels, gold, {"a": 0.8, "b": 0.8})
    assert found["b"] > 2 * found["a"], "dissent of somebody who is often wrong settles less"
