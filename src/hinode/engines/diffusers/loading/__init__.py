"""The parts of a checkpoint, read from its files."""
