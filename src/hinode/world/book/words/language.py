"""The language of the picture book as the parser reads it: `parse(prompt, BOOK)`."""

from __future__ import annotations

from hinode.world.book.words import lexicon
from hinode.world.prompts import grammar
from hinode.world.prompts.language import compose, read_grammar

BOOK = compose(
    lexicon.ATTRIBUTES,
    lexicon.RELATION_WORDS,
    lexicon.NEUTRAL,
    lexicon.FILLER,
    read_grammar(__package__, grammar.DATA),
    lexicon.PLURALS,
)
"""20 kinds, 12 colours, 9 places and 11 moves of the camera."""
