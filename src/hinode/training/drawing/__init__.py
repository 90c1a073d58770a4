"""How the drawing network is trained: recipes, a store of drawn clips, the trainer."""
