r"""Reward for Hopyard rows: 1.0 where a reply commits to exactly the gold answer, else 0.0. Standard library only.

verl: ``compute_score`` as custom reward function. TRL: ``reward_funcs=[hopyard_reward]``. Both call ``score``.

A reply states its answer in one of three forms, in the part after the last ``</think>``, outside code and comments:

1. ``\boxed{7}``, anywhere, once. A second filled box scores 0, even an equal one; empty boxes are no boxes.
2. without a box: ``<answer>7</answer>``, once, as the last thing in the reply.
3. without either: ``Answer: 7`` (``Final answer: 7``, ``The answer is 7``) as the last line, and no such line before.

Where several forms appear, they must agree. The gold answer says what must stand in the form.

Gold is an integer: one integer.

- ASCII digits or their full-width and styled forms, optional sign (``+ - −``), leading zeros ignored;
- thousands in groups of three: ``1,200``, ``1 200``, ``1{,}200``, ``1\,200``;
- ``7.0`` is 7, as in other verifiers; ``7.5`` is no integer, and there is no tolerance;
- the English words zero to twenty, in any case;
- around it: spaces, ``$``, ``\(  \)``, ``**``, one ``\text{}`` (``\mathrm``, ``\mathbf``, ``\textbf``), one full stop.

Gold is a letter (view mcq): that letter in either case, alone or in round brackets, with the same things around it.

Gold is a box ``[x0, y0, x1, y1]`` (view box): four plain numbers in square brackets, ``x0 < x1`` and ``y0 < y1``. It is
right where it overlaps the gold box with IoU 0.5 or more (``box_reward="iou50"``); ``box_reward="giou"`` gives
``(GIoU + 1) / 2`` instead, which is above 0 for boxes that do not even touch.

Everything else is no answer: units, expressions, ranges, lists, "12 or 13", nested boxes, other scripts' digits,
superscripts, an unfinished thought or box. ``format_share`` (default 0) is the part of the reward that any well-formed
answer earns, right or wrong. Nothing here raises, keeps state, starts a timer or uses a signal, and time is linear in
the reply's length.
"""

import numbers
import re
import unicodedata
from collections.abc import Callable

VERSION = 2
LONGEST = 64
"""Characters an answer may have. A longer box, line or tag is no answer."""

Box = tuple[float, float, float, float]
Answer = int | str | Box
Read = Callable[[str], Answer | None]

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_WORD_VALUES = {word: value for value, word in enumerate(_WORDS)}
_PLAIN = re.compile(r"([+-]?)([0-9]{1,64})(?:\.0{1,64})?")
_GROUPED = re.compile(r"([+-]?)([1-9][0-9]{0,2}(?:,[0-9]{3}){1,16}|[1-9][0-9]{0,2}(?: [0-9]{3}){1,16})(?:\.0{1,64})?")
_LETTER = re.compile(r"\(?([A-Za-z])\)?")
_NUMBER = r"[ \t]{0,4}([0-9]{1,6}(?:\.[0-9]{1,6})?)[ \t]{0,4}"
_FOUR = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\{([^{}]{0,64})\}")
_OPEN_TAG = re.compile(r"<answer>", re.IGNORECASE)
_CLOSE_TAG = re.compile(r"</answer>", re.IGNORECASE)
_LINE = re.compile(
    r"[ \t*_#>]{0,16}(?:the )?(?:final )?answer(?: is\b(?: ?[:：])?|[*_]{0,4} ?[:：])(.*)", re.IGNORECASE
)
_BOX = re.compile(r"\\boxed[ \t\n]{0,4}\{")
_LATEX_COMMENT = re.compile(r"(?m)(?:^[ \t]*|(?<=[^0-9\\\s][ \t]))%[^\n]*")
_STYLED = {"<wide>", "<narrow>", "<font>", "<noBreak>"}
_HTML_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BROKEN = "\0"
"""Stands for a form that is there but states no single answer. No integer is written like this."""


def score(text: object, gold: object, format_share: object = 0.0, box_reward: object = "iou50") -> float:
    """Returns the reward of a reply in [0, 1], for any input whatever; 1.0 or 0.0 by default."""
    read, wanted = _gold(gold)
    if read is None or not isinstance(text, str):
        return 0.0
    found = stated(text, read)
    if found is None:
        return 0.0
    share = format_share if isinstance(format_share, (int, float)) and 0 <= format_share <= 1 else 0.0
    boxes = isinstance(found, tuple) and isinstance(wanted, tuple)
    right = box_score(found, wanted, box_reward) if boxes else float(found == wanted)  # type: ignore[arg-type]
    return share + (1.0 - share) * right


def answer_of(text: str) -> int | None:
    """Returns the integer a reply commits to, or None."""
    found = stated(text, integer)
    return found if isinstance(found, int) else None


def stated(text: str, read: Read) -> Answer | None:
    """Returns the one answer a reply commits to as ``read`` (integer, letter or box) understands it, or None."""
    reply = _spoken(text)
    parts = [part for part in (_box(reply), _tag(reply)) if part is not None]
    if _BROKEN in parts:
        return None
    lines = _answer_lines(reply, read)
    if not parts:
        return lines[0][0] if len(lines) == 1 and lines[0][1] else None
    values = {read(part) for part in parts} | {value for value, _ in lines}
    return values.pop() if len(values) == 1 else None


def letter(text: str) -> str | None:
    """Returns the capital letter that a short text is, or None."""
    match = _LETTER.fullmatch(_bare(_plain_characters(text))) if len(text) <= LONGEST else None
    if match is None or match[0].startswith("(") is not match[0].endswith(")"):
        return None
    return match[1].upper()


def box(text: str) -> Box | None:
    """Returns the box ``(x0, y0, x1, y1)`` that a short text is, or None."""
    match = _FOUR.fullmatch(_bare(_plain_characters(text))) if len(text) <= LONGEST else None
    if match is None:
        return None
    x0, y0, x1, y1 = (float(edge) for edge in match.groups())
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def box_score(found: Box, gold: Box, box_reward: object = "iou50") -> float:
    """Returns Acc@50IoU of two boxes, 1.0 or 0.0, or their GIoU moved to [0, 1]."""
    overlap, union, hull = _areas(found, gold)
    if box_reward == "giou":
        return (overlap / union - (hull - union) / hull + 1) / 2
    return 1.0 if overlap / union >= 0.5 else 0.0


def _areas(a: Box, b: Box) -> tuple[float, float, float]:
    """Areas of intersection, union, and the smallest box around both."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    overlap = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return overlap, union, hull


def integer(text: str) -> int | None:
    """Returns the one integer that a short text is, or None (the rules are in the module's docstring)."""
    if len(text) > LONGEST:
        return None
    bare = _bare(_plain_characters(text))
    word = _WORD_VALUES.get(bare.casefold())
    if word is not None:
        return word
    match = _PLAIN.fullmatch(bare) or _GROUPED.fullmatch(bare)
    if match is None:
        return None
    sign, digits = match.groups()
    value = int(digits.replace(",", "").replace(" ", ""))
    return -value if sign == "-" else value


def compute_score(
    data_source: object = None,
    solution_str: object = None,
    ground_truth: object = None,
    extra_info: object = None,
    **kwargs: object,
) -> float:
    """Returns the reward of one reply, for verl; ``reward_kwargs`` may hold ``format_share`` and ``box_reward``."""
    return score(solution_str, ground_truth, kwargs.get("format_share", 0.0), kwargs.get("box_reward", "iou50"))


def hopyard_reward(
    completions: object = None, solution: object = None, reward_model: object = None, **kwargs: object
) -> list[float]:
    """Returns one reward per completion, for TRL; gold is the column ``solution``, else ``reward_model``'s."""
    return [score(reply, gold) for reply, gold in _paired(completions, solution, reward_model)]


def hopyard_format_reward(
    completions: object = None, solution: object = None, reward_model: object = None, **kwargs: object
) -> list[float]:
    """Returns 1.0 per completion that states one well-formed answer, right or wrong: a second reward to weigh in."""
    pairs = _paired(completions, solution, reward_model)
    return [float(_is_formed(reply, gold)) for reply, gold in pairs]


def _is_formed(reply: object, gold: object) -> bool:
    read, _ = _gold(gold)
    return read is not None and isinstance(reply, str) and stated(reply, read) is not None


def _paired(completions: object, solution: object, reward_model: object) -> list[tuple[object, object]]:
    """Each completion's text with its gold."""
    replies = list(completions) if isinstance(completions, (list, tuple)) else []
    golds = list(solution) if isinstance(solution, (list, tuple)) else None
    if golds is None:
        rows = reward_model if isinstance(reward_model, (list, tuple)) else ()
        golds = [row.get("ground_truth") if isinstance(row, dict) else None for row in rows]
    golds += [None] * (len(replies) - len(golds))
    return [(_text(reply), gold) for reply, gold in zip(replies, golds, strict=False)]


def _gold(gold: object) -> tuple[Read | None, Answer | None]:
    """How answers to a gold are read, and its value: an integer, a letter or a box; nothing is guessed about it."""
    if isinstance(gold, bool):
        return None, None
    if isinstance(gold, numbers.Integral):
        return integer, int(gold)
    if isinstance(gold, float):
        return (integer, int(gold)) if gold.is_integer() else (None, None)
    if not isinstance(gold, str) or len(gold) > LONGEST:
        return None, None
    if re.fullmatch(r"[+-]?[0-9]+", gold.strip()):
        return integer, int(gold)
    if re.fullmatch(r"[A-Z]", gold):
        return letter, gold
    return (box, box(gold)) if box(gold) else (None, None)


def _text(completion: object) -> object:
    """The text of a TRL completion: a string, or messages whose last one holds a string or typed blocks."""
    if isinstance(completion, (list, tuple)) and completion:
        last = completion[-1]
        completion = last.get("content") if isinstance(last, dict) else last
    if isinstance(completion, (list, tuple)):
        parts = [block.get("text") for block in completion if isinstance(block, dict)]
        completion = "".join(part for part in parts if isinstance(part, str))
    return completion


def _spoken(text: str) -> str:
    """The reply without thoughts, code and comments, which state nothing."""
    reply = text.rpartition("</think>")[2]
    if "<think>" in reply:
        return ""
    reply = "\n".join(reply.split("```")[::2])
    if "`" in reply:
        reply = "\n".join(_without_code_spans(line) for line in reply.split("\n"))
    reply = _HTML_COMMENT.sub(" ", reply) if "<!--" in reply else reply
    return _LATEX_COMMENT.sub("", reply) if "%" in reply else reply


def _without_code_spans(line: str) -> str:
    parts = line.split("`")
    return " ".join(parts[::2]) if len(parts) % 2 else line


def _box(reply: str) -> str | None:
    """The content of the one filled box, None where there is none, `_BROKEN` where several or an unfinished one."""
    found = ""
    opening = _BOX.search(reply)
    while opening:
        content = _braced(reply, opening.end())
        if content is None or (found and content.strip()):
            return _BROKEN
        found = found or content.strip()
        opening = _BOX.search(reply, opening.end() + len(content))
    return found or None


def _braced(reply: str, start: int) -> str | None:
    """The text up to the brace that closes the one before ``start``; None where none does within reach."""
    depth = 1
    for position in range(start, min(len(reply), start + 2 * LONGEST)):
        depth += {"{": 1, "}": -1}.get(reply[position], 0)
        if depth == 0:
            return reply[start:position]
    return None


def _tag(reply: str) -> str | None:
    """The content of the one answer tag that ends the reply, None and `_BROKEN` as in `_box`."""
    opening = _OPEN_TAG.search(reply)
    closing = _CLOSE_TAG.search(reply)
    if opening is None and closing is None:
        return None
    if opening is None or closing is None or closing.start() < opening.end():
        return _BROKEN
    if _OPEN_TAG.search(reply, opening.end()) or reply[closing.end() :].strip():
        return _BROKEN
    content = reply[opening.end() : closing.start()].strip()
    box = _BOX.match(content)
    return content[box.end() : -1] if box and content.endswith("}") else content


def _answer_lines(reply: str, read: Read) -> list[tuple[Answer, bool]]:
    """The answer of each line that says "Answer: 7", with whether it is the last line."""
    lines = reply.rstrip().split("\n")
    found = []
    for number, line in enumerate(lines):
        match = _LINE.fullmatch(line) if len(line) <= 4 * LONGEST else None
        value = read(match[1]) if match else None
        if value is not None:
            found.append((value, number == len(lines) - 1))
    return found


def _plain_characters(text: str) -> str:
    """Full-width and styled characters as their plain form; superscripts, fractions and circles stay what they are."""
    return "".join(_plain_character(character) for character in text)


def _plain_character(character: str) -> str:
    if character < "\x80":
        return character
    kind, _, plain = unicodedata.decomposition(character).partition(" ")
    if kind in _STYLED or (kind == "<compat>" and plain == "0020"):
        return unicodedata.normalize("NFKC", character)
    return "-" if character == "\u2212" else character


def _bare(text: str) -> str:
    """The text without the allowed wrapping."""
    bare = text.strip().removesuffix(".").strip(" \t\r\n*$")
    if bare.startswith("\\(") and bare.endswith("\\)"):
        bare = bare[2:-2].strip()
    wrapped = _WRAPPED.fullmatch(bare)
    bare = wrapped[1].strip() if wrapped else bare
    return bare.replace("{,}", ",").replace("\\,", " ").removesuffix(".")
