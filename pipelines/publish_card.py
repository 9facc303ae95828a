"""The dataset card: README.md of a release, generated from what was counted while it was made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipelines.publish_rows import Funnel
from pipelines.publish_shards import ReleaseFile
from schemas.drop import Drop
from schemas.sample import ReleaseRow

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


class Tally:
    """Counts rows as they pass, for the card: nothing is kept of them."""

    def __init__(self) -> None:
        self.hops: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()
        self.styles: Counter[str] = Counter()
        self.variants: Counter[str] = Counter()
        self.licences: Counter[str] = Counter()
        self.tiers: Counter[str] = Counter()
        self.pictures = 0
        self.strict = 0
        self._last = ""

    def add(self, row: ReleaseRow) -> None:
        """Counts one row; rows of one image arrive together."""
        self.hops[row.hop_count] += 1
        self.answers[int(row.answer)] += 1
        self.styles[row.style] += 1
        self.variants[row.variant] += 1
        self.tiers[row.tier] += 1
        self.strict += row.strict
        if row.image_id != self._last:
            self.pictures += 1
            self.licences[row.licence] += 1
            self._last = row.image_id


class Card(NamedTuple):
    """What the card is written from."""

    files: Sequence[ReleaseFile]
    funnel: Funnel
    tally: Tally
    drops: Sequence[Drop]
    """Of publishing itself."""


def render_card(card: Card) -> str:
    """Returns the text of README.md: YAML that `load_dataset(folder)` honours, then the tables a reader wants."""
    return f"---\n{_front_matter(card)}---\n\n{_body(card)}"


def _front_matter(card: Card) -> str:
    splits = {file.split: f"{file.split}-*.parquet" for file in card.files}
    rows = sum(file.rows for file in card.files)
    size = next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")
    lines = ["license: other", "language:", "- en", "pretty_name: Hopyard multi-hop visual questions"]
    lines += ["task_categories:", "- visual-question-answering", "- image-text-to-text"]
    lines += ["size_categories:", f"- {size}", "tags:", "- multi-hop", "- verifiable-rewards", "- grounded-reasoning"]
    lines += ["configs:", "- config_name: default", "  default: true", "  data_files:"]
    for split in sorted(splits, key=("train", "validation", "test").index):
        lines += [f"  - split: {split}", f"    path: {splits[split]}"]
    return "\n".join(lines) + "\n"


def _body(card: Card) -> str:
    tally = card.tally
    rows = sum(file.rows for file in card.files)
    files = [(file.path, file.split, file.rows, f"{file.file_bytes / 1e6:.1f}") for file in card.files]
    parts = [
        "# Multi-hop visual questions\n",
        f"{rows} questions about {tally.pictures} pictures. Every answer is an integer that comes from executing a "
        "program over segmented instances, and is recomputed by a second, independent executor before it ships. Every "
        "hop is proved necessary. `docs/dataset.md` of the Hopyard project explains the columns.\n",
        _table("Files", ("file", "split", "rows", "MB"), files),
        _table("From pictures to rows", ("station", "count"), _stations(card, rows)),
        _table("Why the others went", ("stage", "reason", "count"), _losses(card)),
        _table("Hops", ("hops", "rows"), sorted(tally.hops.items())),
        _table("Variants", ("variant", "rows"), sorted(tally.variants.items())),
        _table("Styles", ("style", "rows"), sorted(tally.styles.items())),
        _table("Who vouches", ("tier", "rows"), sorted(tally.tiers.items())),
        _table("Answers", ("answer", "rows"), sorted(tally.answers.items())),
        _table("Licences of the pictures", ("as its source states it", "pictures"), _licences(tally.licences)),
        _USE,
        _LIMITS.format(strict=tally.strict, rows=rows),
    ]
    return "\n".join(parts)


def _stations(card: Card, rows: int) -> list[tuple[str, int]]:
    return [
        ("pictures admitted", card.funnel.images),
        ("certified questions", card.funnel.questions),
        ("accepted", card.funnel.accepted),
        ("published", rows),
        ("pictures with a published question", card.tally.pictures),
    ]


def _losses(card: Card) -> list[tuple[str, str, int]]:
    own = Counter(drop.reason.value for drop in card.drops)
    return [*card.funnel.drops, *(("publish", reason, count) for reason, count in sorted(own.items()))]


def _licences(licences: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(licences.items(), key=lambda item: (-item[1], item[0]))


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table under a heading; text from outside cannot break out of its cell."""
    if not rows:
        return ""
    lines = [f"## {title}\n", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


_USE = r"""## Use

| consumer | how |
|---|---|
| `datasets` | `load_dataset("path/to/this/folder")` |
| TRL | the columns `prompt` and `images`; `reward_funcs=[hopyard_reward]` from `hopyard_reward.py` |
| verl | `data.prompt_key=prompt_tagged data.image_key=images`; custom reward `compute_score` of `hopyard_reward.py` |

A reply is asked to put its number in `\boxed{}`. The reward is 1 for exactly the gold integer, else 0;
`hopyard_reward.py` states the rules and needs nothing but Python.
"""

_LIMITS = """## Limits

- Answers are proved with respect to the instances and masks of the source. Where a source's masks are wrong or
  incomplete, an answer can be wrong; the column `margin` says how far the weakest fact is from its decision line.
- `strict` is true in {strict} of {rows} rows: there no single wrong turn can reach the gold answer by luck. Elsewhere
  `luck` bounds the chance.
- No solve rates and no human votes yet: `tier` is `program` in every such row.
- Pictures keep their sources' licences; the column `licence` names them row by row.
"""
