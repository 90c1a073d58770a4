"""The directing suite: how well frames, extensions, loops, edits, storyboards, paths and minutes work.

`cases` are made once and committed; `suite` measures them on a `harness`, and a `reader` says what a clip
shows; `continuations`, `edits` and `generation` hold the metrics.
"""

from hinode.evaluation.directing.suite import NAMES, evaluate_directing

__all__ = ["NAMES", "evaluate_directing"]
