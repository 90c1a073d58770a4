"""The language of the picture book: its words, captions, and scenes completed from prompts."""
