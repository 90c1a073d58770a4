"""Plans of clips from words: the trained planner, its values, and the rules behind it."""
