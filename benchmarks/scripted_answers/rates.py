"""How often the stand-in errs, and how."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """Chances in [0, 1]. All zero: an oracle."""

    wrong: float = 0.0
    """Written questions whose number is wrong."""
    ambiguous: float = 0.0
    """Written questions that start at a thing of which there are several."""
    give_away: float = 0.0
    """Written questions whose words tell the answer, in one of seven ways."""
    unreadable: float = 0.0
    """Written questions that no program can be recovered from."""
    own_words: float = 0.5
    """Written questions in other words than the engine's, so that a parser has to read them."""
    malformed: float = 0.0
    """Replies of any job that are none."""
    changed: float = 0.0
    """Paraphrases that mean something else."""
    careless: bool = False
    """The parser reads a changed paraphrase as what it was before: the worst parser there could be."""
    parser_wrong: float = 0.0
    """Programs that are not what the text says."""
    parser_lost: float = 0.0
    """Texts that the parser calls unreadable although they are not."""
    skill: float = 1.0
    """Chance that a solver who sees the picture is right, around which questions differ by `spread`."""
    spread: float = 0.0
    judge_misses: float = 0.0
    """Defects that the judge does not see."""
    judge_false_alarms: float = 0.0
    """Sound questions that it fails."""
    judge_agrees: bool = False
    """The judge passes everything."""
    flawed_steps: float = 0.0
    """Steps of traces that say something wrong."""
    invented: float = 0.0
    """Pictures in which a kind of thing is named that is not there."""
    colour_errors: float = 0.0
    """Attributes that are stated wrongly."""
    poor: float = 0.0
    """Pictures that the strong model calls poor."""
    coarse_misses: float = 0.0
    """Rich pictures that the cheap model refuses."""
