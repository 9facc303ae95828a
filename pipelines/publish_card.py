"""The dataset card: README.md of a release, generated from what was counted while it was made."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from pipelines.publish_rows import Funnel
from pipelines.publish_shards import ReleaseFile
from pipelines.release_gate import GateRow
from schemas.drop import Drop
from stages.publish import Accepted, PublishConfig, Tried, View, tier_of
from stages.release_columns import AskedRows

_KINDS = ("kind", "flaw", "edit")
_MOST_MARGIN = 5.0
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
        self.kinds: Counter[str] = Counter()
        """Of the rows of a view: best, flawed and plain; flaws; edits."""
        self.margins: Counter[float] = Counter()
        self.solved: dict[str, Counter[int]] = {}
        """By model: questions by tenth of their solve rate."""
        self.attempts: Counter[str] = Counter()
        self.questions = 0
        self.pictures = 0
        self.strict = 0
        self._last = ""

    def add(self, accepted: Accepted, rows: Sequence[BaseModel]) -> None:
        """Counts the rows made of one question; questions of one image arrive together."""
        question, image = accepted.question, accepted.image
        self.questions += 1
        self.hops[question.hop_count] += 1
        self.answers[question.answer] += 1
        self.styles[question.style] += 1
        self.variants[question.variant] += 1
        self.tiers[tier_of(accepted)] += 1
        self.strict += question.strict
        self.margins[_binned(question.margin)] += 1
        self._add_tried(accepted.tried)
        for row in rows:
            self.kinds.update(str(getattr(row, name)) for name in _KINDS if getattr(row, name, None) is not None)
        self._add_pictures([(image.image_id, image.licence)])

    def add_columns(self, asked: AskedRows, tiers: Sequence[str]) -> None:
        """Counts questions of which one row each was made; those of one image arrive together."""
        questions = asked.questions
        self.questions += asked.total
        self.hops.update(questions["hop_count"].to_pylist())
        self.answers.update(questions["answer"].to_pylist())
        self.styles.update(questions["style"].to_pylist())
        self.variants.update(questions["variant"].to_pylist())
        self.tiers.update(tiers)
        self.strict += sum(questions["strict"].to_pylist())
        self.margins.update(map(_binned, questions["margin"].to_pylist()))
        for tried in asked.tried:
            self._add_tried(tried)
        licences = asked.images["licence"].to_pylist()
        self._add_pictures(zip(asked.images["image_id"].to_pylist(), licences, strict=True))

    def _add_tried(self, tried: Tried) -> None:
        for rate in tried.solve_rates or ():
            self.solved.setdefault(rate.model, Counter())[min(int(rate.rate * 10), 9)] += 1
            self.attempts[rate.model] += rate.n

    def _add_pictures(self, pictures: Iterable[tuple[str, str]]) -> None:
        """Counts each picture once, with its licence, of runs of the same one."""
        for image_id, licence in pictures:
            if image_id != self._last:
                self.pictures += 1
                self.licences[licence] += 1
                self._last = image_id


def _binned(margin: float) -> float:
    return min(int(margin * 2) / 2, _MOST_MARGIN)


class Card(NamedTuple):
    """What the card is written from."""

    files: Sequence[ReleaseFile]
    funnel: Funnel
    gate: Sequence[GateRow]
    tally: Tally
    drops: Sequence[Drop]
    """Of publishing itself."""
    config: PublishConfig


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
        f"{rows} rows from {tally.questions} questions about {tally.pictures} pictures. {_VIEWS[card.config.view]} "
        "Every answer in tier `program` or `both` is an integer that comes from executing a program over segmented "
        "instances, and is recomputed by a second, independent executor before it ships; every hop is proved "
        "necessary. `docs/dataset.md` of the Hopyard project explains the columns. View "
        f"`{card.config.view}`, layout `{card.config.layout}`, format `{card.config.format}`.\n",
        _table("Files", ("file", "split", "rows", "MB"), files),
        _table("From pictures to rows", ("station", "count"), _stations(card, rows)),
        _table("Why the others went", ("stage", "reason", "count"), _losses(card)),
        _table("What the rows are", ("kind", "rows"), sorted(tally.kinds.items())),
        _table("Hops", ("hops", "questions"), sorted(tally.hops.items())),
        _table("Variants", ("variant", "questions"), sorted(tally.variants.items())),
        _table("Styles", ("style", "questions"), sorted(tally.styles.items())),
        _table("Who vouches", ("tier", "questions"), sorted(tally.tiers.items())),
        _table("Answers", ("answer", "questions"), sorted(tally.answers.items())),
        _table("Margins", ("weakest fact, cut-offs from its line", "questions"), _margins(tally.margins)),
        _table("Solve rates", ("model", "attempts", "solve rate", "questions"), _solved(tally)),
        _table(
            "Answered without the picture",
            ("style", "hops", "shown", "questions", "right", "chance", "shortcut gate"),
            card.gate,
        ),
        _table("Licences of the pictures", ("as its source states it", "pictures"), _licences(tally.licences)),
        _USE,
        _MEASURED,
        _LIMITS.format(strict=tally.strict, questions=tally.questions, tried=_tried(tally)),
    ]
    return "\n".join(parts)


def _stations(card: Card, rows: int) -> list[tuple[str, int]]:
    return [
        ("pictures admitted", card.funnel.images),
        ("certified questions", card.funnel.questions),
        ("accepted", card.funnel.accepted),
        ("published", card.tally.questions),
        ("rows", rows),
        ("pictures with a published question", card.tally.pictures),
    ]


def _losses(card: Card) -> list[tuple[str, str, int]]:
    own = Counter(drop.reason.value for drop in card.drops)
    return [*card.funnel.drops, *(("publish", reason, count) for reason, count in sorted(own.items()))]


def _licences(licences: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(licences.items(), key=lambda item: (-item[1], item[0]))


def _margins(margins: Mapping[float, int]) -> list[tuple[str, int]]:
    return [
        (f"{low:g} to {low + 0.5:g}" if low < _MOST_MARGIN else f"{low:g} and more", count)
        for low, count in sorted(margins.items())
    ]


def _solved(tally: Tally) -> list[tuple[str, int, str, int]]:
    return [
        (model, tally.attempts[model], f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}", count)
        for model, tenths in sorted(tally.solved.items())
        for tenth, count in sorted(tenths.items())
    ]


def _tried(tally: Tally) -> str:
    models = (
        "No model has tried these questions."
        if not tally.solved
        else f"Tried by {', '.join(map(_cell, sorted(tally.solved)))}."
    )
    people = sum(count for tier, count in tally.tiers.items() if tier != "program")
    return f"{models} People vouch for {people} of {tally.questions}."


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

_VIEWS = {
    View.RL: "Rows are prompts with a gold answer, for reinforcement learning with verifiable rewards.",
    View.SFT_REASONING: "Rows are gold reasoning traces with grounded steps, for a reasoning agent.",
    View.SFT_SUMMARY: "Rows are traces to be judged, right and flawed, and plain questions, for a summary agent.",
    View.DPO: "Rows are pairs: a gold response, and the same gone wrong at a known step, executed to prove it.",
    View.PROCESS: "Rows are responses with a label per step.",
    View.MCQ: "Rows are multiple-choice questions; wrong options are what wrong turns give.",
    View.BOX: "Rows ask for the box of the thing that the chain of a question ends at.",
    View.ERASURE: "Rows are contrast pairs: a question on a picture, and on the same with one referent edited.",
}

_MEASURED = """## How each number was measured

| number | how |
|---|---|
| stations, losses | counted from the manifests of the run: for every stage, in = kept + dropped + failed |
| answers | executed, not read: by bit sets, and again in SQL |
| hops | operator applications that move attention, counted on the executed program |
| luck | share of the wrong members of a hop's set that give the gold answer, the largest of any hop |
| margin | distance of the weakest perceptual fact from its decision line, in units of its cut-off; 1 is the limit |
| answered without the picture | correct attempts of a model that saw none; chance: always the most frequent answer |
| solve rates | correct of the attempts that stated an answer, by exact match; unreadable attempts count for nothing |
| people | their numbers as given, nobody having seen another's or the program's |

"""

_LIMITS = """## Limits

- Answers are proved with respect to the instances and masks of the source. Where a source's masks are wrong or
  incomplete, an answer can be wrong; the column `margin` says how far the weakest fact is from its decision line.
- `strict` is true in {strict} of {questions} questions: there no single wrong turn can reach the gold answer by luck.
  Elsewhere `luck` bounds the chance.
- {tried} A solve rate is that of one model with one prompt; columns `solve_rates` and `votes` are null where nobody
  tried.
- Questions are English, written from templates or by a model; sides are the picture's, sizes what they look like.
- Pictures keep their sources' licences; the column `licence` names them row by row.
"""
