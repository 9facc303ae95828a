"""Takes the picture of the report that README.md shows: ``python -m tests.pipelines.report.screenshot REPORT OUT``."""

import io
import sys
from pathlib import Path

import PIL.Image

from tests.browser import Tab, browser

WIDTH, HEIGHT = 1180, 1000
_FIRST_ROW = "[...document.querySelectorAll('.picture img')].slice(0, 3)"


def take(tab: Tab, report: Path) -> PIL.Image.Image:
    """Returns the gallery with a hop of one card pointed at."""
    tab.open(report, WIDTH, HEIGHT)
    tab.run("document.getElementById('gallery').scrollIntoView({behavior: 'instant'})")
    tab.wait(f"{_FIRST_ROW}.every(image => image.naturalWidth > 0)")
    hop = "document.querySelector('.card:nth-child(2) .hops li:last-child')"
    x, y = tab.run(f"(box => [box.x + 40, box.y + 10])({hop}.getBoundingClientRect())")
    tab.point_at(x, y)
    tab.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    return PIL.Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


if __name__ == "__main__":
    with browser() as opened:
        picture = take(opened, Path(sys.argv[1]))
    picture.save(sys.argv[2], quality=84, subsampling=0, optimize=True)
