"""Charts to SVG, by Vega-Lite: words stay words, and looks are attributes, which the page's policy allows."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import vl_convert

from pipelines.report.section import Chart, ChartKind, Point

_VERSION = "v6.1"
_WIDTH, _HEIGHT = 290, 165
_STRIP = 22
"""Height of a lying bar."""
_LABEL_PIXELS = 160
_LETTER = 7.6
"""Pixels of a letter at most: the reader's font is not known, and a label must not be cut off."""
_WIDEST_BAR = 56
PALETTE = ("#3b7dd8", "#d9822b", "#2e9e6b", "#b0499b", "#8a8f98", "#c8434a")
"""Told apart by people who do not see all colours, on light and on dark paper."""
_CONFIG: dict[str, Any] = {
    "background": None,
    "aria": False,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "domain": False, "ticks": False},
    "legend": {"labelFontSize": 12, "title": None, "orient": "top", "symbolType": "square"},
    "bar": {"color": PALETTE[0], "cornerRadiusEnd": 2},
    "padding": {"left": 12, "right": 6, "top": 4, "bottom": 4},
    "range": {"category": list(PALETTE)},
}


def chart_svg(chart: Chart) -> str:
    """Returns the chart as an SVG element that scales with its place and takes the page's ink for its words."""
    svg: str = vl_convert.vegalite_to_svg(_spec(chart), _VERSION)
    opening = re.match(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"[^>]*>', svg)
    if opening is None:
        raise RuntimeError(f"the chart {chart.title!r} was not drawn as expected: {svg[:200]}")
    width, height = opening.groups()
    own = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true" focusable="false">'
    return own + _own_names(svg[opening.end() :], chart.title)


def _own_names(svg: str, title: str) -> str:
    """Clip paths are numbered through the process: here they get names that depend on the chart alone."""
    stem = hashlib.sha256(title.encode()).hexdigest()[:8]
    names: dict[str, str] = {}
    return re.sub(r"\bclip\d+\b", lambda found: names.setdefault(found[0], f"clip-{stem}-{len(names)}"), svg)


def _spec(chart: Chart) -> dict[str, Any]:
    values = [{"x": point.x, "y": point.y, "series": point.series} for point in chart.points]
    spec: dict[str, Any] = {"data": {"values": values}, "config": _CONFIG, "width": _WIDTH, "height": _HEIGHT}
    match chart.kind:
        case ChartKind.BARS:
            return spec | _bars(chart)
        case ChartKind.STRIPS:
            return spec | _strips(chart)
        case ChartKind.LINE:
            return {key: value for key, value in spec.items() if key != "data"} | _line(chart, values)


def _bars(chart: Chart) -> dict[str, Any]:
    tilted = sum(len(str(point.x)) for point in _firsts(chart.points)) > 38
    axis = {"title": chart.x_title, "labelAngle": -40 if tilted else 0, "labelOverlap": False, "grid": False}
    encoding = {"x": {"field": "x", "type": "ordinal", "sort": None, "axis": axis}, "y": _amount(chart)}
    places = len(_firsts(chart.points))
    mark = {"type": "bar", "size": _WIDEST_BAR} if places * _WIDEST_BAR < _WIDTH else {"type": "bar"}
    return {"mark": mark, "encoding": encoding | _series(chart)}


def _strips(chart: Chart) -> dict[str, Any]:
    label = min(_LABEL_PIXELS, _LETTER * max(len(str(point.x)) for point in chart.points))
    axis = {"title": None, "labelLimit": _LABEL_PIXELS, "minExtent": label, "maxExtent": label}
    encoding = {"y": {"field": "x", "type": "ordinal", "sort": None, "axis": axis}, "x": _amount(chart)}
    size = {"height": {"step": _STRIP}, "width": _WIDTH + 20 - label}
    return {"mark": {"type": "bar"}, "encoding": encoding | _series(chart)} | size


def _line(chart: Chart, values: list[dict[str, Any]]) -> dict[str, Any]:
    unit = {"type": "quantitative", "scale": {"domain": [0, 1]}}
    encoding = {
        "x": {"field": "x", "axis": {"title": chart.x_title}} | unit,
        "y": {"field": "y", "axis": {"title": chart.y_title}} | unit,
    }
    diagonal = {
        "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": PALETTE[4], "strokeWidth": 1},
        "encoding": encoding,
    }
    marked = {"type": "line", "point": {"filled": True, "size": 50}}
    return {"layer": [diagonal, {"data": {"values": values}, "mark": marked, "encoding": encoding | _series(chart)}]}


def _amount(chart: Chart) -> dict[str, Any]:
    whole = all(float(point.y).is_integer() for point in chart.points)
    most = max((point.y for point in chart.points), default=0)
    axis = {"title": chart.y_title, "tickCount": 4 if most > 3 else max(1, int(most)), "format": ",d" if whole else ""}
    return {"field": "y", "type": "quantitative", "axis": axis}


def _series(chart: Chart) -> dict[str, Any]:
    names = list(dict.fromkeys(point.series for point in chart.points))
    if len(names) < 2:
        return {}
    scale = {"domain": names, "range": [PALETTE[number % len(PALETTE)] for number in range(len(names))]}
    return {"color": {"field": "series", "type": "nominal", "scale": scale, "legend": {}}}


def _firsts(points: Sequence[Point]) -> list[Point]:
    return list({point.x: point for point in reversed(points)}.values())
