import json

import pytest

from stages.segmenters.onnx_graphs import WEIGHTS
from training.card import digests, read_card, update_card
from training.card_text import BEGIN, END, PAGE, card_text, write_card


def test_the_page_says_what_the_card_says():
    written = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert written.strip() == card_text(read_card(WEIGHTS)).strip()


def test_the_card_belongs_to_the_shipped_files():
    assert read_card(WEIGHTS)["files"] == digests(WEIGHTS)


def test_a_section_is_replaced_and_the_others_stay(tmp_path):
    update_card(tmp_path, "one", {"a": 1})
    update_card(tmp_path, "two", {"b": 2})
    update_card(tmp_path, "one", {"c": 3})
    assert json.loads((tmp_path / "card.json").read_text()) == {"one": {"c": 3}, "two": {"b": 2}}


def test_a_page_without_a_place_for_the_card_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(ValueError, match="has no place for the card"):
        write_card(read_card(WEIGHTS), page)
    assert page.read_text() == "nothing here"
