"""How good a model is: the judge's figures, the directing suite, physics, the upscaler, flicker."""
