"""Physics: does a generated world continue as the true one does?

The model gets the first second of a scene and generates the next three (as in phyworld, arXiv 2411.02385).
`cases` are scenes whose subject moves, or goes out of sight and comes back; `search` finds it in a frame.
"""

from hinode.evaluation.physics.suite import evaluate_physics

__all__ = ["evaluate_physics"]
