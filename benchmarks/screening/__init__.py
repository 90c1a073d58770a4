"""The screening of prompts: recall on adversarial prompts, and what it refuses of harmless ones."""
