"""How prompts are read: words, grammar, typos, and the language of each world."""
