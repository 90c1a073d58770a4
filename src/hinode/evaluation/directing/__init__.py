"""The directing suite: how well frames, extensions, loops, edits, storyboards, paths and minutes work.

`cases` are made once and committed; `suite` measures them on a `harness`, whose `batched_engine` runs several
directed requests together; `transitions`, `edits` and `generation` hold the metrics.
"""

from hinode.evaluation.directing.suite import NAMES, evaluate_directing

__all__ = ["NAMES", "evaluate_directing"]
