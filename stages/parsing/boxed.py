r"""The number that a solver commits to: exactly one ``\boxed{...}`` with an integer, or none.

The same discipline as the reward's: a second box, an expression, a unit or a range is no answer. Here that makes an
attempt unscored; it never makes it right.
"""

import re
import unicodedata

from stages.parsing.reply import Fault, Unreadable, strip_thought

_BOX = re.compile(r"\\boxed\s*\{([^{}]{0,64})\}")
_INTEGER = re.compile(r"[+-]?\d{1,9}(?:\.0+)?")
_SAME_SIGN = ("<wide>", "<narrow>", "<font>", "<noBreak>")
"""Other forms of a character that leave its place alone. A raised digit is a power, one in a circle is a mark."""


def read_boxed(text: str) -> int | Unreadable:
    """Returns the one boxed integer of a reply, or why there is none."""
    said = strip_thought(text)
    if isinstance(said, Unreadable):
        return said
    if said.count("\\boxed") != 1:
        return Unreadable(Fault.WRONG_FORM, f"{said.count(chr(92) + 'boxed')} boxes, wanted one")
    found = _BOX.search(said)
    if found is None:
        return Unreadable(Fault.BROKEN, "the box does not close, or holds more than a number")
    inner = "".join(map(_plain, found[1])).strip().strip("$").strip()
    if not inner.isascii() or not _INTEGER.fullmatch(inner):
        return Unreadable(Fault.WRONG_FORM, f"the box holds {found[1][:40]!r}, no integer")
    return int(inner.partition(".")[0])


def _plain(mark: str) -> str:
    """Returns full-width and styled characters as their plain form; others stay what they are."""
    return unicodedata.normalize("NFKC", mark) if unicodedata.decomposition(mark).startswith(_SAME_SIGN) else mark
