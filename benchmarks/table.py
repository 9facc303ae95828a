"""One readable table per benchmark."""

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A titled table of texts; the first column is aligned left, the others right."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def verdict_text(met: bool | None) -> str:
    """Returns how a table says whether a target is met; None where it was not judged."""
    return {True: "met", False: "NOT met", None: "-"}[met]


def print_table(table: Table) -> None:
    """Prints the table with aligned columns."""
    lines = [table.headings, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.headings))]
    print(f"\n{table.title}\n")
    for number, line in enumerate(lines):
        first, *others = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        print("  " + "  ".join(cells).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    for note in table.notes:
        print(f"  {note}")
    print(flush=True)
