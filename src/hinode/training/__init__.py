"""Training of the shipped networks: the drawing network, its decoder, the planner and the reader."""

from hinode.training.decoder import train_decoder
from hinode.training.drawing.recipes import RECIPES as DRAWING_RECIPES
from hinode.training.drawing.trainer import train_drawing
from hinode.training.planner import train_planner
from hinode.training.reader.trainer import train_reader

__all__ = ["DRAWING_RECIPES", "train_decoder", "train_drawing", "train_planner", "train_reader"]
