"""The suite of directing: how well frames, extensions, loops, edits, storyboards, paths and minutes hold.

`cases` are invented once and committed; `suite` plays them on a `stage`, where an `ensemble` of directed runs
is drawn together; `joints`, `edits` and `shots` are the bars, made of `measures` and printed as `rows`.
"""

from hinode.evaluation.directing.rows import Row, table
from hinode.evaluation.directing.suite import NAMES, evaluate_directing

__all__ = ["NAMES", "Row", "evaluate_directing", "table"]
