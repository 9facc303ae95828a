"""Showing a question: the right pixels, nothing given away when blind, nothing that runs in the page."""

import re

import numpy as np
import PIL.Image
import pytest

from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.show import load_subject, show_question
from schemas.decision import Decision, Route
from schemas.verdict import Outcome, Verdict
from stages.certificates import all_certificates
from stages.drawing import EDGE, draw_picture, draw_question, hop_colour, outlines_of, starts_of
from stages.lettering import Run, plain, width_of, wrap
from tests.release_makers import (
    accept,
    admit,
    encode,
    make_dataset,
    make_files,
    make_instances,
    make_pixels,
    make_question,
    write_dataset,
)


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def share_of(picture, colour, box):
    """Returns the share of pixels in the box that have about that colour."""
    x0, y0, x1, y1 = (max(0, round(value)) for value in box)
    window = np.asarray(picture.convert("RGB"))[y0:y1, x0:x1].astype(int)
    return float((np.abs(window - rgb(colour)).max(axis=2) < 12).mean())


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path, make_files(2))


def test_show_picks_most_hops_then_highest_margin(tmp_path):
    data = make_files(1)["folder/000.png"]
    image = admit(data, "a.png")
    instances = make_instances(image)
    questions = [
        make_question(image, instances, 0, hop_count=2, margin=9),
        make_question(image, instances, 1, hop_count=4, margin=2),
        make_question(image, instances, 2, hop_count=4, margin=3),
        make_question(image, instances, 3, hop_count=6, margin=3),
    ]
    (tmp_path / "a.png").write_bytes(data)
    decisions = [accept(question) for question in questions[:3]]
    tables = {"images": [image], "instances": instances, "questions": questions, "decisions": decisions}
    dataset = write_dataset(tmp_path / "d", tmp_path, tables)
    for asked, chosen in ((None, 2), (questions[3].question_id, 3), (questions[3].question_id[:9], 3)):
        assert load_subject(dataset, asked).question.question_id == questions[chosen].question_id


def test_a_question_is_shown_with_the_certificates_that_judges_and_routing_gave(finished):
    question = load_subject(finished, None).question
    names = [certificate.name for certificate in question.certificates]
    assert sorted(names) == ["answer", "luck", "margin", "necessity", "no_give_away", "prior", "unique"]
    assert all(certificate.passed for certificate in question.certificates)
    text = show_question(finished.root, out=finished.root.parent / "seven.html").read_text()
    assert all(f"{name}: passed" in text for name in names)


def test_what_a_judge_failed_is_shown_as_failed_and_its_silence_as_nothing(dataset):
    question = load_subject(dataset, None).question
    named = {"question_id": question.question_id, "image_id": question.image_id}
    said = [
        Verdict(judge="second_executor", outcome=Outcome.FAIL, reason="gives 4", **named),
        Verdict(judge="text_rules", outcome=Outcome.NO_VERDICT, reason="", **named),
    ]
    lost = Decision(route=Route.DROP, reason="its cell is full", **named)
    own = question.model_copy(update={"certificates": ()})
    later = all_certificates(own, said, lost)
    assert [(one.name, one.passed) for one in later] == [("answer", False), ("prior", False)]
    assert "gives 4" in later[0].detail and all_certificates(own, (), None) == ()


def test_show_writes_a_page_and_the_same_bytes_again(dataset):
    path = show_question(dataset.root)
    assert path.parent == dataset.root / "shown"
    first = path.read_bytes()
    assert show_question(dataset.root).read_bytes() == first
    with PIL.Image.open(path) as page:
        assert page.width == 1040


def test_each_hop_is_outlined_in_its_colour_where_its_instances_are(dataset):
    subject = load_subject(dataset, None)
    picture = draw_picture(subject.pixels, subject.question, subject.masks)
    zoom = picture.width / subject.pixels.shape[1]
    for position, hop in enumerate(subject.question.hops):
        for box in hop.boxes_xyxy:
            around = [value * zoom for value in (box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2)]
            assert share_of(picture, hop_colour(position), around) > 0.02
    assert share_of(picture, hop_colour(5), (0, 0, picture.width, picture.height)) < 0.001


def test_blind_page_is_the_plain_picture_and_the_question(dataset):
    subject = load_subject(dataset, None)
    page = draw_question(subject.pixels, subject.question, subject.masks, blind=True)
    plain_picture = draw_picture(subject.pixels, subject.question, {}, blind=True)
    left = (page.width - plain_picture.width) // 2
    shown = page.crop((left, EDGE, left + plain_picture.width, EDGE + plain_picture.height))
    assert np.array_equal(np.asarray(shown), np.asarray(plain_picture))
    other = subject.question.model_copy(update={"answer": 99, "hops": (), "program": "[]", "certificates": ()})
    again = draw_question(subject.pixels, other, {}, blind=True)
    assert np.array_equal(np.asarray(page), np.asarray(again))


def test_instance_without_mask_is_shown_by_its_box(dataset):
    subject = load_subject(dataset, None)
    shape = subject.pixels.shape[:2]
    by_mask = outlines_of(subject.question, subject.masks, shape)
    by_box = outlines_of(subject.question, {}, shape)
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(by_mask, by_box, strict=True))


def test_where_the_chain_sets_out_is_marked_too(dataset):
    question = load_subject(dataset, None).question
    later = question.model_copy(update={"hops": question.hops[1:]})
    assert [outline.label for outline in outlines_of(later, {}, (80, 96))] == ["S", "1", "1", "1"]
    assert [step.title for step in starts_of(later)] == ["Find the cup"] and not starts_of(question)


def test_instance_of_two_hops_gets_two_rings(dataset):
    question = load_subject(dataset, None).question
    twice = question.model_copy(update={"hops": (question.hops[0], question.hops[0]), "trace": ()})
    assert [outline.ring for outline in outlines_of(twice, {}, (80, 96))] == [0, 1]


@pytest.mark.parametrize("size", [(8, 8), (3, 200), (300, 9), (64, 64)])
def test_any_picture_size_can_be_drawn(size):
    width, height = size
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    image = admit(encode(make_pixels(1)), "a.png")
    question = make_question(image, make_instances(image))
    assert draw_question(pixels, question, {}).width == 1040


def test_html_is_self_contained_and_escaped(tmp_path):
    data = make_files(1)["folder/000.png"]
    image = admit(data, "a.png")
    instances = make_instances(image)
    question = make_question(image, instances, question="<script>alert('é')</script> & \"x\"")
    (tmp_path / "a.png").write_bytes(data)
    tables = {"images": [image], "instances": instances, "questions": [question], "decisions": [accept(question)]}
    dataset = write_dataset(tmp_path / "d", tmp_path, tables)
    text = show_question(dataset.root, out=tmp_path / "out/q.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "default-src 'none'" in text and "http:" not in text and "https:" not in text
    assert not re.search(r"\son\w+=|style=\"", text)
    assert "balls to the right of it: 3" in text
    blind = show_question(dataset.root, out=tmp_path / "blind.html", blind=True).read_text()
    assert "balls to the right" not in blind and "category(0)" not in blind and "Answer" not in blind


def test_bad_requests_are_clear_errors(dataset, tmp_path):
    with pytest.raises(UserError, match="has no question 'nothing'"):
        show_question(dataset.root, "nothing")
    with pytest.raises(UserError, match="has no question ''"):
        show_question(dataset.root, "")
    with pytest.raises(UserError, match=r"neither \.png nor \.html"):
        show_question(dataset.root, out=tmp_path / "x.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        show_question(dataset.root, out=tmp_path / "file/x.png")
    with pytest.raises(UserError, match="does not exist"):
        show_question(tmp_path / "nowhere")


def test_changed_or_vanished_picture_is_never_shown(tmp_path):
    dataset = make_dataset(tmp_path, make_files(1))
    picture = tmp_path / "source/folder/000.png"
    picture.write_bytes(encode(make_pixels(5)))
    with pytest.raises(UserError, match="not the one that was ingested"):
        show_question(dataset.root)
    picture.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        show_question(dataset.root)


def test_nothing_accepted_is_a_clear_error(tmp_path):
    dataset = write_dataset(tmp_path / "d", tmp_path, {"images": []})
    with connect(dataset) as connection:
        assert connection.execute("SELECT count(*) FROM questions").fetchone() == (0,)
    with pytest.raises(UserError, match="no accepted question"):
        show_question(dataset.root)


def test_wrapping_keeps_every_word_and_fits():
    text = "a question with averyveryverylongwordthatcannotfitonanylinewhatsoever and more words “quoted” – é → 3"
    lines = list(wrap([Run(text, 20, "#000000")], 200))
    assert "".join("".join(run.text for run in line) for line in lines).replace(" ", "") == plain(text).replace(" ", "")
    assert all(sum(width_of(run) for run in line) <= 201 for line in lines)
