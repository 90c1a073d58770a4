"""Physics: does a generated world continue as the true one does?

The model is given the first second of a scene and generates the next three. `cases` are scenes whose subject
moves, or goes out of sight and comes back; `search` finds where it is in a frame; `suite` measures.

Sources: continuing deterministic scenes from footage, arXiv 2411.02385 (phyworld); permanence as in Sora's
report, made countable.
"""

from hinode.evaluation.physics.suite import evaluate_physics

__all__ = ["evaluate_physics"]
