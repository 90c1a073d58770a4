"""The engine of our own models: prompt, plan, sampling, frames."""
