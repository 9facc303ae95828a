"""Text from outside on its way to a terminal: file names, categories, replies, errors."""


def visible(text: str) -> str:
    """Returns the text with everything that would not be seen written out: it cannot move a cursor or forge a line."""
    return "".join(letter if letter.isprintable() else _written(letter) for letter in text)


def _written(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
