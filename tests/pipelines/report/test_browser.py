"""The report in a real browser: it works without a network, by mouse and by keyboard, and everybody can use it."""

import io
import json
import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.browser import Tab

BOX = "(e => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })"


def pixels_of(png: bytes):
    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def picture_pixels(tab: Tab):
    """Returns the pixels of the first card's picture as the reader sees it."""
    tab.run("document.querySelector('.picture img').decode()")
    tab.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    x, y, width, height = tab.run(f"{BOX}(document.querySelector('.picture'))")
    top = tab.run("scrollY")
    return pixels_of(tab.screenshot({"x": x, "y": y + top, "width": width, "height": height}))


def shown_boxes(tab: Tab, hop: int, pixels):
    """Returns the pixel boxes, in the screenshot, of what a hop of the first card lands on."""
    data = "JSON.parse(document.getElementById('data').textContent)"
    name = "document.querySelector('.card h3').id.slice(2)"
    paths, width = tab.run(
        f"(() => {{ const d = {data}; const q = d.questions.find(q => q.id === {name}); const p = d.pictures[q.p];"
        f" return [q.hops[{hop}].s.map(s => p.paths[s]), p.w]; }})()"
    )
    zoom = pixels.shape[1] / width
    found = []
    for path in paths:
        start, steps = path[1:-1].split("l")
        points = np.cumsum(
            [[int(v) for v in start.split()], *np.reshape([int(v) for v in steps.split()], (-1, 2))], axis=0
        )
        found.append([round(value * zoom) for value in (*points.min(axis=0), *points.max(axis=0))])
    return found


def open_gallery(tab: Tab, report, width: int = 1280) -> None:
    tab.dark(False)
    tab.point_at(1, 1)
    tab.open(report, width)
    tab.run("document.getElementById('gallery').scrollIntoView({behavior: 'instant'})")
    tab.wait(
        "document.querySelector('.picture img').complete && document.querySelector('.picture img').naturalWidth > 0"
    )


def is_lit(tab: Tab, before, hop: int, colour: tuple[int, int, int]) -> None:
    after = picture_pixels(tab)
    boxes = shown_boxes(tab, hop, after)
    inside = np.zeros(after.shape[:2], dtype=bool)
    near = np.zeros(after.shape[:2], dtype=bool)
    for x0, y0, x1, y1 in boxes:
        inside[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5] = True
        near[max(0, y0 - 7) : y1 + 7, max(0, x0 - 7) : x1 + 7] = True
    outside = ~near
    ratio = after[outside].sum() / before[outside].sum()
    assert 0.45 < ratio < 0.55, "what no instance covers is darkened"
    assert after[inside].sum() > 0.75 * before[inside].sum(), "the instances stay bright"
    stroke = np.abs(after - colour).max(axis=2) < 24
    for x0, y0, x1, y1 in boxes:
        rim = stroke[max(0, y0 - 4) : y1 + 4, max(0, x0 - 4) : x1 + 4]
        assert rim.sum() > (x1 - x0) + (y1 - y0), "an outline in the hop's colour goes around each instance"
    assert stroke[outside].mean() < 0.002


H1, H2 = (0xC2, 0x12, 0x3F), (0x0B, 0x62, 0xBB)


def test_pointing_at_a_hop_lights_up_its_instances_and_nothing_else(tab, report):
    open_gallery(tab, report)
    before = picture_pixels(tab)
    for hop, colour in ((0, H1), (1, H2)):
        x, y, width, height = tab.run(f"{BOX}(document.querySelectorAll('.card .hop')[{hop}])")
        tab.point_at(x + width / 2, y + height / 2)
        is_lit(tab, before, hop, colour)
    tab.point_at(1, 1)
    assert np.array_equal(picture_pixels(tab), before)


def test_the_keyboard_does_what_the_mouse_does(tab, report):
    open_gallery(tab, report)
    before = picture_pixels(tab)
    tab.run("document.getElementById('words').focus()")
    tab.press("Tab", 9)
    assert tab.run("document.activeElement.className") == "hop h1"
    is_lit(tab, before, 0, H1)
    tab.press("Tab", 9)
    is_lit(tab, before, 1, H2)


def test_a_hop_stays_lit_once_it_is_pressed(tab, report):
    open_gallery(tab, report)
    before = picture_pixels(tab)
    tab.run("document.querySelector('.hop').click()")
    is_lit(tab, before, 0, H1)
    assert tab.run("document.querySelector('.hop').getAttribute('aria-pressed')") == "true"
    tab.run("document.querySelector('.hop').click(); document.activeElement.blur()")


@pytest.mark.parametrize(
    ("key", "value", "count"),
    [
        ("style", "spatial", 10),
        ("n", "1", 20),
        ("reason", "over quota", 10),
        ("ended", "accepted", 30),
        ("band", "unknown", 40),
    ],
)
def test_filters_show_what_they_say(tab, report, key, value, count):
    open_gallery(tab, report)
    choose = f"(c => {{ c.value = {json.dumps(value)}; c.dispatchEvent(new Event('change')); }})"
    tab.run(f"{choose}(document.getElementById('filter-{key}'))")
    assert tab.run("document.getElementById('found').textContent") == f"{count} questions"
    assert tab.run("document.querySelectorAll('.card').length") == min(count, 24)


def test_pages_follow_one_another_and_hold_every_question_once(tab, report):
    open_gallery(tab, report)
    ids = "[...document.querySelectorAll('.card h3')].map(e => e.id)"
    first = tab.run(ids)
    tab.run("document.querySelectorAll('.pager button')[1].click()")
    second = tab.run(ids)
    assert len(first) == 24 and len(second) == 16 and len({*first, *second}) == 40
    assert tab.run("document.querySelectorAll('.pager button')[1].disabled") is True


def test_hostile_text_is_shown_as_text(tab, report):
    open_gallery(tab, report)
    tab.run("(w => { w.value = 'alert(1)'; w.dispatchEvent(new Event('input')); })(document.getElementById('words'))")
    assert tab.run("document.getElementById('found').textContent") == "10 questions"
    assert tab.run("document.querySelector('.card h3').textContent").startswith("</script><script>alert(1)")
    assert tab.run("document.querySelectorAll('.card h3 *, .card script').length") == 0


def test_nothing_is_fetched_and_nothing_is_complained_about(tab, report):
    tab.events.clear()
    open_gallery(tab, report)
    asked = [
        event["params"]["request"]["url"] for event in tab.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert [event for event in tab.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []


def test_what_is_written_into_the_page_cannot_run(tab, report):
    open_gallery(tab, report)
    with pytest.raises(AssertionError, match="TrustedHTML"):
        tab.run("document.body.innerHTML = '<b>no</b>'")
    with pytest.raises(AssertionError, match="TrustedScript"):
        tab.run("document.createElement('script').textContent = 'window.ran = true'")
    tab.run("(s => { s.append('window.ran = true'); document.body.append(s); })(document.createElement('script'))")
    assert tab.run("window.ran") is None


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_passes_the_accessibility_rules(tab, report, width, dark):
    """Rules of axe-core; `HOPYARD_AXE` may name a newer axe.min.js than the one that is installed."""
    pytest.importorskip("axe_core_python", reason="the accessibility rules (axe-core-python) are not installed")
    named = os.environ.get("HOPYARD_AXE")
    rules = (Path(named) if named else files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    tab.call("Page.setBypassCSP", enabled=True)
    tab.dark(dark)
    tab.open(report, width)
    tab.run("(w => { w.value = ''; document.querySelector('details').open = true; })(document.body)")
    tab.run(f"{rules}; true")
    found = tab.run("axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html)]))")
    tab.call("Page.setBypassCSP", enabled=False)
    assert [one for one in found if one[0] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_it_without_scrolling_sideways(tab, report, width):
    open_gallery(tab, report, width)
    assert tab.run("document.documentElement.scrollWidth") == width
    assert (
        tab.run("Math.max(...[...document.querySelectorAll('.card')].map(c => c.getBoundingClientRect().right))")
        <= width
    )
