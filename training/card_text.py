"""The model card for people: tables in `docs/perception.md`, written from ``card.json`` and from nothing else."""

from pathlib import Path
from typing import Any

PAGE = Path("docs/perception.md")
BEGIN, END = "<!-- card: begin (written by `python -m training evaluate`) -->", "<!-- card: end -->"
_MEASURES = (
    ("box_miou", "box prompt, mean IoU", 0.88),
    ("box_miou_small", "the same, things under 1,500 pixels", None),
    ("point_miou", "innermost point as prompt, mean IoU", None),
    ("recall_50", "automatic masks, recall at IoU 0.5", 0.90),
    ("precision_50", "automatic masks, precision at IoU 0.5", 0.90),
    ("recall_75", "automatic masks, recall at IoU 0.75", None),
    ("exact_count", "scenes with every thing found and nothing else", None),
)
_HEAD_TARGET = 0.97


def write_card(card: dict[str, Any], page: Path = PAGE) -> None:
    """Puts the tables of a card between the marks of a page.

    Raises:
        ValueError: the page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} has no place for the card: {BEGIN} ... {END}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{card_text(card)}\n{END}{after}", encoding="utf-8")


def card_text(card: dict[str, Any]) -> str:
    """Returns the tables of a card as Markdown."""
    parts = [_quality(card["report"]), _attributes(card["report"]), _reliability(card["report"]["reliability"])]
    return "\n\n".join([*parts, _training(card)])


def _quality(report: dict[str, Any]) -> str:
    rows = [
        (told, f"{report[name]:.3f}", "" if target is None else f"{target:.2f}", _verdict(report[name], target))
        for name, told, target in _MEASURES
    ]
    title = f"{report['scenes']} scenes of the split `report`, {report['things']} things, at 512 x 384 pixels"
    return f"{title}:\n\n{_table(('measure', 'value', 'target', ''), rows)}"


def _attributes(report: dict[str, Any]) -> str:
    rows = [
        (head, f"{share:.4f}", f"{_HEAD_TARGET}", _verdict(share, _HEAD_TARGET))
        for head, share in report["crops"].items()
    ]
    rows.append(("all of them at once", f"{report['crops_all']:.4f}", "", ""))
    told = "What the crop classifier says of the masks found (a mask is a thing's from an IoU of 0.5):"
    return f"{told}\n\n{_table(('attribute', 'right', 'target', ''), rows)}"


def _reliability(rows: list[dict[str, float]]) -> str:
    cells = [
        (f"{row['from']:g} to {row['to']:g}", f"{row['readings']:,}", f"{row['confidence']:.4f}", f"{row['right']:.4f}")
        for row in rows
    ]
    told = "How far its confidence can be trusted (all attributes; temperatures were fitted on other scenes):"
    return f"{told}\n\n{_table(('confidence', 'readings', 'mean confidence', 'right'), cells)}"


def _training(card: dict[str, Any]) -> str:
    trained, chosen = card["segmenter"], card["thresholds"]["chosen"]
    told = (
        f"Trained for {trained['step']:,} steps of {trained['batch']} pictures ({trained['pictures']:,} pictures, "
        f"{trained['minutes']:g} minutes of steps on a shared processor), {trained['parameters']:,} weights. "
        f"Thresholds, from {card['thresholds']['scenes']} scenes of the split `calibrate`: predicted IoU "
        f"{chosen['min_quality']:g}, stability {chosen['min_stability']:g}. Learning curve (30 scenes of `calibrate`):"
    )
    curve = trained["curve"]
    step = max(1, len(curve) // 10)
    shown = [*curve[:-1:step], curve[-1]]
    rows = [
        (
            f"{one['pictures']:,}",
            f"{one['minutes']:g}",
            f"{one['box']:.3f}",
            f"{one['point']:.3f}",
            f"{one['error']:.3f}",
        )
        for one in shown
    ]
    headings = ("pictures", "minutes", "box, mean IoU", "point, mean IoU", "error of predicted IoU")
    return f"{told}\n\n{_table(headings, rows)}"


def _verdict(value: float, target: float | None) -> str:
    return "" if target is None else "met" if value >= target else "not met"


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
