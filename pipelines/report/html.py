"""Sections to HTML. Everything from outside is escaped here, and nowhere is a style or a handler written into a tag."""

from collections.abc import Iterable
from html import escape
from itertools import groupby

from pipelines.report.charts import chart_svg
from pipelines.report.rows import percent
from pipelines.report.section import Block, Cell, Chart, ChartKind, Figures, Flow, Funnel, Grid, Section

_BAR = 100
"""Width of a funnel bar's drawing, in its own units."""
_MOST_REASONS = 6
_ENDS = ("kept", "dropped", "failed")


def section_html(section: Section) -> str:
    """Returns a section with its heading; charts stand side by side."""
    parts = []
    for is_chart, blocks in groupby(section.blocks, lambda block: isinstance(block, Chart) and bool(block.points)):
        inner = "\n".join(block_html(block) for block in blocks)
        parts.append(f'<div class="charts">\n{inner}\n</div>' if is_chart else inner)
    key = escape(section.key)
    heading = f'<h2 id="{key}-title">{escape(section.title)}</h2>\n<p class="lead">{escape(section.lead)}</p>'
    inner = "\n".join([heading, *parts])
    return f'<section id="{key}" aria-labelledby="{key}-title">\n{inner}\n</section>'


def block_html(block: Block) -> str:
    """Returns one block of a section."""
    match block:
        case Figures():
            return _figures(block)
        case Grid():
            return _grid(block)
        case Chart():
            return _chart(block)
        case Funnel():
            return _funnel(block)


def _figures(figures: Figures) -> str:
    items = (
        f"<div><dt>{escape(item.label)}</dt>"
        f"<dd><strong>{escape(item.value)}</strong> <span>{escape(item.note)}</span></dd></div>"
        for item in figures.items
    )
    return f'<dl class="figures">{"".join(items)}</dl>'


def _grid(grid: Grid) -> str:
    note = f"<p>{escape(grid.note)}</p>" if grid.note else ""
    return f"{_table(grid.title, grid.headings, grid.rows)}{note}"


def _table(title: str, headings: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> str:
    """A table in a box that scrolls by itself, so that the page never does sideways."""
    kept = list(rows)
    columns = range(len(headings))
    style = [_number(all(isinstance(row[column], int | float | None) for row in kept)) for column in columns]
    head = "".join(f'<th scope="col"{style[column]}>{escape(headings[column])}</th>' for column in columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td{style[column]}>{_cell(row[column])}</td>" for column in columns) + "</tr>"
        for row in kept
    )
    caption = f"<caption>{escape(title)}</caption>"
    return _scrolling(title, f"<table>{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>")


def _scrolling(title: str, inner: str) -> str:
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}">\n{inner}\n</div>'


def _number(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else escape(value)


def _chart(chart: Chart) -> str:
    if not chart.points:
        return f"<p>{escape(chart.title)}: nothing to draw.</p>"
    note = f"<p>{escape(chart.note)}</p>" if chart.note else ""
    wide = ' class="wide"' if chart.kind is ChartKind.STRIPS else ""
    return (
        f"<figure{wide}>\n<figcaption>{escape(chart.title)}</figcaption>\n{chart_svg(chart)}\n{note}"
        f'<details><summary>Numbers<span class="hidden"> of {escape(chart.title)}</span></summary>'
        f"{_chart_table(chart)}</details>\n</figure>"
    )


def _chart_table(chart: Chart) -> str:
    series = list(dict.fromkeys(point.series for point in chart.points))
    if len(series) < 2:
        headings: tuple[str, ...] = (chart.x_title or "name", chart.y_title)
        return _table(chart.title, headings, [(str(point.x), _amount(point.y)) for point in chart.points])
    found = {(point.x, point.series): point.y for point in chart.points}
    places = list(dict.fromkeys(point.x for point in chart.points))
    rows = [(str(x), *(_amount(found.get((x, name))) for name in series)) for x in places]
    return _table(chart.title, (chart.x_title or "name", *series), rows)


def _amount(value: float | None) -> Cell:
    return None if value is None else int(value) if float(value).is_integer() else value


def _funnel(funnel: Funnel) -> str:
    widest: dict[str, int] = {}
    for flow in funnel.flows:
        widest[flow.unit] = max(widest.get(flow.unit, 0), flow.taken)
    rows = "\n".join(_flow(flow, widest[flow.unit]) for flow in funnel.flows)
    headings = "".join(
        f'<th scope="col"{_number(heading in ("in", "kept"))}>{heading}</th>'
        for heading in ("stage", "unit", "in", "kept", "kept and lost", "why the others went")
    )
    legend = "".join(f'<span class="{style}">{style}</span>' for style in _ENDS)
    head = f'<caption class="hidden">The funnel</caption><thead><tr>{headings}</tr></thead>'
    table = f'<table class="funnel">{head}\n<tbody>\n{rows}\n</tbody></table>'
    return f'{_scrolling("The funnel", table)}<p class="legend">{legend}</p>'


def _flow(flow: Flow, widest: int) -> str:
    shown = [f"<li><b>{count:,}</b> {escape(_words(reason))}</li>" for reason, count in flow.dropped[:_MOST_REASONS]]
    rest = flow.dropped[_MOST_REASONS:]
    if rest:
        shown.append(f"<li><b>{sum(count for _, count in rest):,}</b> for {len(rest)} other reasons</li>")
    if flow.failed:
        shown.append(f'<li class="failed"><b>{flow.failed:,}</b> failed</li>')
    reasons = f"<ul>{''.join(shown)}</ul>" if shown else ""
    return (
        f'<tr><th scope="row">{escape(flow.stage)}</th><td>{escape(flow.unit)}</td>'
        f'<td class="number">{flow.taken:,}</td>'
        f'<td class="number">{flow.kept:,}<small>{percent(flow.kept, flow.taken)}</small></td>'
        f"<td>{_bar(flow, widest)}</td><td>{reasons}</td></tr>"
    )


def _bar(flow: Flow, widest: int) -> str:
    """What was kept, dropped and failed, one after the other; the whole bar is what went in, of the unit's most."""
    pieces, start = [], 0.0
    counts = (flow.kept, sum(count for _, count in flow.dropped), flow.failed)
    for style, count in zip(_ENDS, counts, strict=True):
        width = _BAR * count / widest if widest else 0
        if width:
            pieces.append(f'<rect class="{style}" x="{start:.2f}" width="{width:.2f}" height="10"/>')
        start += width
    drawing = f'viewBox="0 0 {_BAR} 10" preserveAspectRatio="none" aria-hidden="true" focusable="false"'
    return f'<svg class="bar" {drawing}>{"".join(pieces)}</svg>'


def _words(name: str) -> str:
    return name.replace("_", " ")
