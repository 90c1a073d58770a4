"""Training of the native model: recipes (what), data (from what), trainer (how), distillation (few steps)."""

from hinode.training.distillation import distil
from hinode.training.drawing.recipes import RECIPES as DRAWING_RECIPES
from hinode.training.drawing.trainer import train_drawing
from hinode.training.judge import train_judge
from hinode.training.planner import train_planner
from hinode.training.run import train
from hinode.training.upscaling import train_upscaler

__all__ = [
    "DRAWING_RECIPES",
    "distil",
    "train",
    "train_drawing",
    "train_judge",
    "train_planner",
    "train_upscaler",
]
